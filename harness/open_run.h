// What `run` and `train` begin and end with.
#pragma once

#include <ostream>
#include <vector>

#include "harness/output_lock.h"
#include "harness/results.h"
#include "harness/run_command.h"

namespace longreach::harness {

/// The experiment that was asked for, with the output folder of its shard. Throws Error of
/// everything wrong with it.
Experiment experiment_of(const RunRequest&);

/// The cells of its plan that were asked for.
std::vector<Cell> chosen_cells(const RunRequest&, const Experiment&, const std::vector<Cell>& plan);

/// An experiment with its output folder held and its store open.
struct OpenRun {
  explicit OpenRun(const RunRequest& request);

  /// What to do about `cells`. Without options.resume they also start from their beginnings.
  Pending to_do(const std::vector<Cell>& cells, const RunOptions& options) const;

  /// Writes the configuration that is run beside its results, for people.
  void write_configuration() const;

  const Experiment experiment;
  const std::vector<Cell> plan, chosen;
  const OutputLock lock;
  Store store;
  const std::string run_id;
  const std::string entry;  ///< of the store, for end_run()
};

/// Tells how to take an interrupted run up again; the exit code.
int tell_interrupted(const OpenRun&, const RunRequest&, i64 left, std::ostream& out);

/// Prints the paths, and on standard error what could not be written. The exit code of the latter.
int print_reports(std::ostream& out, const WrittenReports&);

}  // namespace longreach::harness
