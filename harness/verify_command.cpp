// `verify`: the conformance gate for backends, as text.
#include "harness/verify_command.h"

#include "core/error.h"
#include "harness/config.h"
#include "harness/yaml_reader.h"

namespace longreach::harness {
namespace {

using attention::AttentionRegistry;
using attention::Check;

std::string line(const Check& check) {
  if (check.tolerance == 0) {
    return fmt::format("  {} {:<18} exact{}{}\n", check.passed ? "pass" : "FAIL", check.name,
                       check.passed ? "" : fmt::format(", off by {:.3g}", check.error),
                       check.passed || check.detail.empty() ? "" : "  " + check.detail);
  }
  return fmt::format("  {} {:<18} {:.2e} of {:.0e}{}\n", check.passed ? "pass" : "FAIL", check.name,
                     check.error, check.tolerance, check.detail.empty() ? "" : "  " + check.detail);
}

/// The canonical parameters of `type` with "--set" values: "type.key=value" or "key=value".
std::string parameters(const std::string& type, const std::vector<std::string>& set) {
  YAML::Node root(YAML::NodeType::Map);
  root[type] = YAML::Node(YAML::NodeType::Map);
  Source source{.file = "verify", .set_paths = {}};
  for (const std::string& assignment : set) {
    const bool named = assignment.starts_with(type + ".");
    apply_set(root, named ? assignment : type + "." + assignment, source);
  }
  Problems problems;
  YamlFields reader(root[type], type, {source, problems});
  const std::string text =
      read_canonical(reader, AttentionRegistry::instance().find(type).visit_defaults);
  reader.finish();
  problems.raise();
  return text;
}

/// The parameter sets to try: the one asked for with --set, or all that the gate derives.
std::vector<attention::Variant> variants(const std::string& type, const VerifyRequest& request) {
  if (request.set.empty()) return attention::variants(type);
  const std::string text = parameters(type, request.set);
  const auto& entry = AttentionRegistry::instance().find(type);
  const auto make = [text, &entry](const attention::Shape& shape) {
    std::unique_ptr<attention::Backend> backend;
    visit_params(text, [&](Fields& reader) { backend = entry.make(reader, shape); });
    return backend;
  };
  // Of what was asked for in so many words, gradients cut on purpose are no fault either.
  const YAML::Node truncation = YAML::Load("{" + text + "}")["bptt"];
  return {{text, make, true, truncation.IsDefined() && truncation.Scalar() != "0"}};
}

}  // namespace

bool verify_backends(const VerifyRequest& request,
                     const std::function<void(const std::string&)>& print) {
  std::vector<std::string> types = request.backends;
  if (types.empty()) types = AttentionRegistry::instance().names();
  for (const std::string& type : types) AttentionRegistry::instance().find(type);
  print(fmt::format("seed {}, {} rounds (--seed, --seeds)\n", request.options.seed,
                    request.options.quick ? 1 : request.options.seeds));
  i64 failed = 0, checks = 0;
  for (const std::string& type : types) {
    for (const attention::Variant& variant : variants(type, request)) {
      print(fmt::format("{} {{{}}}\n", type, variant.parameters));
      for (const Check& check : attention::verify(variant, request.options)) {
        print(line(check));
        ++checks;
        failed += !check.passed;
      }
    }
  }
  print(fmt::format("{} of {} checks passed\n", checks - failed, checks));
  return failed == 0;
}

}  // namespace longreach::harness
