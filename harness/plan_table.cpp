// The table of plan_table.h.
#include "harness/plan_table.h"

#include <algorithm>
#include <array>

#include "core/units.h"
#include "harness/table.h"

namespace longreach::harness {
namespace {

/// "3.2 TFLOP", "41k tokens".
std::string scaled(double amount) {
  constexpr std::array<const char*, 7> names{"", "k", "M", "G", "T", "P", "E"};
  std::size_t i = 0;
  for (; amount >= 999.5 && i + 1 < names.size(); ++i) amount /= 1000;
  return fmt::format("{:.3g}{}", amount, names[i]);
}

std::string lengths_of(const ModelChoice& model, const Cell& cell) {
  if (cell.kind == CellKind::measure) return fmt::format("{}", *cell.length);
  const Training& training = *model.training;
  return training.shortest == training.length
             ? fmt::format("{}", training.length)
             : fmt::format("{}..{}", training.shortest, training.length);
}

/// What each planned backend with a budget of state was given.
std::string budget_lines(const Experiment& experiment, const std::vector<Cell>& plan) {
  std::string text;
  for (std::size_t b = 0; b < experiment.backends.size(); ++b) {
    const StateBudget& budget = experiment.backends[b].budget;
    if (budget.bytes == 0 || std::ranges::find(plan, b, &Cell::backend) == plan.end()) continue;
    text +=
        fmt::format("{}: {} = {}, state {} of {} bytes at {} tokens\n", experiment.backends[b].name,
                    budget.solve, budget.value, budget.reached, budget.bytes, budget.length);
  }
  return text;
}

/// The data of planned models and tasks where that is a mix.
std::string mix_lines(const Experiment& experiment, const std::vector<Cell>& plan) {
  std::vector<std::string> lines;
  const auto add = [&lines](const std::string& name, const Component& data) {
    std::vector<std::string> parts;
    for (const Component& part : data.parts) {
      parts.push_back(fmt::format("{{{}: {{{}}}}}", part.type, part.params));
    }
    std::string line = fmt::format("{}: mix: [{}]\n", name, fmt::join(parts, ", "));
    if (parts.empty() || std::ranges::find(lines, line) != lines.end()) return;
    lines.push_back(std::move(line));
  };
  for (const Cell& cell : plan) {
    const ModelChoice& model = experiment.models[cell.model];
    if (model.training) add(fmt::format("{}.train.data", model.name), model.training->data);
    if (cell.kind == CellKind::train) continue;
    const TaskChoice& task = experiment.tasks[cell.task];
    if (task.data) add(fmt::format("{}.data", task.name), *task.data);
  }
  return fmt::format("{}", fmt::join(lines, ""));
}

/// Sums over a plan.
struct Totals {
  double tokens = 0, flops = 0, seconds = 0;
  i64 most_bytes = 0, trained = 0;
  std::vector<std::string> refused;

  std::string text(std::size_t cells) const {
    std::string text = fmt::format(
        "{} cells: {} to train, {} to measure\n"
        "predicted: {} tokens and {}FLOP in about {}, at most {} at a time\n",
        cells, trained, static_cast<i64>(cells) - trained, scaled(tokens), scaled(flops),
        format_seconds(seconds), format_bytes(static_cast<double>(most_bytes)));
    constexpr std::size_t kShown = 5;
    for (std::size_t i = 0; i < std::min(kShown, refused.size()); ++i) text += refused[i];
    if (refused.size() > kShown) {
      text += fmt::format("{} more cells do not fit\n", refused.size() - kShown);
    }
    return text;
  }
};

}  // namespace

PlanTable plan_table(const Experiment& experiment, const std::vector<Cell>& plan,
                     Predictor& predictor, i64 limit) {
  Table table({"cell", "kind", "model", "backend", "task", "length", "seed", "lr", "tokens", "FLOP",
               "time", "memory"});
  Totals totals;
  for (const Cell& cell : plan) {
    const ModelChoice& model = experiment.models[cell.model];
    const bool trains = cell.kind == CellKind::train;
    const std::string& backend = experiment.backends[cell.backend].name;
    const std::string task = trains ? "training" : experiment.tasks[cell.task].name;
    const Prediction predicted = predictor.of(cell);
    table.add({cell.id, trains ? "train" : "measure", model.name, backend, task,
               lengths_of(model, cell), fmt::format("{}", cell.seed),
               cell.lr ? fmt::format("{}", *cell.lr) : "-", scaled(predicted.tokens),
               scaled(predicted.flops), format_seconds(predicted.seconds),
               format_bytes(static_cast<double>(predicted.bytes))});
    totals.trained += trains;
    if (const std::string why = predictor.why_not(cell, limit); !why.empty()) {
      totals.refused.push_back(
          fmt::format("does not fit, will be skipped: cell {} ({} {} {} {}): {}\n", cell.id,
                      model.name, backend, task, lengths_of(model, cell), why));
      continue;
    }
    totals.tokens += predicted.tokens;
    totals.flops += predicted.flops;
    totals.seconds += predicted.seconds;
    totals.most_bytes = std::max(totals.most_bytes, predicted.bytes);
  }
  const auto cells = static_cast<i64>(plan.size());
  return {.text = table.text() + totals.text(plan.size()) + budget_lines(experiment, plan) +
                  mix_lines(experiment, plan),
          .cells = cells,
          .fit = cells - std::ssize(totals.refused)};
}

}  // namespace longreach::harness
