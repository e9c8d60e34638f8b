// A cell running in a process of its own.
#include "harness/cell_process.h"

#include <cstring>
#include <filesystem>
#include <thread>
#include <utility>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/units.h"
#include "harness/cell.h"
#include "harness/cli.h"
#include "harness/job.h"
#include "harness/process_state.h"

namespace longreach::harness {
namespace {

constexpr double kShareOfMachine = 0.9;
/// A process that the kernel killed this near its limit most likely ran out of memory, counted or
/// not.
constexpr double kNearLimit = 0.8;
/// A batch system signals all processes of a job: ours may come a moment after the child's.
constexpr std::chrono::milliseconds kSignalled{500};

bool near_limit(const ChildResult& child, const Limits& limits) {
  return static_cast<double>(child.last_bytes) >
         kNearLimit * static_cast<double>(memory_limit(limits));
}

std::string with_last_words(std::string reason, const ChildResult& child) {
  const std::string words = last_lines(child.last_words);
  return words.empty() ? reason : reason + ": " + words;
}

}  // namespace

i64 memory_limit(const Limits& limits) {
  if (limits.memory > 0) return limits.memory;
  static const i64 machine = available_memory();
  return static_cast<i64>(kShareOfMachine * static_cast<double>(machine));
}

bool killed_from_outside(const ChildResult& child) {
  if (child.stopped != Stop::none || !child.result.empty()) return false;
  if (child.signal == SIGKILL) return !child.machine_out_of_memory;
  return child.signal == SIGTERM || child.signal == SIGINT || child.signal == SIGHUP ||
         (child.signal == 0 && child.exit_code == kExitInterrupted);
}

void explain(const ChildResult& child, const Limits& limits, CellInfo& info) {
  const auto say = [&info](Status status, std::string reason) {
    info.status = status;
    info.reason = std::move(reason);
  };
  if (child.stopped == Stop::time) {
    say(Status::timeout, fmt::format("ran longer than {} (limits.time_per_cell)",
                                     format_seconds(limits.time_per_cell)));
  } else if (child.stopped == Stop::stall) {
    say(Status::timeout,
        with_last_words(fmt::format("hangs: computed nothing for {} (limits.stall)",
                                    format_seconds(limits.stall)),
                        child));
  } else if (child.stopped == Stop::memory) {
    say(Status::oom, fmt::format("resident memory {} over the limit of {}",
                                 format_bytes(static_cast<double>(child.last_bytes)),
                                 format_bytes(static_cast<double>(memory_limit(limits)))));
  } else if (child.signal == SIGKILL &&
             (child.machine_out_of_memory || near_limit(child, limits))) {
    say(Status::oom, fmt::format("killed by the system out of memory, with {} resident",
                                 format_bytes(static_cast<double>(child.last_bytes))));
  } else if (killed_from_outside(child)) {
    say(Status::failed,
        child.signal == 0
            ? "told from outside to stop"
            : with_last_words(fmt::format("killed from outside (signal {})", child.signal), child));
  } else if (child.signal != 0) {
    say(Status::failed,
        with_last_words(
            fmt::format("crashed: {} (signal {})", strsignal(child.signal), child.signal), child));
  } else {
    say(Status::failed,
        with_last_words(fmt::format("ended with exit code {} and no result", child.exit_code),
                        child));
  }
}

i64 next_attempt(const Store& store, const Cell& cell) {
  const std::optional<CellInfo> before = store.find(cell.id);
  if (!before) return 1;
  // Stores of earlier versions do not tell, but what ran has run once.
  return before->attempt.value_or(before->status == Status::skipped ? 0 : 1) + 1;
}

CellProcess::CellProcess(const Experiment& experiment, const Cell& cell, const RunOptions& options,
                         i64 attempt, ChildListener listener)
    : experiment_(experiment),
      cell_(cell),
      options_(options),
      listener_(std::move(listener)),
      attempt_(attempt) {
  start();
}

void CellProcess::start() {
  std::vector<std::string> arguments{"cell"};
  for (const std::string& plugin : options_.plugins) {
    arguments.insert(arguments.end(), {"--plugin", plugin});
  }
  if (listener_.line) arguments.push_back("--tell-steps");
  started_at_ = utc_now();
  ended_ = {};
  child_.emplace(ChildCommand{.arguments = std::move(arguments),
                              .input = job_text(experiment_, cell_),
                              .threads = static_cast<long>(options_.threads),
                              .seconds = experiment_.limits.time_per_cell,
                              .stall = experiment_.limits.stall,
                              .memory = memory_limit(experiment_.limits),
                              .interrupted = options_.interrupted},
                 listener_);
}

bool CellProcess::poll(int milliseconds) {
  if (!child_->poll(milliseconds)) return false;
  if (ended_ == Clock::time_point{}) ended_ = Clock::now();
  return conclude();
}

/// False when there is more to wait for.
bool CellProcess::conclude() {
  const ChildResult& child = child_->result();
  if (child.result.empty()) {
    // What it was writing when it died; files of others that are being written stay.
    remove_abandoned((std::filesystem::path(experiment_.output) / "models").string());
    interrupted_ = options_.interrupted && *options_.interrupted;
    if (interrupted_) return true;
    if (killed_from_outside(child)) {
      if (Clock::now() - ended_ < kSignalled) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        return false;
      }
      if (again_ && !near_limit(child, experiment_.limits)) {
        again_ = false;
        ++attempt_;
        start();
        return false;
      }
    }
  }
  outcome_.info = cell_info(experiment_, cell_);
  if (child.result.empty()) {
    explain(child, experiment_.limits, outcome_.info);
  } else {
    try {
      outcome_ = outcome_from_json(child.result);
    } catch (const Error& failure) {
      outcome_.info.status = Status::failed;
      outcome_.info.reason = fmt::format("sent a result that cannot be read ({})", failure.what());
    }
  }
  outcome_.info.started_at = started_at_;
  outcome_.info.wall_s = child.seconds;
  outcome_.info.attempt = attempt_;
  if (!outcome_.info.peak_bytes && child.peak_bytes > 0) {
    outcome_.info.peak_bytes = child.peak_bytes;
  }
  return true;
}

}  // namespace longreach::harness
