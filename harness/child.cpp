// Runs one cell in a process of its own.
#include "harness/child.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include "core/error.h"
#include "core/units.h"
#include "harness/process_state.h"

extern char** environ;

namespace longreach::harness {
namespace {

constexpr std::chrono::milliseconds kLook{Child::kPollMilliseconds};
/// From its result to its end: destructors, exit handlers of plugins.
constexpr std::chrono::seconds kLeave{5};
/// From being asked to stop to being made to: a training writes its checkpoint.
constexpr std::chrono::seconds kGrace{5};
constexpr std::size_t kWordsKept = 4096;
constexpr std::size_t kReasonBytes = 400;

/// Everything execve() needs, made before the fork: between fork and exec nothing may allocate.
struct Arguments {
  std::vector<std::string> words, settings;
  std::vector<char*> argv, environment;
};

/// By what a launcher tells its processes who they are. A child is none of them: an MPI in it (a
/// plugin's) that took the place of its parent would bring down the whole run.
bool launchers(std::string_view setting) {
  constexpr std::array<std::string_view, 4> kPrefixes{"OMPI_", "PMIX_", "PMI_", "SLURM_"};
  return std::ranges::any_of(
      kPrefixes, [setting](std::string_view prefix) { return setting.starts_with(prefix); });
}

Arguments arguments_of(const ChildCommand& command, int fd) {
  Arguments made;
  made.words = {"longreach"};
  made.words.insert(made.words.end(), command.arguments.begin(), command.arguments.end());
  made.words.insert(made.words.end(), {"--result-fd", std::to_string(fd)});
  for (char** setting = environ; *setting; ++setting) {
    const bool replaced =
        command.threads > 0 && std::string_view(*setting).starts_with("OMP_NUM_THREADS=");
    if (!replaced && !launchers(*setting)) made.settings.emplace_back(*setting);
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

/// Of all processes, let the kernel take this one first when memory runs out, not the runner.
void offer_to_be_killed() {
  const int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  [[maybe_unused]] const ssize_t written = write(fd, "800", 3);
  close(fd);
}

/// Runs in the child: only calls that are safe after fork().
[[noreturn]] void become(const Arguments& arguments, pid_t parent, int input, int result, int words,
                         i64 memory) {
  setpgid(0, 0);  // a terminal's Ctrl-C goes to the parent, which then ends us
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  dup2(input, STDIN_FILENO);
  dup2(words, STDOUT_FILENO);  // standard output is for results, and those are not the child's
  dup2(words, STDERR_FILENO);
  close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);  // nothing of ours but the pipe goes along
  fcntl(result, F_SETFD, 0);
  limit_address_space(memory);
  offer_to_be_killed();
  execve("/proc/self/exe", arguments.argv.data(), arguments.environment.data());
  _exit(127);
}

/// A file of this content that is nowhere, to be read from its start. Throws Error.
int unnamed_file(std::string_view content) {
  const int fd = memfd_create("longreach", MFD_CLOEXEC);
  if (fd < 0) throw error("cannot pass on a cell: {}", std::strerror(errno));
  std::size_t done = 0;
  while (done < content.size()) {
    const ssize_t count =
        pwrite(fd, content.data() + done, content.size() - done, static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      const int reason = errno;
      close(fd);
      throw error("cannot pass on a cell: {}", std::strerror(reason));
    }
    done += static_cast<std::size_t>(count);
  }
  return fd;
}

/// A pipe whose reading end does not block. Throws Error.
std::array<int, 2> make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw error("cannot make a pipe: {}", std::strerror(errno));
  }
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return ends;
}

void close_if_open(int& fd) {
  if (fd >= 0) close(std::exchange(fd, -1));
}

}  // namespace

Child::Child(const ChildCommand& command, ChildListener listener)
    : command_(command), listener_(std::move(listener)) {
  kills_before_ = out_of_memory_kills();
  if (const auto own = process_state(getpid())) inherited_ = own->peak_resident;
  try {
    start();
  } catch (...) {
    close_if_open(lines_.fd);
    close_if_open(words_.fd);
    throw;
  }
}

void Child::start() {
  int input = -1, to_result = -1, to_words = -1;
  const auto [lines, result] = make_pipe();
  lines_.fd = lines;
  to_result = result;
  try {
    const auto [read_words, write_words] = make_pipe();
    words_.fd = read_words;
    to_words = write_words;
    input = unnamed_file(command_.input);
    const Arguments arguments = arguments_of(command_, to_result);
    const pid_t parent = getpid();
    pid_ = fork();
    if (pid_ == 0) become(arguments, parent, input, to_result, to_words, command_.memory);
    if (pid_ < 0) throw error("cannot start a process for the cell: {}", std::strerror(errno));
  } catch (...) {
    close_if_open(input);
    close_if_open(to_result);
    close_if_open(to_words);
    throw;
  }
  setpgid(pid_, pid_);  // as the child does: whoever comes first
  close_if_open(input);
  close_if_open(to_result);
  close_if_open(to_words);
  started_ = active_ = looked_ = Clock::now();  // before exec() it looks as big as we are
}

Child::~Child() {
  if (pid_ > 0 && !ended_) {
    kill(-pid_, SIGKILL);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  close_if_open(lines_.fd);
  close_if_open(words_.fd);
}

bool Child::poll(int milliseconds) {
  if (ended_) return true;
  std::array<pollfd, 2> waiting{};
  for (std::size_t i = 0; i < 2; ++i) waiting[i] = {descriptors()[i], POLLIN, 0};
  // Once the pipe is closed the end is near, and nothing wakes us for it.
  ::poll(waiting.data(), waiting.size(), lines_.fd < 0 ? std::min(milliseconds, 1) : milliseconds);
  read_pipes();
  if (reap()) return true;
  supervise();
  return false;
}

void Child::read_pipes() {
  std::array<char, 65536> bytes;
  for (Pipe* pipe : {&lines_, &words_}) {
    while (pipe->fd >= 0) {
      const ssize_t count = read(pipe->fd, bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 && errno == EAGAIN) break;
      if (count <= 0) {
        close_if_open(pipe->fd);
        break;
      }
      const std::string_view read(bytes.data(), static_cast<std::size_t>(count));
      if (pipe == &words_) {
        take_words(read);
      } else {
        active_ = Clock::now();
        lines_.buffer += read;
        take_lines();
      }
    }
  }
}

void Child::take_lines() {
  std::string& buffer = lines_.buffer;
  std::size_t begin = 0;
  for (std::size_t end; (end = buffer.find('\n', begin)) != std::string::npos; begin = end + 1) {
    std::string line = buffer.substr(begin, end - begin);
    if (line.starts_with('{')) {
      result_.result = std::move(line);
      result_.seconds = seconds();
    } else if (const std::optional<double> share = parse_number(line, Unit::none)) {
      if (listener_.progress) listener_.progress(*share);
    } else if (listener_.line) {
      listener_.line(line);
    }
  }
  buffer.erase(0, begin);
}

void Child::take_words(std::string_view bytes) {
  if (listener_.words) listener_.words(bytes);
  std::string& kept = result_.last_words;
  kept += bytes;
  if (kept.size() > kWordsKept) kept.erase(0, kept.size() - kWordsKept);
}

/// True when it has ended.
bool Child::reap() {
  siginfo_t state{};
  // It is left a zombie at first, so that its group's number cannot be another's yet.
  if (waitid(P_PID, static_cast<id_t>(pid_), &state, WEXITED | WNOHANG | WNOWAIT) != 0 ||
      state.si_pid == 0) {
    return false;
  }
  kill(-pid_, SIGKILL);  // what it started and left behind
  int status = 0;
  rusage usage{};
  while (wait4(pid_, &status, 0, &usage) < 0 && errno == EINTR) {
  }
  ended_ = true;
  if (WIFEXITED(status)) result_.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) result_.signal = WTERMSIG(status);
  // A new process counts as its peak what it was forked from; above that, the count is its own.
  const i64 peak = static_cast<i64>(usage.ru_maxrss) * 1024;
  if (peak > inherited_) result_.peak_bytes = std::max(result_.peak_bytes, peak);
  result_.machine_out_of_memory =
      result_.signal == SIGKILL && out_of_memory_kills() > kills_before_;
  read_pipes();  // what it said last
  if (result_.result.empty()) result_.seconds = seconds();
  return true;
}

double Child::seconds() const {
  return std::chrono::duration<double>(Clock::now() - started_).count();
}

void Child::stop(Stop why, int signal) {
  result_.stopped = why;
  kill(-pid_, signal);
  deadline_ = Clock::now() + (signal == SIGKILL ? Clock::duration{} : Clock::duration{kGrace});
}

void Child::supervise() {
  const auto now = Clock::now();
  if (deadline_ && now >= *deadline_) {
    kill(-pid_, SIGKILL);
    return;
  }
  if (command_.interrupted && *command_.interrupted && result_.stopped == Stop::none) {
    return stop(Stop::interrupt, SIGTERM);
  }
  if (now - looked_ < kLook) return;
  looked_ = now;
  look();
  if (deadline_) return;
  if (!result_.result.empty()) {  // the work is done: no limit but that of leaving
    deadline_ = now + kLeave;
  } else if (command_.memory > 0 && result_.last_bytes > command_.memory) {
    stop(Stop::memory, SIGKILL);
  } else if (command_.seconds > 0 && seconds() > command_.seconds) {
    stop(Stop::time, SIGKILL);
  } else if (command_.stall > 0 &&
             std::chrono::duration<double>(now - active_).count() > command_.stall) {
    stop(Stop::stall, SIGKILL);
  }
}

void Child::look() {
  const std::optional<ProcessState> state = process_state(pid_);
  if (!state) return;
  if (state->resident > 0) result_.last_bytes = state->resident;  // a zombie has none
  result_.peak_bytes = std::max(result_.peak_bytes, state->peak_resident);
  if (state->cpu_ticks != cpu_ticks_) active_ = looked_;
  cpu_ticks_ = state->cpu_ticks;
}

ChildResult run_child(const ChildCommand& command, ChildListener listener) {
  Child child(command, std::move(listener));
  while (!child.poll()) {
  }
  return child.result();
}

std::string last_lines(std::string_view words) {
  std::string text;
  while (!words.empty()) {
    const std::size_t end = words.find_last_of("\r\n");
    std::string line;
    for (const char c : words.substr(end == std::string_view::npos ? 0 : end + 1)) {
      // Escape sequences lose their first byte, and with it their power.
      if (static_cast<unsigned char>(c) >= ' ' && c != 0x7f) line += c;
    }
    words = end == std::string_view::npos ? "" : words.substr(0, end);
    if (line.find_first_not_of(' ') == std::string::npos) continue;
    if (!text.empty() && text.size() + line.size() + 3 > kReasonBytes) break;
    text = text.empty() ? line : line + " / " + text;
  }
  if (text.size() <= kReasonBytes) return text;
  std::size_t cut = kReasonBytes - 3;
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80) --cut;
  return text.substr(0, cut) + "...";
}

bool send_line(int fd, std::string_view line) {
  const std::string bytes = std::string(line) + "\n";
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
