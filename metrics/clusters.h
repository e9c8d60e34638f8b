// Samples put together into independent units.
#pragma once

#include <map>
#include <string>

#include "metrics/estimate.h"

namespace longreach::metrics {

/// Numbers units in the order in which their first sample comes: those of one cluster are one,
/// those of cluster "" each their own.
class Clusters {
 public:
  std::size_t unit_of(const std::string& cluster) {
    if (cluster.empty()) return count_++;
    const auto [found, added] = units_.emplace(cluster, count_);
    if (added) ++count_;
    return found->second;
  }
  i64 count() const { return static_cast<i64>(count_); }

 private:
  std::map<std::string, std::size_t> units_;
  std::size_t count_ = 0;
};

/// Sums values into units, whose sizes are numbers of values; they are called clusters as soon as
/// one has several. Views the units, empty at first.
class ClusteredUnits {
 public:
  explicit ClusteredUnits(Units& units) : units_(units) {}
  void add(const std::string& cluster, double value) {
    const std::size_t unit = clusters_.unit_of(cluster);
    if (unit == units_.amounts.size()) {
      units_.add(0, 0);
    } else {
      units_.name = "clusters";
    }
    units_.amounts[unit] += value;
    ++units_.sizes[unit];
  }

 private:
  Units& units_;
  Clusters clusters_;
};

}  // namespace longreach::metrics
