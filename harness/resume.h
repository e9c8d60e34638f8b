// What a run does with cells that earlier runs stored.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/record.h"
#include "harness/plan.h"
#include "harness/store.h"

namespace longreach::harness {

/// The statuses that --retry names; "all" for all that are not ok. Throws Error for another word.
std::set<Status> statuses_to_retry(const std::vector<std::string>& words);

struct ResumeRules {
  bool resume = true;  ///< else everything runs
  std::set<Status> retry;
  OnOom on_oom = OnOom::skip_longer;
};

/// A plan's cells, divided.
struct Pending {
  std::vector<Cell> cells;  ///< to run, in the order of the plan
  struct Settled {
    Cell cell;
    Status status;
  };
  std::vector<Settled> settled;  ///< the others: what the cells to run may depend on

  std::size_t done() const;                  ///< settled and ok
  std::map<Status, i64> left_as_is() const;  ///< settled and not ok, counted
};

/// A stored cell is settled when it is ok (a training: with its weights still there, where cells to
/// run need them), or ended in another way that is not to be retried: what failed once, or used up
/// its time or memory, would most likely do so again. One that was skipped runs once the reason is
/// gone: its training succeeded or runs, the shorter length that did not fit is retried.
/// `output` is where the weights are.
Pending pending(const std::vector<Cell>& cells, const Store&, const std::string& output,
                const ResumeRules&);

/// A line that says what is left as it is and how to retry it; "" when nothing is.
std::string left_as_is_line(const Pending&);

}  // namespace longreach::harness
