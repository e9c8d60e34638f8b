// Runs one cell in a process of its own, so that it can crash, hang or run out of memory alone.
#pragma once

#include <array>
#include <chrono>
#include <csignal>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include "core/tensor.h"

namespace longreach::harness {

struct ChildCommand {
  std::vector<std::string> arguments;  ///< after the program's name; the write end of the pipe is
                                       ///< appended as "--result-fd N"
  std::string input;                   ///< what it reads on its standard input
  long threads = 0;                    ///< OMP_NUM_THREADS; 0 leaves it as it is
  double seconds = 0;                  ///< killed after so long; 0 = never
  double stall = 0;                    ///< killed after so long without computing; 0 = never
  i64 memory = 0;                      ///< killed above so many resident bytes; 0 = never
  /// Once this is not 0 the child gets SIGTERM, and a few seconds later SIGKILL.
  const volatile std::sig_atomic_t* interrupted = nullptr;
};

/// Why we ended a child.
enum class Stop { none, time, stall, memory, interrupt };

struct ChildResult {
  Stop stopped = Stop::none;
  int exit_code = 0;
  int signal = 0;          ///< that ended it, or 0
  std::string result;      ///< the line it sent that starts with '{'; "" when it sent none
  std::string last_words;  ///< the end of what it wrote to its standard output and error, as it was
  double seconds = 0;      ///< from its start to its result, or to its end when it sent none
  i64 peak_bytes = 0;      ///< most memory it had resident, as far as seen
  i64 last_bytes = 0;      ///< resident when last looked at, a fraction of a second before its end
  bool machine_out_of_memory = false;  ///< the kernel killed for want of memory while it ran
};

/// What a child tells while it runs; empty functions are not called.
struct ChildListener {
  std::function<void(double)> progress;          ///< a line that is a number
  std::function<void(const std::string&)> line;  ///< any other line that it sent
  std::function<void(std::string_view)> words;   ///< what it wrote for people
};

/// This program started again, in a process group of its own. It dies with this process, or when
/// the object is destroyed before its end.
class Child {
 public:
  /// Throws Error when it cannot be started.
  Child(const ChildCommand&, ChildListener);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// Takes in what it said, waiting at most so long for something to happen, and holds it against
  /// its limits. True once it has ended. To follow several, call each at least every
  /// kPollMilliseconds or when one of its descriptors() can be read.
  bool poll(int milliseconds = kPollMilliseconds);

  /// Complete once poll() said true.
  const ChildResult& result() const { return result_; }

  /// To wait on with ::poll(), which passes over those that are -1.
  std::array<int, 2> descriptors() const { return {lines_.fd, words_.fd}; }

  static constexpr int kPollMilliseconds = 100;

 private:
  using Clock = std::chrono::steady_clock;
  struct Pipe {
    int fd = -1;  ///< the end that we read; -1 once all is read
    std::string buffer;
  };

  void start();
  void read_pipes();
  void take_lines();
  void take_words(std::string_view bytes);
  bool reap();
  void supervise();
  void look();
  void stop(Stop why, int signal);
  double seconds() const;  ///< since its start

  const ChildCommand command_;
  const ChildListener listener_;
  pid_t pid_ = -1;
  Pipe lines_, words_;
  ChildResult result_;
  bool ended_ = false;
  i64 inherited_ = 0;  ///< what the kernel counts as its peak although it was ours, bytes
  i64 kills_before_ = 0, cpu_ticks_ = 0;
  Clock::time_point started_, active_, looked_;
  std::optional<Clock::time_point> deadline_;  ///< for its end, once we want it to end
};

/// Runs one to its end.
ChildResult run_child(const ChildCommand&, ChildListener);

/// The last lines of what a program wrote, as one printable line of at most 400 bytes; "" when it
/// wrote nothing.
std::string last_lines(std::string_view words);

/// For the child: sends one line. False when nobody reads any more.
bool send_line(int fd, std::string_view line);

}  // namespace longreach::harness
