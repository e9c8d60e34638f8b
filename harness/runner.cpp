// Runs the pending cells of a plan, each in a process of its own, and stores what they give.
#include "harness/runner.h"

#include <ctime>
#include <filesystem>
#include <map>
#include <set>

#include "core/error.h"
#include "core/units.h"
#include "harness/cell.h"
#include "harness/cell_process.h"
#include "harness/predict.h"
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

  /// False when the run must stop.
  bool run(const Cell& cell) {
    Outcome outcome;
    outcome.info = cell_info(experiment_, cell);
    progress_.begin(label(experiment_, cell));
    if (const std::string reason = why_skip(cell); !reason.empty()) {
      outcome.info.status = Status::skipped;
      outcome.info.reason = reason;
      outcome.info.started_at = utc_now();
      if (const i64 next = next_attempt(store_, cell); next > 1) outcome.info.attempt = next - 1;
    } else if (!execute(cell, outcome)) {
      summary.interrupted = true;
      return false;
    }
    outcome.info.run_id = options_.run_id;
    if (options_.predictor != nullptr) tell_predicted(*options_.predictor, cell, outcome.info);
    settle(store_, experiment_.output, cell, outcome);
    remember(cell, outcome.info);
    progress_.finish(outcome.info);
    return outcome.info.status == Status::ok || !options_.fail_fast;
  }

  RunSummary summary;

 private:
  /// A task's cells that differ in length alone.
  static std::string series(const Cell& cell) {
    return fmt::format("{} {} {} {} {}", cell.model, cell.backend, cell.task, cell.seed,
                       cell.lr.value_or(0));
  }

  std::string why_skip(const Cell& cell) const {
    if (options_.predictor != nullptr) {
      const i64 limit = memory_limit(experiment_.limits);
      if (std::string why = options_.predictor->why_not(cell, limit); !why.empty()) return why;
    }
    if (cell.kind == CellKind::train) return "";
    if (!cell.trained.empty()) {
      const std::optional<CellInfo> trained = store_.find(cell.trained);
      if (!trained || trained->status != Status::ok) {
        return fmt::format("its training (cell {}) {}", cell.trained,
                           trained ? "did not succeed" : "has not run");
      }
    }
    const auto found = stopped_.find(series(cell));
    return found == stopped_.end() ? "" : found->second;
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

  void remember(const Cell& cell, const CellInfo& info) {
    if (info.status == Status::ok) {
      ++summary.ok;
    } else if (info.status == Status::invalid) {
      ++summary.invalid;
    } else {
      ++summary.not_ok;
    }
    const bool exhausted = info.status == Status::oom || info.status == Status::timeout;
    if (!exhausted || cell.kind == CellKind::train ||
        experiment_.limits.on_oom == OnOom::keep_going) {
      return;
    }
    stopped_.emplace(
        series(cell),
        fmt::format("{} at {} tokens: longer lengths are skipped",
                    info.status == Status::oom ? "out of memory" : "out of time", *cell.length));
  }

  const Experiment& experiment_;
  Store& store_;
  const RunOptions& options_;
  Progress& progress_;
  std::map<std::string, std::string> stopped_;
};

}  // namespace

std::vector<Cell> pending(const std::vector<Cell>& cells, const Store& store,
                          const std::string& output, bool resume) {
  std::vector<Cell> left;
  std::set<std::string> needed;  // training whose weights are gone but wanted
  const auto finished = [&](const Cell& cell) {
    if (!resume) return false;
    const std::optional<CellInfo> info = store.find(cell.id);
    return info && info->status == Status::ok;
  };
  for (const Cell& cell : cells) {
    if (cell.kind == CellKind::measure && !finished(cell)) needed.insert(cell.trained);
  }
  for (const Cell& cell : cells) {
    const bool weights_gone = cell.kind == CellKind::train && needed.contains(cell.id) &&
                              !std::filesystem::exists(weights_path(output, cell.id));
    if (!finished(cell) || weights_gone) left.push_back(cell);
  }
  return left;
}

RunSummary run_cells(const Experiment& experiment, const std::vector<Cell>& cells, Store& store,
                     const RunOptions& options, Progress& progress) {
  Runner runner(experiment, store, options, progress);
  std::size_t done = 0;
  for (const Cell& cell : cells) {
    if (options.interrupted && *options.interrupted) {
      runner.summary.interrupted = true;
      break;
    }
    if (options.limit > 0 && done == static_cast<std::size_t>(options.limit)) break;
    const bool go_on = runner.run(cell);
    if (!runner.summary.interrupted) ++done;
    if (!go_on) break;
  }
  runner.summary.left = static_cast<i64>(cells.size() - done);
  return runner.summary;
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", utc.tm_year + 1900, utc.tm_mon + 1,
                     utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

}  // namespace longreach::harness
