// Recall horizon: how far back, in tokens or in compressions, answers are still right.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "core/random.h"
#include "metrics/metric.h"

namespace longreach::metrics {

/// One answer.
struct Recalled {
  double position = 0;  ///< of its evidence: tokens, or compressions, back from the answer
  double score = 0;     ///< between 0 and 1
  std::string cluster;  ///< answers of one cluster are not independent; "": a cluster of its own
};

struct RecallHorizon {
  /// Empty: the fit never falls below the level, or lies below it everywhere.
  std::optional<double> position;
  /// Expanded percentiles; an end is empty where that many resamples never fall below, or are below
  /// everywhere. Distances between two that were tested are not told apart: the ends are tested
  /// ones.
  std::optional<double> low, high;
  bool below = false;                ///< already at the nearest
  double nearest = 0, farthest = 0;  ///< positions tested
  i64 clusters = 0;
};

/// Where scores fall through `level`: of their never rising fit over log2(position + offset), at
/// the first tested position below the level, interpolated from the one before. Interval: bootstrap
/// over clusters. At least one answer; position + offset > 0.
RecallHorizon recall_horizon(std::span<const Recalled>, double level, double offset,
                             const Statistics&, Rng);

/// Buckets by powers of two: -1 is [0, 1), k is [2^k, 2^(k+1)). position >= 0.
int doubling_bucket(double position);
/// A bucket's geometric middle; 0 for [0, 1).
double doubling_middle(int bucket);

}  // namespace longreach::metrics
