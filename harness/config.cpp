// An experiment, as read from a YAML file.
#include "harness/config.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "core/error.h"
#include "harness/config_sections.h"
#include "harness/environment.h"
#include "harness/include.h"
#include "harness/validation.h"

namespace longreach::harness {
namespace {

void apply_overrides(YAML::Node root, const Overrides& overrides, Source& source) {
  for (const std::string& set : overrides.set) apply_set(root, set, source);
  if (overrides.output) root["output"] = *overrides.output;
  if (overrides.seed) root["seed"] = *overrides.seed;
  if (overrides.seed) source.set_paths.insert("seed");
  if (overrides.lengths.empty()) return;
  YAML::Node lengths(YAML::NodeType::Sequence);
  for (const std::string& length : overrides.lengths) lengths.push_back(length);
  root["lengths"] = lengths;
  source.set_paths.insert("lengths");
  if (!root["tasks"].IsSequence()) return;
  for (YAML::Node task : root["tasks"]) {
    if (!task.IsMap()) continue;
    for (auto pair : task) {
      if (pair.second.IsMap()) pair.second.remove("lengths");
    }
  }
}

/// The place of what stands under these keys, or of the innermost of them that is there.
std::string place_of(const YAML::Node& root, std::initializer_list<const char*> keys,
                     const Source& source) {
  std::string path;
  YAML::Node here;
  here.reset(root);
  for (const char* key : keys) {
    path = join_path(path, key);
    const YAML::Node& map = here;  // a constant node makes no key
    const YAML::Node next = map.IsMap() ? map[key] : YAML::Node(YAML::NodeType::Undefined);
    if (next.IsDefined()) here.reset(next);
  }
  return source.place(here, path);
}

void check_header(const Header& header, const YAML::Node& root, const Source& source,
                  Problems& problems) {
  const auto place = [&](const char* key) { return place_of(root, {key}, source); };
  if (header.version != 1) {
    problems.add(fmt::format("{}: needs version: 1 (found {}); this program reads no other",
                             place("version"), header.version));
  }
  const auto plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
  };
  constexpr std::size_t kLongestName = 100;  // it names a folder
  if (header.name.empty() || !std::all_of(header.name.begin(), header.name.end(), plain) ||
      header.name.starts_with('.') || header.name.size() > kLongestName) {
    problems.add(
        fmt::format("{}: needs a name of at most {} letters, digits, '.', '_' and '-' (found '{}')",
                    place("name"), kLongestName, one_line(header.name)));
  }
}

/// Refuses what would make more cells than can be planned, before any of them is made.
void check_size(const Experiment& experiment, const Source& source, Problems& problems) {
  std::map<std::string_view, double> runs;  // of each model, by its full name and by its base
  double all_runs = 0, cells = 0;
  for (const ModelChoice& model : experiment.models) {
    const auto& training = model.training;
    const double count = training ? static_cast<double>(training->lr.size()) *
                                        static_cast<double>(training->seeds.size())
                                  : 1;
    runs[model.name] += count;
    all_runs += count;
  }
  const auto backends = static_cast<double>(experiment.backends.size());
  for (const TaskChoice& task : experiment.tasks) {
    const auto& lengths = task.lengths.empty() ? experiment.lengths : task.lengths;
    const auto of_model = runs.find(task.model);
    const double of_task = of_model == runs.end() ? all_runs : of_model->second;
    cells += static_cast<double>(lengths.size()) * of_task * backends;
  }
  cells += all_runs * backends;
  if (cells <= kMostCells) return;
  problems.add(fmt::format(
      "{}: asks for up to {:.4g} cells (models x seeds x learning rates x backends x tasks x "
      "lengths); at most {} are planned, so split it into several files",
      source.file, cells, kMostCells));
}

Experiment read_tree(YAML::Node root, const std::string& text, const Overrides& overrides,
                     Source& source, Scope scope) {
  Problems problems;
  if (!root.IsMap()) {
    throw error("{}: expected a mapping with version, name, models, ...", source.file);
  }
  const bool included = resolve_includes(root, source);
  apply_overrides(root, overrides, source);
  const bool from_environment = read_environment(root, source, problems);

  Experiment experiment;
  experiment.file = source.file;
  experiment.folder = overrides.folder;
  experiment.edited = YAML::Dump(root) + "\n";
  experiment.written = included || from_environment ? experiment.edited : text;
  require_readable(experiment.edited, source.file + " with all that is set and included");
  // What follows changes the tree further.
  substitute_environment(root, source, problems);
  problems.raise();
  YamlFields reader(root, "", {source, problems});
  Header header;
  header.fields(reader);
  check_header(header, root, source, problems);
  experiment.name = header.name;
  experiment.seed = header.seed;
  experiment.output = header.output.empty() ? "runs/" + header.name : header.output;
  experiment.lengths = header.lengths;
  experiment.statistics = header.statistics;
  experiment.statistics.where = place_of(root, {"statistics", "baseline"}, source);
  experiment.limits = header.limits;
  experiment.models = read_models(reader.claim("models"), header.seed, source, problems);
  experiment.backends = read_backends(reader.claim("backends"), source, problems);
  experiment.tasks = read_tasks(reader.claim("tasks"), source, problems);
  reader.claim("environment");
  reader.claim("include");  // for those who misspell it; it is gone from the tree
  reader.finish();
  check_size(experiment, source, problems);
  problems.raise();

  for (const std::string& problem : validate(experiment, scope)) problems.add(problem);
  problems.raise();
  return experiment;
}

}  // namespace

std::string BackendChoice::type() const {
  std::vector<std::string> types;
  for (const Component& layer : layers) {
    if (std::find(types.begin(), types.end(), layer.type) == types.end()) {
      types.push_back(layer.type);
    }
  }
  return fmt::format("{}", fmt::join(types, "+"));
}

std::string BackendChoice::params() const {
  if (layers.size() == 1) return layers[0].params;
  std::vector<std::string> each;
  for (const Component& layer : layers) {
    each.push_back(fmt::format("{{{}: {{{}}}}}", layer.type, layer.params));
  }
  return fmt::format("[{}]", fmt::join(each, ", "));
}

std::string BackendChoice::settings() const {
  if (heads == 0) return params();
  return fmt::format("heads: {}{}{}", heads, params().empty() ? "" : ", ", params());
}

const BackendChoice& Experiment::weights_of(const BackendChoice& backend) const {
  if (backend.weights_of.empty()) return backend;
  const auto found = std::ranges::find(backends, backend.weights_of, &BackendChoice::name);
  return found == backends.end() ? backend : *found;
}

const BackendChoice* Experiment::baseline() const {
  const auto found = std::ranges::find(backends, true, &BackendChoice::baseline);
  return found == backends.end() ? nullptr : &*found;
}

bool Experiment::pairs(const ModelChoice& model, const BackendChoice& backend) const {
  bool measured = false;
  for (const TaskChoice& task : tasks) {
    if (task.model != model.name) continue;
    measured = true;
    for (const BackendChoice& other : backends) {
      const bool same = &other == &backend || &weights_of(other) == &backend;
      if (same && task.uses(other)) return true;
    }
  }
  return !measured;
}

bool TaskChoice::uses(const BackendChoice& backend) const {
  return backends.empty() || std::any_of(backends.begin(), backends.end(), [&](const auto& wanted) {
           return named(backend.name, wanted);
         });
}

std::string_view sweep_base(std::string_view name) { return name.substr(0, name.find(' ')); }

bool named(std::string_view name, std::string_view wanted) {
  return name == wanted || sweep_base(name) == wanted;
}

void visit_params(const std::string& canonical, const std::function<void(Fields&)>& visit,
                  const std::vector<std::pair<std::string, std::string>>& replaced) {
  YAML::Node node = YAML::Load(fmt::format("{{{}}}", canonical));
  for (const auto& [key, value] : replaced) node[key] = value;
  const Source source{.file = canonical, .set_paths = {}};
  Problems problems;
  YamlFields reader(node, "", {source, problems});
  visit(reader);
  reader.finish();
  problems.raise();
}

std::optional<std::string> param(const std::string& canonical, const std::string& key) {
  const YAML::Node node = YAML::Load(fmt::format("{{{}}}", canonical));
  const YAML::Node value = node[key];
  if (!value.IsDefined() || !value.IsScalar()) return std::nullopt;
  return value.Scalar();
}

Experiment read_experiment_text(const std::string& text, const std::string& file,
                                const Overrides& overrides) {
  return read_experiment_text(text, file, overrides, Scope::everything);
}

Experiment read_experiment_text(const std::string& text, const std::string& file,
                                const Overrides& overrides, Scope scope) {
  Source source{.file = file, .set_paths = {}};
  try {
    return read_tree(parse_yaml(text, file), text, overrides, source, scope);
  } catch (const YAML::Exception& failure) {
    throw error("{}:{}: {}", file, failure.mark.line + 1, one_line(failure.msg));
  } catch (const std::length_error&) {
    throw error("{}: asks for more than memory can hold; give smaller numbers", file);
  } catch (const std::bad_alloc&) {
    throw error("{}: asks for more than memory can hold; give smaller numbers", file);
  }
}

Experiment read_experiment(const std::string& file, const Overrides& overrides) {
  Overrides with_folder = overrides;
  if (with_folder.folder.empty()) {
    with_folder.folder = std::filesystem::absolute(file).parent_path().string();
  }
  return read_experiment_text(read_configuration_file(file), file, with_folder);
}

}  // namespace longreach::harness
