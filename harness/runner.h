// Runs the pending cells of a plan, each in a process of its own, and stores what they give.
#pragma once

#include <csignal>
#include <set>
#include <string>
#include <vector>

#include "harness/plan.h"
#include "harness/progress.h"
#include "harness/resume.h"
#include "harness/store.h"

namespace longreach::harness {

class Predictor;
class Workers;

struct RunOptions {
  bool resume = true;                ///< else cells that are stored run again, whatever they gave
  std::set<Status> retry;            ///< stored cells of these statuses run again
  bool fail_fast = false;            ///< stop at the first cell that is not ok
  i64 limit = 0;                     ///< run at most so many cells; 0 = all
  i64 threads = 0;                   ///< OpenMP threads of a cell; 0 = as the environment says
  bool probe = true;                 ///< models may be run for a moment to predict cells from
  Predictor* predictor = nullptr;    ///< fills the predicted columns, refuses what cannot fit
  std::vector<std::string> plugins;  ///< absolute paths, for the children
  std::string run_id;
  const volatile std::sig_atomic_t* interrupted = nullptr;
};

struct RunSummary {
  i64 ok = 0, not_ok = 0, invalid = 0, already_done = 0, left = 0;
  bool interrupted = false;
};

/// Runs them, in order where there is one worker. A cell whose training failed is skipped; so are
/// longer lengths of a task after one ran out of memory or time (Limits::on_oom).
RunSummary run_cells(const Experiment&, const Pending&, Store&, const RunOptions&, Progress&,
                     Workers&);

/// "2026-11-24T16:40:00Z"
std::string utc_now();

}  // namespace longreach::harness
