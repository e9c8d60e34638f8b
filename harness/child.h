// Runs one cell in a process of its own, so that it can crash, hang or run out of memory alone.
#pragma once

#include <csignal>
#include <functional>
#include <string>
#include <vector>

namespace longreach::harness {

struct ChildResult {
  bool timed_out = false, interrupted = false;
  int exit_code = 0;
  int signal = 0;      ///< that ended it, or 0
  std::string result;  ///< the line it sent that starts with '{'; "" when it sent none
};

struct ChildCommand {
  std::vector<std::string> arguments;  ///< after the program's name; the write end of the pipe is
                                       ///< appended as "--result-fd N"
  long threads = 0;                    ///< OMP_NUM_THREADS; 0 leaves it as it is
  double seconds = 0;                  ///< killed after so long; 0 = never
  const volatile std::sig_atomic_t* interrupted = nullptr;  ///< killed when this becomes non-zero
};

/// Starts this program again with the arguments and waits. Other lines that it sends are numbers
/// for `progress`. The child dies with this process. Throws Error when it cannot be started.
ChildResult run_child(const ChildCommand&, const std::function<void(double)>& progress);

/// For the child: sends one line. False when nobody reads any more.
bool send_line(int fd, const std::string& line);

}  // namespace longreach::harness
