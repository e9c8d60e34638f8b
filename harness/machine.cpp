// The machine this program runs on.
#include "harness/machine.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <gnu/libc-version.h>
#include <omp.h>
#include <sched.h>
#include <string_view>
#include <sys/utsname.h>
#include <unistd.h>

#include "core/error.h"
#include "core/sha256.h"
#include "core/vector_math.h"

extern char** environ;

namespace longreach::harness {
namespace {

namespace fs = std::filesystem;

const fs::path kProcessors = "/sys/devices/system/cpu";

/// The first line of a file; "" when it cannot be read.
std::string first_line(const fs::path& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

std::string cpu_name() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

/// Processors in a kernel's list: "0-3,8" has 5.
i64 count_in(const std::string& list) {
  i64 count = 0;
  for (std::size_t at = 0; at < list.size();) {
    std::size_t used = 0;
    const i64 first = std::stoll(list.substr(at), &used);
    at += used;
    i64 last = first;
    if (at < list.size() && list[at] == '-') {
      last = std::stoll(list.substr(at + 1), &used);
      at += 1 + used;
    }
    count += last - first + 1;
    ++at;  // the comma
  }
  return count;
}

std::vector<std::string> caches() {
  std::vector<std::string> found;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(kProcessors / "cpu0/cache", none)) {
    const std::string size = first_line(entry.path() / "size");
    if (size.empty()) continue;
    std::string text = fmt::format("L{} {} {}", first_line(entry.path() / "level"),
                                   first_line(entry.path() / "type"), size);
    const i64 sharers = count_in(first_line(entry.path() / "shared_cpu_list"));
    if (sharers > 1) text += fmt::format(" shared by {}", sharers);
    found.push_back(std::move(text));
  }
  std::ranges::sort(found);  // a folder's order is no one's
  return found;
}

std::string kernel_name() {
  utsname name{};
  if (uname(&name) != 0) return "unknown";
  return fmt::format("{} {} {}", name.sysname, name.release, name.machine);
}

Machine ask() {
  Machine machine;
  machine.cpu = cpu_name();
  machine.isa = vector_isa();
  machine.cores = std::max<i64>(1, sysconf(_SC_NPROCESSORS_ONLN));
  machine.caches = caches();
  machine.memory_bytes = static_cast<i64>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  machine.kernel = kernel_name();
  machine.libc = fmt::format("glibc {}", gnu_get_libc_version());
  machine.fingerprint = sha256(fingerprint_text(machine)).substr(0, 16);
  return machine;
}

/// Settings that change speed or rounding; nothing else of the environment is told to anyone.
bool matters(std::string_view setting) {
  constexpr std::array<std::string_view, 6> kPrefixes{"OMP_",    "GOMP_",           "KMP_",
                                                      "MALLOC_", "GLIBC_TUNABLES=", "LD_PRELOAD="};
  return std::ranges::any_of(kPrefixes,
                             [&](std::string_view prefix) { return setting.starts_with(prefix); });
}

}  // namespace

const Machine& this_machine() {
  static const Machine machine = ask();
  return machine;
}

std::string fingerprint_text(const Machine& machine) {
  const double gib = static_cast<double>(machine.memory_bytes) / (1 << 30);
  return fmt::format("cpu: {}, isa: {}, cores: {}, caches: [{}], memory: {:.0f} GiB", machine.cpu,
                     machine.isa, machine.cores, fmt::join(machine.caches, ", "), gib);
}

Circumstances circumstances() {
  Circumstances now;
  now.governor = first_line(kProcessors / "cpu0/cpufreq/scaling_governor");
  if (now.governor.empty()) now.governor = "unknown";
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0) {
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &allowed)) now.affinity.push_back(cpu);
    }
  }
  now.threads = omp_get_max_threads();
  for (char** each = environ; *each; ++each) {
    const std::string_view setting = *each;
    const std::size_t equals = setting.find('=');
    if (equals == std::string_view::npos || !matters(setting)) continue;
    now.environment.emplace(setting.substr(0, equals), setting.substr(equals + 1));
  }
  return now;
}

}  // namespace longreach::harness
