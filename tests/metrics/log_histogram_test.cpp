// Tests metrics/log_histogram.cpp.
#include "metrics/log_histogram.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "core/random.h"

namespace longreach::metrics {
namespace {

TEST_CASE("Percentiles of a histogram are the sorted values' to half a bin") {
  const double resolution = std::exp2(1.0 / 128) * (1 + 1e-12);
  for (const i64 count : {1, 2, 9, 10, 1000}) {
    LogHistogram histogram;
    std::vector<double> values;
    Rng rng(17);
    for (i64 i = 0; i < count; ++i) {
      values.push_back(std::exp(4 * rng.normal() - 6));  // over ten powers of ten
      histogram.add(values.back());
    }
    std::sort(values.begin(), values.end());
    CHECK(histogram.count() == count);
    for (const double share : {0.001, 0.5, 0.9, 0.99, 1.0}) {
      // Nearest rank, counted from 1: of ten values the median is the fifth.
      const double rank = std::ceil(share * static_cast<double>(count));
      const double exact = values[static_cast<std::size_t>(rank) - 1];
      const double found = histogram.percentile(share);
      INFO(count << " values, share " << share << ": " << exact << " and " << found);
      CHECK(found <= exact * resolution);
      CHECK(found >= exact / resolution);
    }
  }
}

TEST_CASE("What is 0 or too small for a bin counts as 0, what is too large as the largest") {
  LogHistogram histogram;
  for (const double value : {0.0, 1e-19, 0.0, 1.0, 1e9}) histogram.add(value);
  CHECK(histogram.percentile(0.6) == 0);
  CHECK(histogram.percentile(0.61) == Approx(1).epsilon(0.006));
  CHECK(histogram.percentile(1) == Approx(std::exp2(20)).epsilon(0.006));
}

}  // namespace
}  // namespace longreach::metrics
