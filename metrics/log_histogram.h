// Percentiles of any number of values in constant memory.
#pragma once

#include <vector>

#include "core/tensor.h"

namespace longreach::metrics {

/// Counts values by their logarithm, kBins to each factor of two from 2^kLowest to 2^kHighest: a
/// percentile is off by at most the factor 2^(1 / (2 kBins)), 0.55%. What lies below (and 0) counts
/// as 0, what lies above as the highest bin's.
class LogHistogram {
 public:
  static constexpr i64 kBins = 64, kLowest = -60, kHighest = 20;

  LogHistogram() : counts_(static_cast<std::size_t>((kHighest - kLowest) * kBins)) {}
  /// value >= 0.
  void add(double value);
  i64 count() const { return total_; }
  /// By nearest rank: the least value that at least that share of the values does not exceed.
  /// 0 < share <= 1; at least one value.
  double percentile(double share) const;

 private:
  std::vector<i64> counts_;
  i64 zeros_ = 0, total_ = 0;
};

}  // namespace longreach::metrics
