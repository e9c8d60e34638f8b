// The energy that the processor packages have drawn, where the machine counts it.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

namespace longreach::metrics {

/// Reads the RAPL counters that Linux shows under powercap (Documentation/power/powercap): those of
/// whole packages, summed; all that runs on them is in it, and what they draw idle.
class EnergyMeter {
 public:
  static constexpr const char* kRoot = "/sys/class/powercap";

  /// nullopt where there is no such counter, or one that may not be read.
  static std::optional<EnergyMeter> open(const std::filesystem::path& root = kRoot);

  /// Joules since it was opened; nullopt once a counter can no longer be read. Counters begin again
  /// where their range ends, within minutes under load: asked less often than that, it misses some.
  std::optional<double> joules();

 private:
  struct Counter {
    std::filesystem::path file;
    double range;  ///< microjoules until it begins again; 0: not told
    double last;
  };
  std::vector<Counter> counters_;
  double microjoules_ = 0;
};

}  // namespace longreach::metrics
