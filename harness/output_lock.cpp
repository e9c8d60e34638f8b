// One run at a time in an output folder.
#include "harness/output_lock.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <thread>
#include <unistd.h>

#include "core/error.h"
#include "harness/runner.h"

namespace longreach::harness {
namespace {

std::string read_holder(int fd) {
  std::array<char, 256> text{};
  const ssize_t count = pread(fd, text.data(), text.size(), 0);
  std::string holder(text.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
  return holder.substr(0, holder.find('\n'));
}

/// For those who find the folder held; nothing depends on it.
void write_holder(int fd) {
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  const std::string holder =
      fmt::format("process {} on {} since {}\n", getpid(), host.data(), utc_now());
  if (ftruncate(fd, 0) != 0) return;
  [[maybe_unused]] const ssize_t written = pwrite(fd, holder.data(), holder.size(), 0);
}

/// A run that is killed just as it starts a cell's process leaves that one with the lock until it
/// has become the cell or seen that it is alone: some milliseconds.
int lock(int fd) {
  constexpr std::chrono::milliseconds kPatience{500}, kPause{10};
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK || std::chrono::steady_clock::now() > end) return errno;
    std::this_thread::sleep_for(kPause);
  }
  return 0;
}

}  // namespace

std::string lock_refusal(const std::string& output, int reason, const std::string& holder) {
  if (reason == EWOULDBLOCK) {
    return fmt::format("{}: another run is writing here{}; wait for it or choose another --output",
                       output, holder.empty() ? "" : " (" + holder + ")");
  }
  return fmt::format(
      "{}: its file system cannot lock a file ({}), so two runs could mix; choose an --output on "
      "another, or have it mounted with locks (flock)",
      output, std::strerror(reason));
}

OutputLock::OutputLock(const std::string& output) {
  std::error_code failure;
  std::filesystem::create_directories(output, failure);
  const std::string path = (std::filesystem::path(output) / ".lock").string();
  fd_ = failure ? -1 : open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
  if (fd_ < 0) {
    throw error("{}: cannot be written ({}); check its permissions or choose another --output",
                output, failure ? failure.message() : std::strerror(errno));
  }
  if (const int reason = lock(fd_); reason != 0) {
    const std::string holder = read_holder(fd_);
    close(fd_);
    throw Error(lock_refusal(output, reason, holder));
  }
  write_holder(fd_);
}

OutputLock::~OutputLock() { close(fd_); }

}  // namespace longreach::harness
