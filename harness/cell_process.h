// A cell running in a process of its own, followed to an outcome whatever becomes of the process.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "harness/child.h"
#include "harness/json_io.h"
#include "harness/runner.h"

namespace longreach::harness {

/// Bytes that one cell may have resident: as configured, else most of what the machine or container
/// has, so that a runaway cell ends before the machine swaps.
i64 memory_limit(const Limits&);

/// Why a process that sent no result ended, as status and reason.
void explain(const ChildResult&, const Limits&, CellInfo&);

/// Whether something else than the cell or the harness ended it: a batch system, a person.
bool killed_from_outside(const ChildResult&);

/// How often the cell will have run, the next time included.
i64 next_attempt(const Store&, const Cell&);

/// Runs a cell; once more when its process was killed from outside. Several can be followed at
/// once, as several Child.
class CellProcess {
 public:
  /// Starts it; the `attempt`-th time that this cell runs. A training tells its steps to a
  /// listener for lines, else its progress. What it refers to must live as long.
  CellProcess(const Experiment&, const Cell&, const RunOptions&, i64 attempt, ChildListener);

  /// As Child::poll().
  bool poll(int milliseconds = Child::kPollMilliseconds);

  // Once poll() said true:

  /// Whether it was stopped because the run was; then there is no outcome to believe.
  bool interrupted() const { return interrupted_; }
  /// Complete but for run_id.
  const Outcome& outcome() const { return outcome_; }

 private:
  using Clock = std::chrono::steady_clock;
  void start();
  bool conclude();

  const Experiment& experiment_;
  const Cell& cell_;
  const RunOptions& options_;
  const ChildListener listener_;
  i64 attempt_;
  bool again_ = true;  ///< may be run once more
  std::optional<Child> child_;
  Clock::time_point ended_;
  std::string started_at_;
  bool interrupted_ = false;
  Outcome outcome_;
};

}  // namespace longreach::harness
