// `list` and `describe`: what is registered, printed from the code itself.
#include "harness/catalogue.h"

#include <algorithm>

#include "attention/backend.h"
#include "core/error.h"
#include "datasets/dataset.h"
#include "harness/config.h"
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

template <class Registry>
bool describe_in(std::string_view kind, const std::string& name, std::string& text) {
  const auto found = Registry::instance().entries().find(name);
  if (found == Registry::instance().entries().end()) return false;
  if (!text.empty()) text += '\n';
  text += fmt::format("{} ({}): {}\n", name, kind, found->second.summary);
  text += field_table(describe(found->second.visit_defaults));
  if constexpr (std::is_same_v<Registry, attention::AttentionRegistry>) {
    text += describe_backend(found->second);
  }
  return true;
}

std::string describe_train() {
  Training training;
  std::vector<FieldDescription> fields = describe([&training](Fields& f) { training.fields(f); });
  fields[0].value = fmt::format("[{}]", training.params.lr);
  for (FieldDescription& field : describe(training.params)) {
    if (field.key != "lr") fields.push_back(std::move(field));
  }
  return "train (section of a model): how it is trained; data: {dataset: {...}} names on what,\n"
         "data: {mix: [{dataset: {...}}, ...]} on which tasks side by side\n" +
         field_table(fields);
}

std::string describe_section(const std::string& name) {
  if (name == "arch") {
    return "arch (section of a model): the transformer; vocabulary: bytes or task (the words of "
           "train.data)\n" +
           field_table(describe(model::Architecture{}));
  }
  if (name == "train") return describe_train();
  if (name == "statistics") {
    return "statistics (section): how intervals and comparisons are made\n" +
           field_table(describe(StatisticsChoice{}));
  }
  if (name == "limits") {
    return "limits (section): what one cell may take\n" + field_table(describe(Limits{}));
  }
  return "";
}

}  // namespace

std::string list_all() {
  return list_one<attention::AttentionRegistry>("backends") + "\n" +
         list_one<metrics::MetricRegistry>("metrics") + "\n" +
         list_one<datasets::DatasetRegistry>("datasets") + "\n" +
         list_one<reports::ReportRegistry>("reports") +
         "\n`longreach describe NAME` tells more; so it does of the sections arch, train, "
         "statistics and limits.\n";
}

std::string describe_name(const std::string& name) {
  std::string text = describe_section(name);
  bool found = !text.empty();
  found |= describe_in<attention::AttentionRegistry>("backend", name, text);
  found |= describe_in<metrics::MetricRegistry>("metric", name, text);
  found |= describe_in<datasets::DatasetRegistry>("dataset", name, text);
  found |= describe_in<reports::ReportRegistry>("report", name, text);
  if (found) return text;
  std::vector<std::string> known{"arch", "train", "statistics", "limits"};
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
