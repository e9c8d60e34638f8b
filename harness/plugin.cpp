// Shared libraries given with --plugin.
#include "harness/plugin.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <dlfcn.h>
#include <elf.h>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "attention/backend.h"
#include "core/error.h"
#include "core/plugin.h"
#include "core/sha256.h"
#include "datasets/dataset.h"
#include "metrics/metric.h"
#include "reports/report.h"

namespace longreach::harness {
namespace {

/// Calls body(registry) for each.
template <class Body>
void each_registry(const Body& body) {
  body(attention::AttentionRegistry::instance());
  body(metrics::MetricRegistry::instance());
  body(datasets::DatasetRegistry::instance());
  body(reports::ReportRegistry::instance());
}

/// The first registration that clashed with an earlier one, or "".
std::string first_problem() {
  std::string first;
  each_registry([&first](const auto& registry) {
    if (first.empty() && !registry.problems().empty()) first = registry.problems()[0];
  });
  return first;
}

std::string read_bytes(const std::string& path) {
  std::error_code failure;
  if (!std::filesystem::is_regular_file(path, failure)) {
    throw error("{}: is no regular file; --plugin takes a shared library", path);
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) throw error("{}: cannot be read ({})", path, std::strerror(errno));
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Every stamp in a file: one, or one of each compiled source whose copy the linker kept.
std::vector<PluginStamp> stamps_in(std::string_view bytes) {
  std::vector<PluginStamp> stamps;
  const std::string_view mark(kPluginStamp.mark.data(), kPluginStamp.mark.size());
  for (std::size_t at = 0; (at = bytes.find(mark, at)) != std::string_view::npos; ++at) {
    if (bytes.size() - at < sizeof(PluginStamp)) break;
    std::memcpy(&stamps.emplace_back(), bytes.data() + at, sizeof(PluginStamp));
  }
  return stamps;
}

std::string runtime_of(const PluginStamp& stamp) {
  return {stamp.runtime.begin(), std::find(stamp.runtime.begin(), stamp.runtime.end(), '\0')};
}

void require_fitting(const std::string& path, std::string_view bytes) {
  if (!bytes.starts_with(ELFMAG)) {
    throw error("{}: is no shared library, which is what --plugin takes", path);
  }
  const std::vector<PluginStamp> stamps = stamps_in(bytes);
  if (stamps.empty()) {
    throw error(
        "{}: is no Longreach plugin, or one from before plugins were stamped; build it against the "
        "headers "
        "that came with this program (core/plugin.h stamps it)",
        path);
  }
  for (const PluginStamp& stamp : stamps) {
    if (stamp.abi != kPluginAbi) {
      throw error(
          "{}: was built for plugin ABI {}, this program has {}; build it again, against the "
          "headers that came with this program",
          path, stamp.abi, kPluginAbi);
    }
    if (const std::string runtime = runtime_of(stamp); runtime != kRuntime) {
      throw error("{}: was built with {}, this program with {}; build it again, the same way", path,
                  runtime, kRuntime);
    }
  }
}

void load(const std::string& path) {
  const std::string bytes = read_bytes(path);
  require_fitting(path, bytes);
  const std::string sha = sha256(bytes);
  each_registry([&sha](auto& registry) { registry.set_plugin(sha); });
  if (dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) == nullptr) {
    std::string_view reason = dlerror();
    if (const std::string place = path + ": "; reason.starts_with(place)) {
      reason.remove_prefix(place.size());
    }
    throw error(
        "{}: cannot be loaded ({}); link what it needs into it, or build it again, against "
        "the headers that came with this program",
        path, reason);
  }
  each_registry([](auto& registry) { registry.set_plugin(""); });
  if (const std::string problem = first_problem(); !problem.empty()) {
    throw error("{}: {}; give the plugin's another name", path, problem);
  }
  bool any = false;
  each_registry([&](const auto& registry) {
    for (const auto& [name, entry] : registry.entries()) any = any || entry.plugin == sha;
  });
  if (!any) throw error("{}: registers nothing; see Registered in core/registry.h", path);
}

}  // namespace

std::vector<std::string> load_plugins(const std::vector<std::string>& paths) {
  if (const std::string problem = first_problem(); !problem.empty()) throw Error(problem);
  std::vector<std::string> loaded;
  for (const std::string& path : paths) {
    std::error_code failure;
    const std::string whole = std::filesystem::canonical(path, failure).string();
    if (failure) {
      throw error("{}: {}; --plugin takes the path of a shared library", path.empty() ? "''" : path,
                  failure.message());
    }
    if (std::ranges::find(loaded, whole) != loaded.end()) continue;
    load(whole);
    loaded.push_back(whole);
  }
  return loaded;
}

std::string plugin_sha(const std::string& path) { return sha256(read_bytes(path)); }

}  // namespace longreach::harness
