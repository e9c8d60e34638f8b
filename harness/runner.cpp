// Runs the pending cells of a plan, each in a process of its own, and stores what they give.
#include "harness/runner.h"

#include <ctime>
#include <map>
#include <set>

#include "core/error.h"
#include "harness/cell.h"
#include "harness/cell_process.h"
#include "harness/predict.h"
#include "harness/scheduler.h"
#include "harness/settle.h"
#include "harness/workers.h"

namespace longreach::harness {
namespace {

class Runner {
 public:
  Runner(const Experiment& experiment, const Pending& pending, Store& store,
         const RunOptions& options, Progress& progress, Workers& workers)
      : experiment_(experiment),
        cells_(pending.cells),
        store_(store),
        options_(options),
        progress_(progress),
        workers_(workers),
        scheduler_(pending.cells, rules()) {
    for (i64 worker = 0; worker < workers.count(); ++worker) idle_.insert(worker);
    const bool give_long_ones_a_try = options.retry.contains(Status::skipped);
    for (const auto& [cell, status] : pending.settled) {
      if (cell.kind == CellKind::train || !give_long_ones_a_try) scheduler_.known(cell, status);
    }
  }

  RunSummary run() {
    for (;;) {
      give_out();
      if (scheduler_.running() == 0) break;
      if (const std::optional<Workers::Ended> ended = workers_.wait()) take_in(*ended);
      progress_.tick();
    }
    summary_.left = static_cast<i64>(cells_.size() - done_);
    return summary_;
  }

 private:
  Scheduler::Rules rules() const {
    Scheduler::Rules rules{.on_oom = experiment_.limits.on_oom};
    if (workers_.count() == 1) return rules;
    rules.alone = [this](const Cell& cell) { return is_timing(experiment_, cell); };
    rules.times = [this](i64 host) { return workers_.times(host); };
    rules.trainings_first = true;
    return rules;
  }

  bool may_begin() {
    summary_.interrupted |= options_.interrupted && *options_.interrupted;
    const bool enough = options_.limit > 0 && begun_ == static_cast<std::size_t>(options_.limit);
    return !summary_.interrupted && !failed_fast_ && !enough;
  }

  void give_out() {
    const std::set<i64> idle = idle_;
    for (const i64 worker : idle) {
      while (idle_.contains(worker) && may_begin()) {
        const std::optional<Scheduler::Next> next = scheduler_.next(workers_.host(worker));
        if (!next) break;
        ++begun_;
        const std::string reason = next->skip.empty() ? too_much(next->cell) : next->skip;
        if (reason.empty()) {
          begin(worker, next->cell);
        } else {
          skip(next->cell, reason);
        }
      }
    }
  }

  /// Why it cannot fit, "" when it can or nobody can tell.
  std::string too_much(std::size_t place) const {
    if (options_.predictor == nullptr) return "";
    return options_.predictor->why_not(cells_[place], memory_limit(experiment_.limits));
  }

  void begin(i64 worker, std::size_t place) {
    const Cell& cell = cells_[place];
    progress_.begin(place, label_of(experiment_, cell));
    workers_.start(worker, cell, next_attempt(store_, cell));
    idle_.erase(worker);
    running_[worker] = place;
  }

  void skip(std::size_t place, const std::string& reason) {
    Outcome outcome;
    outcome.info = cell_info(experiment_, cells_[place]);
    outcome.info.status = Status::skipped;
    outcome.info.reason = reason;
    outcome.info.started_at = utc_now();
    const i64 next = next_attempt(store_, cells_[place]);
    if (next > 1) outcome.info.attempt = next - 1;
    keep(place, std::move(outcome));
  }

  void take_in(const Workers::Ended& ended) {
    const std::size_t place = running_.at(ended.worker);
    running_.erase(ended.worker);
    idle_.insert(ended.worker);
    if (ended.outcome) {
      keep(place, *ended.outcome);
    } else {
      summary_.interrupted = true;
      scheduler_.finished(place, Status::skipped);
      workers_.stop();
    }
  }

  void keep(std::size_t place, Outcome outcome) {
    outcome.info.run_id = options_.run_id;
    if (options_.predictor != nullptr) {
      tell_predicted(*options_.predictor, cells_[place], outcome.info);
    }
    settle(store_, experiment_.output, cells_[place], outcome);
    const Status status = outcome.info.status;
    scheduler_.finished(place, status);
    ++done_;
    ++(status == Status::ok        ? summary_.ok
       : status == Status::invalid ? summary_.invalid
                                   : summary_.not_ok);
    failed_fast_ |= options_.fail_fast && status != Status::ok;
    progress_.finish(place, label_of(experiment_, cells_[place]), outcome.info);
  }

  const Experiment& experiment_;
  const std::vector<Cell>& cells_;
  Store& store_;
  const RunOptions& options_;
  Progress& progress_;
  Workers& workers_;
  Scheduler scheduler_;
  RunSummary summary_;
  std::size_t begun_ = 0, done_ = 0;
  bool failed_fast_ = false;
  std::set<i64> idle_;
  std::map<i64, std::size_t> running_;  ///< worker -> place of its cell
};

}  // namespace

RunSummary run_cells(const Experiment& experiment, const Pending& pending, Store& store,
                     const RunOptions& options, Progress& progress, Workers& workers) {
  return Runner(experiment, pending, store, options, progress, workers).run();
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", utc.tm_year + 1900, utc.tm_mon + 1,
                     utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

}  // namespace longreach::harness
