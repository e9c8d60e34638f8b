// Makes a backend from the way people write one on a command line.
#include "harness/backend_text.h"

#include "core/error.h"
#include "harness/yaml_reader.h"

namespace longreach::harness {

std::unique_ptr<attention::Backend> make_backend(const std::string& where, const std::string& text,
                                                 const attention::Shape& shape) {
  const YAML::Node root = parse_yaml(text, where);
  const bool name_only = root.IsScalar();
  if (!name_only && !(root.IsMap() && root.size() == 1 && root.begin()->first.IsScalar())) {
    throw error(
        "{}: expected a backend's name, or one mapping such as "
        "'{{infini: {{segment: 16}}}}', not '{}'",
        where, text);
  }
  const std::string type = name_only ? root.Scalar() : root.begin()->first.Scalar();
  const YAML::Node parameters = name_only ? YAML::Node() : YAML::Node(root.begin()->second);
  const Source source{where, {}};
  Problems problems;
  try {
    YamlFields reader(parameters, type, {source, problems});
    std::unique_ptr<attention::Backend> backend =
        attention::AttentionRegistry::instance().find(type).make(reader, shape);
    reader.finish();
    problems.raise();
    return backend;
  } catch (const Error& thrown) {
    problems.raise();  // what was written wrongly explains more than what that led to
    throw error("{}: {}", where, thrown.what());
  }
}

}  // namespace longreach::harness
