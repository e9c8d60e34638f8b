// Runs one cell in a process of its own.
#include "harness/child.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/error.h"
#include "core/units.h"

extern char** environ;

namespace longreach::harness {
namespace {

constexpr int kPollMilliseconds = 100;

/// Everything execve() needs, made before the fork: between fork and exec nothing may allocate.
struct Arguments {
  std::vector<std::string> words, settings;
  std::vector<char*> argv, environment;
};

Arguments arguments_of(const ChildCommand& command, int fd) {
  Arguments made;
  made.words = {"longreach"};
  made.words.insert(made.words.end(), command.arguments.begin(), command.arguments.end());
  made.words.insert(made.words.end(), {"--result-fd", std::to_string(fd)});
  for (char** setting = environ; *setting; ++setting) {
    const bool replaced =
        command.threads > 0 && std::string_view(*setting).starts_with("OMP_NUM_THREADS=");
    if (!replaced) made.settings.emplace_back(*setting);
  }
  if (command.threads > 0) {
    made.settings.push_back(fmt::format("OMP_NUM_THREADS={}", command.threads));
  }
  // Threads that spin for long starve each other on a busy machine; a few microseconds are enough
  // to catch the next parallel loop.
  if (!std::getenv("OMP_WAIT_POLICY") && !std::getenv("GOMP_SPINCOUNT")) {
    made.settings.push_back("GOMP_SPINCOUNT=10000");
  }
  for (std::string& word : made.words) made.argv.push_back(word.data());
  for (std::string& setting : made.settings) made.environment.push_back(setting.data());
  made.argv.push_back(nullptr);
  made.environment.push_back(nullptr);
  return made;
}

/// Runs in the child: only calls that are safe after fork().
[[noreturn]] void become(const Arguments& arguments, pid_t parent) {
  setpgid(0, 0);  // a terminal's Ctrl-C goes to the parent, which then ends us
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  execve("/proc/self/exe", arguments.argv.data(), arguments.environment.data());
  _exit(127);
}

/// Cuts what comes through the pipe into lines.
class Lines {
 public:
  Lines(ChildResult& result, const std::function<void(double)>& progress)
      : result_(result), progress_(progress) {}
  void add(std::string_view bytes) {
    buffer_ += bytes;
    std::size_t begin = 0;
    for (std::size_t end; (end = buffer_.find('\n', begin)) != std::string::npos; begin = end + 1) {
      line(buffer_.substr(begin, end - begin));
    }
    buffer_.erase(0, begin);
  }

 private:
  void line(std::string text) {
    if (text.starts_with('{')) {
      result_.result = std::move(text);
    } else if (const std::optional<double> share = parse_number(text, Unit::none)) {
      progress_(*share);
    }
  }
  ChildResult& result_;
  const std::function<void(double)>& progress_;
  std::string buffer_;
};

/// Reads until the child closes the pipe, or kills it.
void follow(const ChildCommand& command, pid_t child, int fd, ChildResult& result,
            const std::function<void(double)>& progress) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  Lines lines(result, progress);
  std::array<char, 65536> bytes;
  for (;;) {
    if (command.interrupted && *command.interrupted) {
      result.interrupted = true;
    } else if (command.seconds > 0 && !result.timed_out) {
      const std::chrono::duration<double> spent = Clock::now() - start;
      result.timed_out = spent.count() > command.seconds;
    }
    if (result.interrupted || result.timed_out) {
      kill(child, SIGKILL);
      return;
    }
    pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
    const int ready = poll(&waiting, 1, kPollMilliseconds);
    if (ready <= 0) continue;  // nothing yet, or a signal came
    const ssize_t count = read(fd, bytes.data(), bytes.size());
    if (count > 0) {
      lines.add({bytes.data(), static_cast<std::size_t>(count)});
    } else if (count == 0 || errno != EINTR) {
      return;
    }
  }
}

}  // namespace

ChildResult run_child(const ChildCommand& command, const std::function<void(double)>& progress) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw error("cannot make a pipe: {}", std::strerror(errno));
  }
  const auto [from_child, to_parent] = ends;
  fcntl(to_parent, F_SETFD, 0);  // the child keeps this end
  const Arguments arguments = arguments_of(command, to_parent);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) {
    const int reason = errno;
    close(from_child);
    close(to_parent);
    throw error("cannot start a process for the cell: {}", std::strerror(reason));
  }
  if (child == 0) become(arguments, parent);
  close(to_parent);

  ChildResult result;
  follow(command, child, from_child, result, progress);
  close(from_child);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  return result;
}

bool send_line(int fd, const std::string& line) {
  const std::string bytes = line + "\n";
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t count = write(fd, bytes.data() + sent, bytes.size() - sent);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    sent += static_cast<std::size_t>(count);
  }
  return true;
}

}  // namespace longreach::harness
