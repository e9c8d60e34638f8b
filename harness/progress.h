// Progress on a stream: a bar with the time left on a terminal, else a line a finished cell.
#pragma once

#include <chrono>
#include <ostream>
#include <string>
#include <string_view>

#include "core/record.h"

namespace longreach::harness {

struct StepLine;

/// "step 3/100  loss 2.3041  ..."
std::string step_text(const StepLine&);

class Progress {
 public:
  /// `cells` are still to run. `terminal` says whether the stream can redraw a line.
  Progress(std::ostream& out, bool terminal, std::size_t cells)
      : out_(out), terminal_(terminal), cells_(cells) {}

  void begin(const std::string& cell);
  /// Share of the current cell that is done.
  void share(double done);
  /// What the cell's process wrote for people.
  void words(std::string_view text);
  void finish(const CellInfo&);

 private:
  using Clock = std::chrono::steady_clock;
  void draw(double share);
  void wipe();
  std::ostream& out_;
  bool terminal_;
  std::size_t cells_, done_ = 0;
  std::string cell_;
  Clock::time_point start_ = Clock::now(), drawn_{};
};

}  // namespace longreach::harness
