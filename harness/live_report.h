// The report of a store that another process writes, made anew when there is more in it.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "core/tensor.h"
#include "harness/database.h"

namespace longreach::harness {

/// Reads alone: whoever writes the store waits for nothing here. May be called from many threads;
/// reports are made one at a time, and no more often than every few seconds.
class LiveReport {
 public:
  /// `folder` need not exist yet.
  explicit LiveReport(std::string folder);

  struct State {
    std::string version =
        "none";               ///< another one whenever the store has changed; without it "none"
    i64 done = 0, cells = 0;  ///< of the plan
  };
  State state();

  /// The report of that name ("html", "csv") and the state that it is of. Without a store or one
  /// that cannot be read, `problem` says so.
  struct Made {
    State of;
    std::string text, problem;
  };
  Made report(const std::string& name);

 private:
  using Clock = std::chrono::steady_clock;
  struct Kept {
    Made made;
    Clock::time_point fresh_until{};
  };
  Made make(const std::string& name);

  const std::string folder_, path_;
  const std::string born_;  ///< versions of another watch are others
  std::mutex asking_, making_;
  std::unique_ptr<Database> database_;
  unsigned long long file_ = 0;  ///< that database_ has open: its inode
  i64 opened_ = 0;
  std::map<std::string, Kept> kept_;
};

}  // namespace longreach::harness
