// The table of plan_table.h.
#include "harness/plan_table.h"

#include <algorithm>
#include <array>
#include <tuple>

#include "core/units.h"
#include "harness/terminal.h"

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

using Line = std::array<std::string, 11>;
constexpr std::size_t kNumbers = 4;  ///< columns from here on are numbers

Line head() {
  return {"cell", "model",  "backend", "task", "length", "seed",
          "lr",   "tokens", "FLOP",    "time", "memory"};
}

Line line_of(const Experiment& experiment, const Cell& cell, const Prediction& predicted) {
  const ModelChoice& model = experiment.models[cell.model];
  const bool trains = cell.kind == CellKind::train;
  return {cell.id,
          printable(model.name),
          printable(experiment.backends[cell.backend].name),
          trains ? "training" : printable(experiment.tasks[cell.task].name),
          lengths_of(model, cell),
          fmt::format("{}", cell.seed),
          cell.lr ? fmt::format("{}", *cell.lr) : "-",
          scaled(predicted.tokens),
          scaled(predicted.flops),
          format_seconds(predicted.seconds),
          format_bytes(static_cast<double>(predicted.bytes))};
}

/// A line a cell, in columns. Lines are made twice: those of a large plan would take as much memory
/// as the plan.
void print_lines(const Experiment& experiment, const std::vector<Cell>& plan, Predictor& predictor,
                 std::ostream& out) {
  std::array<std::size_t, std::tuple_size_v<Line>> widths{};
  const auto widen = [&widths](const Line& line) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      widths[i] = std::max(widths[i], display_width(line[i]));
    }
  };
  const auto print = [&](const Line& line) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      const std::string space(widths[i] - display_width(line[i]), ' ');
      out << (i == 0 ? "" : "  ") << (i < kNumbers ? line[i] + space : space + line[i]);
    }
    out << '\n';
  };
  widen(head());
  for (const Cell& cell : plan) widen(line_of(experiment, cell, predictor.of(cell)));
  print(head());
  for (const Cell& cell : plan) print(line_of(experiment, cell, predictor.of(cell)));
}

/// Why those cells that do not fit do not; as many lines as are worth reading.
void print_refused(const Experiment& experiment, const std::vector<const Cell*>& refused,
                   Predictor& predictor, i64 limit, std::ostream& out) {
  constexpr std::size_t kShown = 5;
  for (std::size_t i = 0; i < std::min(kShown, refused.size()); ++i) {
    const Cell& cell = *refused[i];
    const Line line = line_of(experiment, cell, predictor.of(cell));
    out << fmt::format("does not fit, will be skipped: cell {} ({} {} {} {}): {}\n", line[0],
                       line[1], line[2], line[3], line[4], predictor.why_not(cell, limit));
  }
  if (refused.size() > kShown) {
    out << fmt::format("{} more cells do not fit\n", refused.size() - kShown);
  }
}

}  // namespace

i64 print_plan(const Experiment& experiment, const std::vector<Cell>& plan, Predictor& predictor,
               i64 limit, std::ostream& out) {
  print_lines(experiment, plan, predictor, out);
  Prediction sum;
  std::vector<const Cell*> refused;
  for (const Cell& cell : plan) {
    const Prediction predicted = predictor.of(cell);
    if (predicted.least_bytes > limit) {
      refused.push_back(&cell);
      continue;
    }
    sum.tokens += predicted.tokens;
    sum.flops += predicted.flops;
    sum.seconds += predicted.seconds;
    sum.bytes = std::max(sum.bytes, predicted.bytes);
  }
  const auto trained = std::ranges::count(plan, CellKind::train, &Cell::kind);
  out << fmt::format(
      "{} cells: {} to train, {} to measure\n"
      "predicted: {} tokens and {}FLOP in about {}, at most {} at a time\n",
      plan.size(), trained, std::ssize(plan) - trained, scaled(sum.tokens), scaled(sum.flops),
      format_seconds(sum.seconds), format_bytes(static_cast<double>(sum.bytes)));
  print_refused(experiment, refused, predictor, limit, out);
  out << budget_lines(experiment, plan) << mix_lines(experiment, plan);
  return std::ssize(plan) - std::ssize(refused);
}

}  // namespace longreach::harness
