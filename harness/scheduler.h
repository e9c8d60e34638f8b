// Which cell runs next, and on which host, when several run at once.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/record.h"
#include "harness/plan.h"

namespace longreach::harness {

/// Hands out the cells of a plan: a training before what is measured with its weights, the lengths
/// of one task in order where longer ones are skipped after one that did not fit, and timings alone
/// on their host. Knows neither processes nor the store.
class Scheduler {
 public:
  struct Rules {
    OnOom on_oom = OnOom::skip_longer;
    /// Whether nothing else may run on a cell's host meanwhile; none when empty.
    std::function<bool(const Cell&)> alone;
    /// Whether such cells may run on that host at all; any when empty.
    std::function<bool(i64 host)> times;
    /// Trainings before measurements that are ready, so that the last ones to run are short; else
    /// the order of the plan.
    bool trainings_first = false;
  };

  /// `cells` in the order of a plan, none twice.
  Scheduler(const std::vector<Cell>& cells, Rules);

  /// What is known of a cell that is not to run, from before: a training with status ok lets its
  /// cells run, and a length that did not fit stops the longer ones.
  void known(const Cell&, Status);

  struct Next {
    std::size_t cell = 0;  ///< place in `cells`
    std::string skip;      ///< why it must not run; "" when it is to run
  };
  /// Takes the next cell for an idle worker of that host. Nothing when none is ready for it now.
  std::optional<Next> next(i64 host);

  /// What became of one that next() gave, whether it ran or was skipped.
  void finished(std::size_t cell, Status);

  /// Why a cell must not run, as far as is known so far; "" when nothing speaks against it.
  std::string why_skip(std::size_t cell) const;

  std::size_t running() const { return hosts_of_.size(); }
  /// Not given out yet.
  std::size_t waiting() const { return waiting_; }

 private:
  struct Job {
    std::size_t waits = 0;           ///< cells that must finish first
    std::vector<std::size_t> after;  ///< that wait for this one
    std::string series;              ///< of lengths, in order; "" for a training
    bool alone = false;
  };
  struct Host {
    std::size_t running = 0;
    bool alone = false;  ///< what runs there is not to be disturbed
  };
  void wait_for(std::size_t cell, std::size_t first);
  void make_ready(std::size_t cell);
  void remember(const Cell&, Status);

  const std::vector<Cell>& cells_;
  const Rules rules_;
  std::vector<Job> jobs_;
  using Queue = std::set<std::pair<bool, std::size_t>>;  ///< later kind, then place
  Queue ready_, ready_alone_;
  std::size_t waiting_ = 0;
  std::map<std::size_t, i64> hosts_of_;  ///< of what runs
  std::map<i64, Host> hosts_;
  std::map<std::string, Status> trained_;
  struct Stop {
    i64 length = 0;  ///< that did not fit
    std::string reason;
  };
  std::map<std::string, Stop> stopped_;  ///< by series
};

}  // namespace longreach::harness
