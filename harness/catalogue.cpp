// `list` and `describe`: what is registered, printed from the code itself.
#include "harness/catalogue.h"

#include <algorithm>

#include "attention/backend.h"
#include "core/error.h"
#include "datasets/dataset.h"
#include "harness/config.h"
#include "harness/sections.h"
#include "harness/table.h"
#include "metrics/metric.h"
#include "reports/report.h"

namespace longreach::harness {
namespace {

constexpr i64 kShownCapacity = 1024;
constexpr attention::Shape kShownShape{.query_heads = 4, .kv_heads = 2, .head_dim = 32};

template <class Registry>
std::string list_one(std::string_view kind) {
  Table table({fmt::format("{}:", kind), ""});
  for (const auto& [name, entry] : Registry::instance().entries()) {
    table.add({"  " + name, entry.summary});
  }
  return table.text();
}

std::string field_table(const std::vector<FieldDescription>& fields) {
  if (fields.empty()) return "  no parameters\n";
  Table table({"  key", "default", "allowed", "meaning"});
  for (const FieldDescription& field : fields) {
    table.add({"  " + field.key, field.value, field.allowed, field.doc});
  }
  return table.text();
}

std::string shape_text(const std::vector<i64>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

std::string describe_backend(const attention::AttentionRegistry::Entry& entry) {
  std::unique_ptr<attention::Backend> backend;
  visit_params("", [&](Fields& reader) { backend = entry.make(reader, kShownShape); });
  std::string text = fmt::format(
      "\nWith the defaults, {} query heads, {} key/value heads of {} and room for {} tokens:\n",
      kShownShape.query_heads, kShownShape.kv_heads, kShownShape.head_dim, kShownCapacity);
  const auto weights = backend->weights();
  if (weights.empty()) text += "  no weights\n";
  for (const attention::WeightSpec& weight : weights) {
    text += fmt::format("  weight {} {} starts at {}, learning rate x {}{}\n", weight.name,
                        shape_text(weight.shape), weight.initial, weight.learning_rate_scale,
                        weight.decays ? "" : ", no decay");
  }
  for (const attention::ProjectionSpec& spec : backend->projections()) {
    text +=
        fmt::format("  projection {} [{}] of each token's hidden state\n", spec.name, spec.size);
  }
  for (const NamedTensor& named : backend->initial_state(1, kShownCapacity).tensors) {
    text += fmt::format("  state {} {}\n", named.name, shape_text(named.tensor.shape()));
  }
  const i64 bytes = backend->state_bytes(kShownCapacity);
  return text + fmt::format("  state bytes {}; with twice the room {}\n", bytes,
                            backend->state_bytes(2 * kShownCapacity));
}

/// Its name, what it is and its parameters.
template <class Entry>
std::string describe_entry(std::string_view kind, const std::string& name, const Entry& entry) {
  return fmt::format("{} ({}): {}\n", name, kind, entry.summary) +
         field_table(describe(entry.visit_defaults));
}

template <class Registry>
bool describe_in(std::string_view kind, const std::string& name, std::string& text) {
  const auto found = Registry::instance().entries().find(name);
  if (found == Registry::instance().entries().end()) return false;
  if (!text.empty()) text += '\n';
  text += describe_entry(kind, name, found->second);
  if constexpr (std::is_same_v<Registry, attention::AttentionRegistry>) {
    text += describe_backend(found->second);
  }
  return true;
}

template <class Registry>
std::string describe_all_in(std::string_view kind) {
  std::string text;
  for (const auto& [name, entry] : Registry::instance().entries()) {
    text += "\n" + describe_entry(kind, name, entry);
  }
  return text;
}

std::string describe_section(const Section& section) {
  return fmt::format("{} ({})\n", section.name, section.about) + field_table(keys_of(section));
}

std::vector<std::string> section_names() {
  std::vector<std::string> names;
  for (const Section& section : sections()) names.push_back(section.name);
  return names;
}

}  // namespace

std::string list_all() {
  return list_one<attention::AttentionRegistry>("backends") + "\n" +
         list_one<metrics::MetricRegistry>("metrics") + "\n" +
         list_one<datasets::DatasetRegistry>("datasets") + "\n" +
         list_one<reports::ReportRegistry>("reports") +
         fmt::format(
             "\n`longreach describe NAME` tells more; so it does of the sections {}, and "
             "without a name of all.\n",
             fmt::join(section_names(), ", "));
}

std::string describe_all() {
  std::string text =
      "An experiment is a YAML file of these keys. Where one value is expected in an entry of\n"
      "models, backends or tasks, a list or a range (512..8192*2, 1..4+1) is a sweep. Numbers "
      "take\n"
      "units: 4k tokens, 8GiB, 10m, 25%. docs/configuration.md tells more.\n";
  for (const Section& section : sections()) text += "\n" + describe_section(section);
  return text + describe_all_in<attention::AttentionRegistry>("backend") +
         describe_all_in<metrics::MetricRegistry>("metric") +
         describe_all_in<datasets::DatasetRegistry>("dataset");
}

std::string describe_name(const std::string& name) {
  std::string text;
  const auto section = std::ranges::find(sections(), name, &Section::name);
  bool found = section != sections().end();
  if (found) text = describe_section(*section);
  found |= describe_in<attention::AttentionRegistry>("backend", name, text);
  found |= describe_in<metrics::MetricRegistry>("metric", name, text);
  found |= describe_in<datasets::DatasetRegistry>("dataset", name, text);
  found |= describe_in<reports::ReportRegistry>("report", name, text);
  if (found) return text;
  std::vector<std::string> known = section_names();
  const auto append = [&known](std::vector<std::string> names) {
    known.insert(known.end(), names.begin(), names.end());
  };
  append(attention::AttentionRegistry::instance().names());
  append(metrics::MetricRegistry::instance().names());
  append(datasets::DatasetRegistry::instance().names());
  append(reports::ReportRegistry::instance().names());
  throw error("describe: unknown name '{}'{}", name, suggestion(name, known));
}

}  // namespace longreach::harness
