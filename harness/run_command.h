// `run`, `train`, `plan`, `report` and the hidden `cell`: an experiment from file to reports.
#pragma once

#include <optional>
#include <ostream>
#include <string>

#include "harness/config.h"
#include "harness/plan.h"
#include "harness/recipe.h"
#include "harness/runner.h"
#include "harness/shard.h"

namespace longreach::harness {

struct RunRequest {
  std::string config;            ///< YAML file
  std::optional<Recipe> recipe;  ///< of --from, in place of a file
  std::string command;           ///< the whole command line, to be told in reports
  Overrides overrides;
  Selection selection;
  Shard shard;  ///< of what is selected
  RunOptions options;
  bool table = false;    ///< tell all scores at the end, not a summary
  bool verbose = false;  ///< tell every cell that ends
};

struct MergeRequest {
  std::string output, command;
  std::vector<std::string> folders;
  bool table = false;
};

struct CellRequest {
  int result_fd = -1;
  bool tell_steps = false;  ///< of a training, in words
};

// Each returns an exit code and throws Error for what the user can put right.

/// Runs what is pending; summary and paths go to `out`, progress to `progress`.
int run_command(const RunRequest&, std::ostream& out, std::ostream& progress);
/// Trains what is pending, a line a step to `out` and what the models' processes say to `words`:
/// each model in a process of its own or, under mpirun, in those that it started. The measurements
/// are left to run_command().
int train_command(const RunRequest&, std::ostream& out, std::ostream& words);
int plan_command(const RunRequest&, std::ostream& out);
/// Writes the reports of an output folder again, and tells a summary or, with `table`, all scores.
int report_command(const std::string& output, bool table, std::ostream& out);
/// Brings finished folders, or else the shards in it, into `output`, and writes its reports.
int merge_command(const MergeRequest&, std::ostream& out);
/// Runs the cell that comes on standard input (harness/job.h) and sends its outcome, and before it
/// how far it is, through the pipe.
int cell_command(const CellRequest&);

/// "0.1.0 (revision)"
std::string version();

}  // namespace longreach::harness
