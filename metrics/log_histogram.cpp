// The bins of log_histogram.h.
#include "metrics/log_histogram.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace longreach::metrics {

void LogHistogram::add(double value) {
  check(value >= 0, "a histogram of logarithms takes no negative values");
  ++total_;
  const double bin = std::floor((std::log2(value) - kLowest) * kBins);
  if (bin < 0) {
    ++zeros_;
  } else {
    const auto last = static_cast<double>(counts_.size() - 1);
    ++counts_[static_cast<std::size_t>(std::min(bin, last))];
  }
}

double LogHistogram::percentile(double share) const {
  check(total_ > 0 && 0 < share && share <= 1, "a percentile of something");
  const auto rank = static_cast<i64>(std::ceil(share * static_cast<double>(total_)));
  i64 seen = zeros_;
  if (rank <= seen) return 0;
  std::size_t bin = 0;
  for (seen += counts_[bin]; seen < rank; seen += counts_[bin]) ++bin;
  return std::exp2((static_cast<double>(bin) + 0.5) / kBins + kLowest);
}

}  // namespace longreach::metrics
