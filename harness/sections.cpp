// What a configuration consists of, for those who describe it: the sections and their keys.
#include "harness/sections.h"

#include <algorithm>

#include "harness/bench.h"
#include "harness/config_sections.h"

namespace longreach::harness {
namespace {

/// What `fields(Fields&, Choice&)` declares of a fresh Choice.
template <class Choice>
std::function<void(Fields&)> fresh(void (*fields)(Fields&, Choice&)) {
  return [fields](Fields& f) {
    Choice choice;
    fields(f, choice);
  };
}

template <HasFields T>
std::function<void(Fields&)> fresh() {
  return [](Fields& f) {
    T value;
    value.fields(f);
  };
}

void visit_header(Fields& f) {
  Header header;
  header.version = 1;
  header.fields(f);
}

void visit_training(Fields& f) {
  Training training;
  training.lr = {training.params.lr};
  training.fields(f);
  training.params.fields(f);
}

Section top() {
  return {
      "experiment",
      "the top of a file",
      {{"models", "", "list of entries", "what is trained, or imported (describe model)"},
       {"backends", "", "list of entries", "what is compared (describe backend)"},
       {"tasks", "", "list of entries", "what is measured (describe task)"},
       {"statistics", "", "a mapping", "how intervals are made (describe statistics)"},
       {"limits", "", "a mapping", "what one cell may take (describe limits)"},
       {"environment", "", "list of names", "variables that values may use: ${NAME}"},
       {"include", "", "a file, or a list", "gives the keys that are not here; in any mapping"}},
      visit_header};
}

Section model() {
  return {"model",
          "an entry of models",
          {{"arch", "", "a mapping", "the transformer (describe arch)"},
           {"import", "", "a path, or a mapping", "weights of others instead (describe import)"},
           {"train", "none", "none, or a mapping", "how it is trained (describe train)"},
           {"zip", "", "a mapping of lists", "sweeps whose values go together; in any entry"}},
          fresh(model_fields)};
}

Section train() {
  return {"train",
          "section of a model: how it is trained",
          {{"data", "", "{dataset: {...}}", "what is learnt from; needed"},
           {"data.mix", "", "list of those", "several tasks, learnt side by side"}},
          visit_training};
}

Section backend() {
  return {"backend",
          "an entry of backends; the type, layers or pattern is needed",
          {{"<type>", "", "a mapping", "the name of a backend, with its parameters"},
           {"layers", "", "list of backends", "one for each layer of the model"},
           {"pattern", "", "list of backends", "repeated over the layers of the model"}},
          fresh(backend_fields)};
}

Section task() {
  return {"task",
          "an entry of tasks: the name of a metric, or {metric: {...}}",
          {{"<metric>", "", "a mapping", "the name of a metric, with its parameters and these:"},
           {"<metric>.model", "", "a name", "which model; default: the only one"},
           {"<metric>.data", "", "{dataset: {...}}", "default: the metric's, or what was learnt"},
           {"<metric>.backends", "[]", "list of names", "only these; default: all"},
           {"<metric>.lengths", "[]", "list of integers", "default: those of the experiment"}},
          fresh(task_fields)};
}

Section bench() {
  return {"bench",
          "an entry of bench, in the files of `longreach bench`",
          {{"backends", "[]", "list of backends", "what is timed; default: all"},
           {"phases", "[forward]", "list", "of forward, backward, forward_backward and decode"}},
          fresh<BenchSweep>()};
}

}  // namespace

const std::vector<Section>& sections() {
  static const std::vector<Section> all{
      top(),
      model(),
      {"arch", "section of a model: the transformer", {}, fresh(architecture_fields)},
      {"import", "section of a model: weights that others trained", {}, fresh(import_fields)},
      train(),
      backend(),
      task(),
      {"statistics",
       "section: how intervals and comparisons are made",
       {},
       fresh<StatisticsChoice>()},
      {"limits", "section: what one cell may take", {}, fresh<Limits>()},
      bench()};
  return all;
}

std::vector<FieldDescription> keys_of(const Section& section) {
  std::vector<FieldDescription> keys = section.by_hand;
  const auto known = [&keys](const std::string& key) {
    return std::ranges::find(keys, key, &FieldDescription::key) != keys.end();
  };
  for (FieldDescription& field : describe(section.visit)) {
    const bool inner = section.name == "experiment" && field.key.find('.') != std::string::npos;
    if (!inner && !known(field.key)) keys.push_back(std::move(field));
  }
  return keys;
}

}  // namespace longreach::harness
