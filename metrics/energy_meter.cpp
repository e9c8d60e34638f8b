// The counters of energy_meter.h.
#include "metrics/energy_meter.h"

#include <fstream>
#include <string>
#include <system_error>

namespace longreach::metrics {
namespace {

template <class T>
std::optional<T> first_in(const std::filesystem::path& file) {
  std::ifstream in(file);
  T value{};
  if (in >> value) return value;
  return std::nullopt;
}

/// Zones are "intel-rapl:0" (AMD's too), their parts "intel-rapl:0:0". "intel-rapl-mmio:0" counts a
/// package a second time, and the zone "psys" the whole machine.
bool is_package(const std::filesystem::path& zone) {
  const std::string folder = zone.filename().string();
  if (!folder.starts_with("intel-rapl:")) return false;
  return first_in<std::string>(zone / "name").value_or("").starts_with("package");
}

}  // namespace

std::optional<EnergyMeter> EnergyMeter::open(const std::filesystem::path& root) {
  EnergyMeter meter;
  std::error_code missing;
  for (const auto& entry : std::filesystem::directory_iterator(root, missing)) {
    const std::filesystem::path& zone = entry.path();
    if (!is_package(zone)) continue;
    const auto now = first_in<double>(zone / "energy_uj");
    if (!now) return std::nullopt;  // a sum without one of them is no energy
    const double range = first_in<double>(zone / "max_energy_range_uj").value_or(0);
    meter.counters_.push_back({zone / "energy_uj", range, *now});
  }
  if (meter.counters_.empty()) return std::nullopt;
  return meter;
}

std::optional<double> EnergyMeter::joules() {
  for (Counter& counter : counters_) {
    const auto now = first_in<double>(counter.file);
    if (!now) return std::nullopt;
    double drawn = *now - counter.last;
    if (drawn < 0) {
      if (counter.range <= 0) return std::nullopt;
      drawn += counter.range;
    }
    microjoules_ += drawn;
    counter.last = *now;
  }
  return microjoules_ / 1e6;
}

}  // namespace longreach::metrics
