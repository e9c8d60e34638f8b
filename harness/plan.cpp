// The cells of an experiment.
#include "harness/plan.h"

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/sha256.h"
#include "core/units.h"
#include "harness/assemble.h"
#include "harness/build_info.h"
#include "harness/imports.h"
#include "harness/machine.h"
#include "harness/validation.h"

namespace longreach::harness {
namespace {

/// Raised when the meaning of a cell's inputs changes, so that old results are not taken for new.
constexpr int kCellVersion = 2;

/// Code that can change while this program stays the same; "" for what is built in.
std::string plugin_of(const Component& component) {
  return component.plugin.empty() ? "" : fmt::format(", plugin: {}", component.plugin);
}

std::string text_of(const Component& component) {
  std::vector<std::string> parts;
  for (const Component& part : component.parts) parts.push_back(text_of(part));
  return fmt::format("{{type: {}, params: {{{}}}, version: {}, content: {}{}{}}}", component.type,
                     component.params, component.version, component.sha, plugin_of(component),
                     parts.empty() ? "" : fmt::format(", parts: [{}]", fmt::join(parts, ", ")));
}

/// With the positions that the model gives it.
std::string text_of(const ModelChoice& model, const BackendChoice& written) {
  const BackendChoice backend = with_positions_of(model, written);
  std::string text = backend.layers.size() == 1
                         ? fmt::format("{{{}: {{{}}}}}", backend.type(), backend.params())
                         : backend.params();
  for (const Component& layer : backend.layers) text += plugin_of(layer);
  return text;
}

std::string train_inputs(const ModelChoice& model, const std::string& tokenizer_sha,
                         const BackendChoice& backend, const Cell& cell, const std::string& build) {
  const model::Architecture architecture = architecture_of(model, backend);
  std::string text = fmt::format(
      "cell: {}, build: {}, model: {{vocabulary: {}, {}}}, tokenizer: {}, backend: {}, "
      "seed: {}",
      kCellVersion, build, architecture.vocabulary, canonical(architecture), tokenizer_sha,
      text_of(model, backend), cell.seed);
  if (starts_imported(model)) text += ", weights: " + model.import->sha;
  if (!model.training) return text;
  const Training& training = *model.training;
  model::TrainParams params = training.params;
  params.lr = *cell.lr;
  text += fmt::format(", data: {}, train: {{{}}}, length: {}, shortest: {}, ramp: {}",
                      text_of(training.data), canonical(params), training.length, training.shortest,
                      training.ramp);
  if (training.virtual_repetition.share > 0 && memory_segment_of(backend) > 0) {
    text += fmt::format(", virtual_repetition: {{{}}}", canonical(training.virtual_repetition));
  }
  if (training.train_only == TrainOnly::gates) text += ", train_only: gates";
  if (training.gates_first > 0) text += fmt::format(", gates_first: {}", training.gates_first);
  if (params.recompute > 0) text += fmt::format(", recompute: {}", params.recompute);
  return text;
}

std::string measure_inputs(const Experiment& experiment, const TaskChoice& task,
                           const ModelChoice& model, const std::string& model_inputs, i64 length,
                           const BackendChoice* baseline, const std::string& machine) {
  std::string text = fmt::format(
      "{}, task: {{name: {}, metric: {}, data: {}}}, length: {}, experiment: {}, confidence: {}, "
      "bootstrap: {}",
      model_inputs, task.name, text_of(task.metric), task.data ? text_of(*task.data) : "none",
      length, experiment.seed, experiment.statistics.confidence, experiment.statistics.bootstrap);
  if (reads_other_lengths(task.metric.type)) {
    text += fmt::format(", lengths: [{}]", fmt::join(task.lengths, ", "));
  }
  // Timings of unlike machines are not the same measurement.
  if (!depends_on_weights(task.metric.type)) text += ", machine: " + machine;
  if (baseline)
    text += fmt::format(", baseline: {}: {}", baseline->name, text_of(model, *baseline));
  return text;
}

std::string id_of(const std::string& inputs) { return sha256(inputs).substr(0, 16); }

class Planner {
 public:
  Planner(const Experiment& experiment, const Surroundings& surroundings)
      : experiment_(experiment), surroundings_(surroundings) {}

  std::vector<Cell> plan() {
    for (std::size_t m = 0; m < experiment_.models.size(); ++m) add_model(m);
    return std::move(cells_);
  }

 private:
  void add_model(std::size_t m) {
    const ModelChoice& model = experiment_.models[m];
    const std::string tokenizer_sha = make_tokenizer(model)->sha();
    const std::vector<i64> seeds =
        model.training ? model.training->seeds : std::vector<i64>{experiment_.seed};
    std::vector<std::optional<double>> rates{std::nullopt};
    if (model.training) rates.assign(model.training->lr.begin(), model.training->lr.end());
    for (std::size_t s = 0; s < seeds.size(); ++s) {
      for (std::size_t r = 0; r < rates.size(); ++r) {
        for (std::size_t b = 0; b < experiment_.backends.size(); ++b) {
          if (!experiment_.pairs(model, experiment_.backends[b])) continue;
          Cell cell{.id = {},
                    .kind = CellKind::train,
                    .model = m,
                    .backend = b,
                    .length = {},
                    .seed = seeds[s],
                    .lr = rates[r],
                    .trained = {}};
          const BackendChoice& backend = experiment_.backends[b];
          const BackendChoice& trained = experiment_.weights_of(backend);
          std::string inputs =
              train_inputs(model, tokenizer_sha, trained, cell, surroundings_.build);
          if (model.training) {
            cell.id = id_of("train: " + inputs);
            // Models may differ in what this backend has no use for: trained once all the same.
            if (&trained == &backend && trained_.insert(cell.id).second) cells_.push_back(cell);
            cell.trained = cell.id;
          }
          if (&trained != &backend) inputs += ", run with: " + text_of(model, backend);
          add_tasks(cell, inputs, s == 0 && r == 0);
        }
      }
    }
  }

  void add_tasks(Cell cell, const std::string& model_inputs, bool first) {
    cell.kind = CellKind::measure;
    const BackendChoice& backend = experiment_.backends[cell.backend];
    for (cell.task = 0; cell.task < experiment_.tasks.size(); ++cell.task) {
      const TaskChoice& task = experiment_.tasks[cell.task];
      const ModelChoice& model = experiment_.models[cell.model];
      if (task.model != model.name) continue;
      if (!task.uses(backend)) continue;
      if (!first && !depends_on_weights(task.metric.type)) continue;
      const BackendChoice* baseline =
          make_metric(task.metric)->needs_baseline() ? experiment_.baseline() : nullptr;
      for (const i64 length : task.lengths) {
        if (backend.longest > 0 && length > backend.longest) continue;
        if (baseline && baseline->longest > 0 && length > baseline->longest) continue;
        cell.length = length;
        cell.id = id_of(measure_inputs(experiment_, task, model, model_inputs, length, baseline,
                                       surroundings_.machine));
        cells_.push_back(cell);
      }
    }
  }

  const Experiment& experiment_;
  const Surroundings& surroundings_;
  std::vector<Cell> cells_;
  std::set<std::string> trained_;
};

template <class Choice>
void require_known(const std::vector<std::string>& wanted, const std::vector<Choice>& choices,
                   std::string_view flag) {
  std::vector<std::string> known;
  for (const Choice& choice : choices) known.push_back(choice.name);
  for (const std::string& name : wanted) {
    const bool found = std::any_of(known.begin(), known.end(),
                                   [&name](const auto& one) { return named(one, name); });
    if (!found) throw error("{} {}: no such entry{}", flag, name, suggestion(name, known));
  }
}

bool any_named(const std::string& name, const std::vector<std::string>& wanted) {
  return wanted.empty() || std::any_of(wanted.begin(), wanted.end(),
                                       [&name](const auto& one) { return named(name, one); });
}

}  // namespace

// Not the revision: code that changes what is computed raises a version of its own.
Surroundings Surroundings::here() {
  const BuildInfo build = build_info();
  return {fmt::format("{{compiler: {}, flags: {}, type: {}, isa: {}}}", build.compiler, build.flags,
                      build.build_type, this_machine().isa),
          this_machine().fingerprint};
}

std::vector<Cell> make_plan(const Experiment& experiment, const Surroundings& surroundings) {
  return Planner(experiment, surroundings).plan();
}

std::vector<Cell> select(const Experiment& experiment, const std::vector<Cell>& plan,
                         const Selection& selection) {
  require_known(selection.backends, experiment.backends, "--backends");
  require_known(selection.tasks, experiment.tasks, "--tasks");
  require_known(selection.models, experiment.models, "--models");
  std::set<std::string> chosen;
  for (const Cell& cell : plan) {
    if (!any_named(experiment.backends[cell.backend].name, selection.backends)) continue;
    if (!any_named(experiment.models[cell.model].name, selection.models)) continue;
    const bool wanted = cell.kind == CellKind::train
                            ? selection.tasks.empty()
                            : any_named(experiment.tasks[cell.task].name, selection.tasks);
    if (!wanted) continue;
    chosen.insert(cell.id);
    chosen.insert(cell.trained);
  }
  std::vector<Cell> cells;
  for (const Cell& cell : plan) {
    if (chosen.contains(cell.id)) cells.push_back(cell);
  }
  return cells;
}

bool is_timing(const Experiment& experiment, const Cell& cell) {
  return cell.kind == CellKind::measure &&
         !depends_on_weights(experiment.tasks[cell.task].metric.type);
}

std::string label_of(const Experiment& experiment, const Cell& cell) {
  std::string text = fmt::format("{} {}", experiment.models[cell.model].name,
                                 experiment.backends[cell.backend].name);
  if (cell.kind == CellKind::train) {
    text += " training";
  } else {
    text += fmt::format(" {} {}", experiment.tasks[cell.task].name, format_count(*cell.length));
  }
  text += fmt::format(" seed {}", cell.seed);
  if (cell.lr) text += fmt::format(" lr {}", *cell.lr);
  return text;
}

}  // namespace longreach::harness
