// Who runs cells: one worker on this machine, or one for each process that mpirun started.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "harness/cell_process.h"
#include "harness/mpi.h"
#include "harness/runner.h"

namespace longreach::harness {

/// Each runs one cell at a time, in a process of its own, on one of the hosts.
class Workers {
 public:
  virtual ~Workers() = default;

  virtual i64 count() const { return 1; }
  virtual i64 host(i64 /*worker*/) const { return 0; }
  /// Whether what is timed there may stand beside what is timed here.
  virtual bool times(i64 /*host*/) const { return true; }

  /// Lets an idle worker run a cell, for the `attempt`-th time.
  virtual void start(i64 worker, const Cell&, i64 attempt) = 0;

  struct Ended {
    i64 worker = 0;
    std::optional<Outcome> outcome;  ///< complete but for run_id; none when it was interrupted
  };
  /// Waits a moment for one that runs to end.
  virtual std::optional<Ended> wait() = 0;

  /// Ends all that runs, as an interrupt does; wait() still tells of each.
  virtual void stop() {}
};

/// This process alone. What the arguments refer to must live as long.
std::unique_ptr<Workers> local_worker(const Experiment&, const RunOptions&, ChildListener);

/// All of `ranks`, this one, the first, too. Greets the others, which must be in serve_cells();
/// they leave it when the result is destroyed. Throws Error when one of them would name the cells
/// of `plan` otherwise, so that what it found would be another cell's.
std::unique_ptr<Workers> workers_of(Ranks&, const Experiment&, const std::vector<Cell>& plan,
                                    const RunOptions&, ChildListener);

/// Runs cells of the plan for the first of `ranks`, until it has no more.
void serve_cells(Ranks&, const Experiment&, const std::vector<Cell>& plan, const RunOptions&);

}  // namespace longreach::harness
