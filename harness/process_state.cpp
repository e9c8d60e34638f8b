// What the kernel tells of processes, from /proc and the control groups of both versions.
#include "harness/process_state.h"

#include <algorithm>
#include <fmt/format.h>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

namespace longreach::harness {
namespace {

/// What follows "key" and blanks in a file of such lines; 0 when there is none.
i64 value_in(const std::string& path, const std::string& key) {
  std::ifstream in(path);
  for (std::string word; in >> word;) {
    i64 value = 0;
    if (word == key && in >> value) return value;
    in.clear();
  }
  return 0;
}

/// utime + stime of /proc/PID/stat. The program's name before them may hold anything but ends at
/// the last parenthesis.
std::optional<i64> cpu_ticks(pid_t pid) {
  std::ifstream in(fmt::format("/proc/{}/stat", pid));
  std::string line;
  if (!std::getline(in, line)) return std::nullopt;
  std::istringstream fields(line.substr(std::min(line.size(), line.rfind(')') + 1)));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  i64 user = 0, system = 0;
  if (!(fields >> user >> system)) return std::nullopt;
  return user + system;
}

/// Folders of the control groups that hold this process's memory, its own and those around it.
std::vector<std::string> memory_groups() {
  std::vector<std::string> folders;
  std::ifstream in("/proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controller = line.substr(first + 1, second - first - 1);
    std::string root;
    if (controller.empty()) root = "/sys/fs/cgroup";
    if (controller == "memory") root = "/sys/fs/cgroup/memory";
    if (root.empty()) continue;
    // In a container the path may be the host's: then only the root is there.
    for (std::string path = line.substr(second + 1); path.size() > 1;
         path = path.substr(0, path.rfind('/'))) {
      folders.push_back(root + path);
    }
    folders.push_back(root);
  }
  return folders;
}

}  // namespace

std::optional<ProcessState> process_state(pid_t pid) {
  const std::optional<i64> ticks = cpu_ticks(pid);
  if (!ticks) return std::nullopt;
  const std::string status = fmt::format("/proc/{}/status", pid);
  return ProcessState{.resident = value_in(status, "VmRSS:") * 1024,
                      .peak_resident = value_in(status, "VmHWM:") * 1024,
                      .cpu_ticks = *ticks};
}

i64 available_memory() {
  i64 least = static_cast<i64>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  for (const std::string& folder : memory_groups()) {
    for (const char* file : {"/memory.max", "/memory.limit_in_bytes"}) {
      std::ifstream in(folder + file);
      i64 limit = 0;
      if (in >> limit && limit > 0) least = std::min(least, limit);  // "max" is no number
    }
  }
  return least;
}

i64 out_of_memory_kills() {
  i64 most = value_in("/proc/vmstat", "oom_kill");
  for (const std::string& folder : memory_groups()) {
    most = std::max(most, value_in(folder + "/memory.events", "oom_kill"));
    most = std::max(most, value_in(folder + "/memory.oom_control", "oom_kill"));
  }
  return most;
}

void limit_address_space(i64 memory) {
#if !defined(__SANITIZE_ADDRESS__)  // whose shadow alone takes terabytes of address space
  constexpr i64 kFactor = 2, kMore = i64{8} << 30;
  if (memory <= 0) return;
  const auto bytes = static_cast<rlim_t>(kFactor * memory + kMore);
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur < bytes) return;
  limit.rlim_cur = bytes;
  setrlimit(RLIMIT_AS, &limit);
#else
  static_cast<void>(memory);
#endif
}

}  // namespace longreach::harness
