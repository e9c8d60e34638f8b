// Checks that the parts of a configuration fit together, and fills in what follows from them.
#include "harness/validation.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "core/error.h"
#include "datasets/mixture.h"
#include "harness/assemble.h"
#include "harness/imports.h"
#include "harness/state_budget.h"

namespace longreach::harness {
namespace {

using Problems = std::vector<std::string>;

/// Runs `step`, turning what it throws into a problem; false then.
template <class Step>
bool attempt(Problems& problems, const Step& step) {
  try {
    step();
    return true;
  } catch (const Error& failure) {
    problems.emplace_back(failure.what());
    return false;
  }
}

template <class Choice>
std::vector<std::string> names(const std::vector<Choice>& choices) {
  std::vector<std::string> out;
  for (const Choice& choice : choices) out.push_back(choice.name);
  return out;
}

template <class Choice>
void check_names(const std::vector<Choice>& choices, Problems& problems) {
  std::map<std::string_view, std::string_view> seen;  // where each is
  for (const Choice& choice : choices) {
    const auto [first, added] = seen.emplace(choice.name, choice.where);
    if (added) continue;
    problems.push_back(
        fmt::format("{}: two entries are named '{}'; give this one another name "
                    "(the other: {})",
                    choice.where, choice.name, first->second));
  }
}

/// Datasets are read once each while checking: corpora can be large.
class DataCheck {
 public:
  DataCheck(const std::string& folder, Scope scope, Problems& problems)
      : folder_(folder), scope_(scope), problems_(problems) {}
  Scope scope() const { return scope_; }

  /// Fills in version and content hash. With `training`, the shortest samples must exist, and some
  /// have filler where that is to be repeated.
  bool check(Component& component, const datasets::Tokenizer& tokenizer, const Training* training) {
    if (scope_ == Scope::no_data) return true;
    if (component.parts.empty()) {
      const Found* found = find(component, tokenizer, training);
      return found && require_filler(component, found->filler, training);
    }
    bool sound = true, filler = false;
    std::vector<std::string> shas;
    for (Component& part : component.parts) {
      const Found* found = find(part, tokenizer, training);
      sound = sound && found;
      filler = filler || (found && found->filler);
      shas.push_back(part.sha);
    }
    component.version = datasets::kMixtureVersion;
    component.sha = datasets::mixture_sha(shas);
    return sound && require_filler(component, filler, training);
  }

 private:
  struct Found {
    i64 version = 0;
    std::string sha;
    bool filler = false;  ///< in the longest training sample; looked for only where it is repeated
  };

  static bool repeats(const Training* training) {
    return training && training->virtual_repetition.share > 0;
  }

  /// Of one dataset; nullptr and a problem when it cannot be made.
  const Found* find(Component& component, const datasets::Tokenizer& tokenizer,
                    const Training* training) {
    const std::string key =
        fmt::format("{} {} {} {} {}", component.type, component.params, tokenizer.sha(),
                    training ? training->shortest : 0, repeats(training) ? training->length : 0);
    if (!seen_.contains(key) &&
        !attempt(problems_, [&] { seen_[key] = look(component, tokenizer, training); })) {
      return nullptr;
    }
    const Found& found = seen_.at(key);
    component.version = found.version;
    component.sha = found.sha;
    return &found;
  }

  Found look(const Component& component, const datasets::Tokenizer& tokenizer,
             const Training* training) const {
    const auto data = make_dataset(component, folder_, tokenizer, Rng(0));
    Found found{.version = data->version(), .sha = data->sha(), .filler = false};
    if (training) {
      try {
        data->sample(datasets::Split::train, 0, training->shortest);
      } catch (const Error& failure) {
        throw error("{}: training samples of {} tokens: {}", component.where, training->shortest,
                    failure.what());
      }
    }
    if (repeats(training)) {
      found.filler = !data->sample(datasets::Split::train, 0, training->length).filler.empty();
    }
    return found;
  }

  bool require_filler(const Component& component, bool filler, const Training* training) {
    if (filler || !repeats(training)) return true;
    problems_.push_back(fmt::format(
        "{}: the dataset '{}' has no filler that virtual_repetition could repeat; leave it out",
        component.where, component.type));
    return false;
  }

  const std::string& folder_;
  Scope scope_;
  Problems& problems_;
  std::map<std::string, Found> seen_;
};

/// A training that goes on from an import is judged by samples that it does not see.
void require_held_out(const ModelChoice& model, const datasets::Dataset& data) {
  const i64 length = model.training->length;
  if (data.size(datasets::Split::test, length) > 0) return;
  throw error(
      "{}.train: no held-out sample of {} tokens to score before and after; raise held_out, or "
      "give "
      "a shorter length",
      model.where, length);
}

/// Whether the architecture was resolved, which that of an import is from its files.
bool check_model(ModelChoice& model, const std::string& folder, DataCheck& data,
                 Problems& problems) {
  if (model.import && data.scope() == Scope::no_data) return false;
  return attempt(problems, [&] {
    if (model.import) resolve_import(model, folder);
    const auto tokenizer = make_tokenizer(model);
    if (!model.import) model.architecture.vocabulary = tokenizer->vocabulary_size();
    if (model.training) {
      if (model.training->lr.empty() || model.training->seeds.empty()) {
        throw error("{}.train: lr and seeds must not be empty lists", model.where);
      }
      const bool sound = data.check(model.training->data, *tokenizer, &*model.training);
      if (sound && starts_imported(model)) {
        require_held_out(model, *make_dataset(model.training->data, folder, *tokenizer, Rng(0)));
      }
    }
    try {
      model.architecture = model.architecture.resolved();
    } catch (const Error& failure) {
      throw error("{}.arch: {}", model.where, failure.what());
    }
  });
}

/// Who runs with another's weights has that one's heads; then each budget of state is filled, which
/// needs all else to be right.
void fill_in_backends(Experiment& experiment, Problems& problems) {
  const bool sound = problems.empty();
  for (BackendChoice& backend : experiment.backends) {
    if (!backend.weights_of.empty()) backend.heads = experiment.weights_of(backend).heads;
    if (backend.budget.bytes == 0 || !sound) continue;
    attempt(problems, [&] { solve_budget(experiment, backend); });
  }
}

/// What a task that names no data reads: the metric's own choice, else what the model learnt from.
std::optional<Component> default_data(const metrics::Metric& metric, const ModelChoice& model,
                                      const TaskChoice& task) {
  if (!depends_on_weights(task.metric.type)) return std::nullopt;
  const std::string type = metric.default_data();
  if (model.training && (type.empty() || model.training->data.type == type)) {
    return model.training->data;
  }
  if (type.empty()) return std::nullopt;
  const auto& entry = datasets::DatasetRegistry::instance().find(type);
  return Component{.type = type,
                   .params = canonical(entry.visit_defaults),
                   .where = task.where,
                   .sha = {},
                   .plugin = entry.plugin};
}

ModelChoice* find_model(Experiment& experiment, TaskChoice& task, Problems& problems) {
  if (experiment.models.empty()) return nullptr;
  const bool any = !depends_on_weights(task.metric.type);
  if (task.model.empty() && (any || experiment.models.size() == 1)) {
    task.model = experiment.models[0].name;
  }
  for (ModelChoice& model : experiment.models) {
    if (model.name == task.model) return &model;
  }
  if (task.model.empty()) {
    problems.push_back(fmt::format("{}: needs model: one of {}", task.where,
                                   fmt::join(names(experiment.models), ", ")));
  } else {
    problems.push_back(fmt::format("{}: unknown model '{}'{}", task.where, task.model,
                                   suggestion(task.model, names(experiment.models))));
  }
  return nullptr;
}

void check_task(Experiment& experiment, TaskChoice& task, DataCheck& data, Problems& problems) {
  if (task.metric.type.empty()) return;
  std::unique_ptr<metrics::Metric> metric;
  if (!attempt(problems, [&] { metric = make_metric(task.metric); })) return;
  task.metric.version = metric->version();
  for (const std::string& name : task.backends) {
    const bool known =
        std::any_of(experiment.backends.begin(), experiment.backends.end(),
                    [&name](const BackendChoice& backend) { return named(backend.name, name); });
    if (!known) {
      problems.push_back(fmt::format("{}: unknown backend '{}'{}", task.where, name,
                                     suggestion(name, names(experiment.backends))));
    }
  }
  if (task.lengths.empty()) task.lengths = experiment.lengths;
  std::sort(task.lengths.begin(), task.lengths.end());
  task.lengths.erase(std::unique(task.lengths.begin(), task.lengths.end()), task.lengths.end());
  if (task.lengths.empty()) {
    problems.push_back(fmt::format("{}: no lengths; give lengths: [512, 1k]", task.where));
  }
  ModelChoice* model = find_model(experiment, task, problems);
  if (!model) return;
  if (!task.data) task.data = default_data(*metric, *model, task);
  const bool unread = model->import && !model->import->made_tokenizer;  // which has been said
  if (!task.data || unread) return;
  attempt(problems, [&] { data.check(*task.data, *make_tokenizer(*model), nullptr); });
}

void check_baseline(Experiment& experiment, Problems& problems) {
  std::string& wanted = experiment.statistics.baseline;
  std::vector<const BackendChoice*> marked;
  for (const BackendChoice& backend : experiment.backends) {
    if (backend.baseline) marked.push_back(&backend);
  }
  if (marked.size() > 1) {
    problems.push_back(fmt::format("{}: {} and {} are marked as baseline; mark one",
                                   marked[1]->where, marked[0]->name, marked[1]->name));
    return;
  }
  const std::string& where = experiment.statistics.where;
  if (!marked.empty() && !wanted.empty() && wanted != marked[0]->name) {
    problems.push_back(
        fmt::format("{}: '{}', but '{}' is marked as baseline", where, wanted, marked[0]->name));
    return;
  }
  if (wanted.empty() && !marked.empty()) wanted = marked[0]->name;
  if (wanted.empty()) return;
  bool found = false;
  for (BackendChoice& backend : experiment.backends) {
    backend.baseline = backend.name == wanted;
    found |= backend.baseline;
  }
  if (!found) {
    problems.push_back(fmt::format("{}: unknown backend '{}'{}", where, wanted,
                                   suggestion(wanted, names(experiment.backends))));
  }
}

/// A metric that compares with the baseline needs one, and the weights of both to be the same.
void check_baseline_weights(const Experiment& experiment, Problems& problems) {
  const BackendChoice* baseline = experiment.baseline();
  for (const TaskChoice& task : experiment.tasks) {
    if (!make_metric(task.metric)->needs_baseline()) continue;
    const std::string& metric = task.metric.type;
    if (!baseline) {
      problems.push_back(
          fmt::format("{}: {} compares with the baseline, and no backend is one; "
                      "mark one with baseline: true",
                      task.where, metric));
      continue;
    }
    const ModelChoice& model =
        *std::ranges::find(experiment.models, task.model, &ModelChoice::name);
    for (const BackendChoice& backend : experiment.backends) {
      if (!task.uses(backend)) continue;
      const BackendChoice& own = experiment.weights_of(backend);
      const BackendChoice& shared = experiment.weights_of(*baseline);
      const bool same = model.training ? &own == &shared
                                       : canonical(architecture_of(model, backend)) ==
                                             canonical(architecture_of(model, *baseline));
      if (same) continue;
      problems.push_back(fmt::format(
          "{}: {} compares two mechanisms on the same weights, and {} has others than "
          "the baseline {}; give the backend weights_of: {}, or the task backends: with "
          "those that have",
          task.where, metric, backend.name, baseline->name, shared.name));
    }
  }
}

/// weights_of names an earlier backend that is trained itself.
void check_weights_of(const Experiment& experiment, Problems& problems) {
  std::vector<std::string> trained;
  for (const BackendChoice& backend : experiment.backends) {
    if (backend.weights_of.empty()) {
      trained.push_back(backend.name);
    } else if (std::ranges::find(trained, backend.weights_of) == trained.end()) {
      problems.push_back(fmt::format(
          "{}.weights_of: '{}'; name one that stands before it and has weights of its own{}",
          backend.where, backend.weights_of, suggestion(backend.weights_of, trained)));
    }
  }
}

/// The two fit together, and there is something to train where training is asked for.
void check_pair(const ModelChoice& model, const BackendChoice& backend) {
  const auto layers = make_backends(model, backend);
  const bool gates_only = model.training && model.training->train_only == TrainOnly::gates;
  const bool own = std::ranges::any_of(layers, [](const auto& layer) {
    return !layer->weights().empty() || !layer->projections().empty();
  });
  if (!gates_only || own || !backend.weights_of.empty()) return;
  throw error(
      "{}: has no weights of its own, and model '{}' is to train only such (train_only: gates); "
      "give the tasks of that model backends: that do",
      backend.where, model.name);
}

}  // namespace

bool depends_on_weights(std::string_view metric) {
  return metric != "latency" && metric != "memory";
}

bool reads_other_lengths(std::string_view metric) {
  constexpr std::array<std::string_view, 7> kOwnAlone{"blur",    "coherence", "latency", "memory",
                                                      "passkey", "questions", "recall"};
  return std::ranges::find(kOwnAlone, metric) == kOwnAlone.end();
}

std::vector<std::string> validate(Experiment& experiment, Scope scope) {
  Problems problems;
  if (experiment.models.empty()) {
    problems.push_back(fmt::format("{}: models: at least one is needed", experiment.file));
  }
  if (experiment.backends.empty()) {
    problems.push_back(fmt::format("{}: backends: at least one is needed", experiment.file));
  }
  check_names(experiment.models, problems);
  check_names(experiment.backends, problems);
  check_names(experiment.tasks, problems);
  check_baseline(experiment, problems);
  check_weights_of(experiment, problems);
  DataCheck data(experiment.folder, scope, problems);
  std::vector<const ModelChoice*> resolved;
  for (ModelChoice& model : experiment.models) {
    if (check_model(model, experiment.folder, data, problems)) resolved.push_back(&model);
  }
  for (TaskChoice& task : experiment.tasks) check_task(experiment, task, data, problems);
  fill_in_backends(experiment, problems);
  for (const ModelChoice* model : resolved) {
    for (const BackendChoice& backend : experiment.backends) {
      if (!experiment.pairs(*model, backend)) continue;
      attempt(problems, [&] { check_pair(*model, backend); });
    }
  }
  if (problems.empty()) check_baseline_weights(experiment, problems);  // what it reads is sound
  return problems;
}

}  // namespace longreach::harness
