// Progress on a stream: on a terminal a bar with the time left, else how it starts, what goes wrong
// and how it ends.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "core/record.h"
#include "harness/terminal.h"

namespace longreach::harness {

struct StepLine;

/// "step 3/100  loss 2.3041  ..."
std::string step_text(const StepLine&);

class Progress {
 public:
  /// With `verbose`, every cell that ends is told, not only those without a result.
  Progress(std::ostream& out, Screen screen, bool verbose = false)
      : out_(out), screen_(std::move(screen)), verbose_(verbose) {}
  /// Leaves no bar behind.
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `seconds` are predicted of each cell that may run, of which `to_run` will, so many `workers`
  /// at a time; all of them 0 where nothing is predicted. `before` cells have finished before.
  void start(std::vector<double> seconds, std::size_t to_run, std::size_t before,
             std::size_t workers = 1);
  /// Cells go by their place in `seconds`.
  void begin(std::size_t cell, const std::string& label);
  /// The share that is done, from 0 to 1, of the one cell that runs, where it tells.
  void share(double done);
  /// What a cell's process wrote for people.
  void words(std::string_view text);
  /// It need not have begun.
  void finish(std::size_t cell, const std::string& label, const CellInfo&);
  /// Draws anew what time has changed; cheap to call often.
  void tick();
  /// Removes the bar, until the next tick, to make room for other lines.
  void clear();
  /// How many ended, and how; no bar comes after it.
  void end();

 private:
  using Clock = std::chrono::steady_clock;
  struct Running {
    std::string label;
    Clock::time_point begun;
    std::optional<double> told;  ///< share
  };
  double spent(const Running&) const;
  double done(std::size_t cell, const Running&, double pace) const;
  double pace() const;
  std::string bar(std::size_t columns) const;
  std::string current(std::size_t columns) const;
  std::string coloured(Status) const;

  std::ostream& out_;
  const Screen screen_;
  const bool verbose_;
  std::vector<double> work_;  ///< seconds predicted, or 1 each
  bool predicted_ = false, started_ = false, drawn_ = false, mid_line_ = false;
  std::size_t to_run_ = 0, finished_ = 0, workers_ = 1;
  double all_work_ = 0, left_work_ = 0;    ///< of those to run
  double told_work_ = 0, told_spent_ = 0;  ///< of cells that ended ok, to learn the pace from
  std::map<std::size_t, Running> running_;
  std::map<Status, std::size_t> ended_;
  Clock::time_point start_ = Clock::now(), last_drawn_{};
};

}  // namespace longreach::harness
