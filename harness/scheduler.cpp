// Which cell runs next, and on which host.
#include "harness/scheduler.h"

#include <utility>

#include "core/error.h"

namespace longreach::harness {
namespace {

/// Names a task's cells that differ in length alone.
std::string series_of(const Cell& cell) {
  if (cell.kind == CellKind::train) return "";
  return fmt::format("{} {} {} {} {}", cell.model, cell.backend, cell.task, cell.seed,
                     cell.lr.value_or(0));
}

}  // namespace

Scheduler::Scheduler(const std::vector<Cell>& cells, Rules rules)
    : cells_(cells), rules_(std::move(rules)), jobs_(cells.size()), waiting_(cells.size()) {
  std::map<std::string, std::size_t> trainings, last_of_series;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const Cell& cell = cells[i];
    Job& job = jobs_[i];
    job.series = series_of(cell);
    job.alone = rules_.alone && rules_.alone(cell);
    if (cell.kind == CellKind::train) trainings.emplace(cell.id, i);
    if (const auto training = trainings.find(cell.trained); training != trainings.end()) {
      wait_for(i, training->second);
    }
    if (!job.series.empty() && rules_.on_oom == OnOom::skip_longer) {
      const auto [last, first] = last_of_series.emplace(job.series, i);
      if (!first) wait_for(i, std::exchange(last->second, i));
    }
    if (job.waits == 0) make_ready(i);
  }
}

void Scheduler::wait_for(std::size_t cell, std::size_t first) {
  ++jobs_[cell].waits;
  jobs_[first].after.push_back(cell);
}

void Scheduler::make_ready(std::size_t cell) {
  const bool later = rules_.trainings_first && cells_[cell].kind != CellKind::train;
  (jobs_[cell].alone ? ready_alone_ : ready_).emplace(later, cell);
}

void Scheduler::known(const Cell& cell, Status status) { remember(cell, status); }

std::string Scheduler::why_skip(std::size_t place) const {
  const Cell& cell = cells_[place];
  if (!cell.trained.empty()) {
    const auto training = trained_.find(cell.trained);
    if (training == trained_.end() || training->second != Status::ok) {
      return fmt::format("its training (cell {}) {}", cell.trained,
                         training == trained_.end() ? "has not run" : "did not succeed");
    }
  }
  const auto stopped = stopped_.find(jobs_[place].series);
  if (stopped == stopped_.end() || *cell.length <= stopped->second.length) return "";
  return stopped->second.reason;
}

std::optional<Scheduler::Next> Scheduler::next(i64 host) {
  Host& there = hosts_[host];
  if (there.alone) return std::nullopt;
  Queue* queue = &ready_;
  // Timings come last: a host must be idle for each, and waiting for that would idle it.
  if (ready_.empty()) {
    if (there.running > 0 || (rules_.times && !rules_.times(host))) return std::nullopt;
    queue = &ready_alone_;
  }
  if (queue->empty()) return std::nullopt;
  const std::size_t cell = queue->extract(queue->begin()).value().second;
  --waiting_;
  hosts_of_[cell] = host;
  ++there.running;
  there.alone = jobs_[cell].alone;
  return Next{cell, why_skip(cell)};
}

void Scheduler::finished(std::size_t cell, Status status) {
  const auto running = hosts_of_.find(cell);
  Host& there = hosts_[running->second];
  --there.running;
  there.alone = false;
  hosts_of_.erase(running);
  remember(cells_[cell], status);
  for (const std::size_t other : jobs_[cell].after) {
    if (--jobs_[other].waits == 0) make_ready(other);
  }
}

void Scheduler::remember(const Cell& cell, Status status) {
  if (cell.kind == CellKind::train) {
    trained_[cell.id] = status;
    return;
  }
  const bool exhausted = status == Status::oom || status == Status::timeout;
  if (!exhausted || rules_.on_oom == OnOom::keep_going) return;
  const auto [stop, first] = stopped_.try_emplace(series_of(cell));
  if (!first && stop->second.length <= *cell.length) return;
  stop->second = {*cell.length, fmt::format("{} at {} tokens: longer lengths are skipped",
                                            status == Status::oom ? "out of memory" : "out of time",
                                            *cell.length)};
}

}  // namespace longreach::harness
