// Runs the pending cells of a plan, each in a process of its own, and stores what they give.
#include "harness/runner.h"

#include <ctime>
#include <optional>

#include "core/error.h"
#include "core/units.h"
#include "harness/cell.h"
#include "harness/cell_process.h"
#include "harness/predict.h"
#include "harness/scheduler.h"
#include "harness/settle.h"

namespace longreach::harness {
namespace {

std::string label(const Experiment& experiment, const Cell& cell) {
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

class Runner {
 public:
  Runner(const Experiment& experiment, Store& store, const RunOptions& options, Progress& progress)
      : experiment_(experiment), store_(store), options_(options), progress_(progress) {}

  /// Runs it, or skips it for that reason unless "". Its status; nothing when interrupted.
  std::optional<Status> run(const Cell& cell, const std::string& skip) {
    Outcome outcome;
    outcome.info = cell_info(experiment_, cell);
    progress_.begin(label(experiment_, cell));
    if (const std::string reason = skip.empty() ? too_much(cell) : skip; !reason.empty()) {
      outcome.info.status = Status::skipped;
      outcome.info.reason = reason;
      outcome.info.started_at = utc_now();
      if (const i64 next = next_attempt(store_, cell); next > 1) outcome.info.attempt = next - 1;
    } else if (!execute(cell, outcome)) {
      summary.interrupted = true;
      return std::nullopt;
    }
    outcome.info.run_id = options_.run_id;
    if (options_.predictor != nullptr) tell_predicted(*options_.predictor, cell, outcome.info);
    settle(store_, experiment_.output, cell, outcome);
    count(outcome.info.status);
    progress_.finish(outcome.info);
    return outcome.info.status;
  }

  RunSummary summary;

 private:
  /// Why it cannot fit, "" when it can or nobody can tell.
  std::string too_much(const Cell& cell) const {
    if (options_.predictor == nullptr) return "";
    return options_.predictor->why_not(cell, memory_limit(experiment_.limits));
  }

  /// False when interrupted.
  bool execute(const Cell& cell, Outcome& outcome) {
    CellProcess process(experiment_, cell, options_, next_attempt(store_, cell),
                        {.progress = [this](double share) { progress_.share(share); },
                         .line = {},
                         .words = [this](std::string_view text) { progress_.words(text); }});
    while (!process.poll()) {
    }
    if (process.interrupted()) return false;
    outcome = process.outcome();
    return true;
  }

  void count(Status status) {
    if (status == Status::ok) {
      ++summary.ok;
    } else if (status == Status::invalid) {
      ++summary.invalid;
    } else {
      ++summary.not_ok;
    }
  }

  const Experiment& experiment_;
  Store& store_;
  const RunOptions& options_;
  Progress& progress_;
};

}  // namespace

RunSummary run_cells(const Experiment& experiment, const Pending& pending, Store& store,
                     const RunOptions& options, Progress& progress) {
  constexpr i64 kHere = 0;
  Runner runner(experiment, store, options, progress);
  RunSummary& summary = runner.summary;
  Scheduler scheduler(pending.cells,
                      {.on_oom = experiment.limits.on_oom, .alone = {}, .times = {}});
  const bool give_long_ones_a_try = options.retry.contains(Status::skipped);
  for (const auto& [cell, status] : pending.settled) {
    if (cell.kind == CellKind::train || !give_long_ones_a_try) scheduler.known(cell, status);
  }
  summary.left = std::ssize(pending.cells);
  for (i64 done = 0; options.limit == 0 || done < options.limit; ++done) {
    summary.interrupted = options.interrupted && *options.interrupted;
    if (summary.interrupted) break;
    const std::optional<Scheduler::Next> next = scheduler.next(kHere);
    if (!next) break;
    const std::optional<Status> status = runner.run(pending.cells[next->cell], next->skip);
    if (!status) break;
    scheduler.finished(next->cell, *status);
    --summary.left;
    if (options.fail_fast && *status != Status::ok) break;
  }
  return summary;
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", utc.tm_year + 1900, utc.tm_mon + 1,
                     utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

}  // namespace longreach::harness
