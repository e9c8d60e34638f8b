// Comparisons with the baseline backend, derived from stored samples.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "harness/config.h"
#include "harness/measured.h"

namespace longreach::harness {

/// For every other backend's cell and each score that its samples share with the baseline's cell of
/// the same task, model, seed, rate and length:
///
/// - "<task metric>/<score>_difference": paired_difference(), which is the difference of the pooled
///   values where all samples pair. p_adjusted: Holm's over the backends, lengths, seeds and rates
///   of one task, model and score; empty when the correction is `none`. Without depth.
/// - the same at each depth for which the score has a measurement. These make up a heatmap, so
///   p_adjusted is Benjamini and Hochberg's over its depths and lengths, always.
/// - "<task metric>/<score>_ratio": time_ratio(), where both cells were timed by the same protocol,
///   build, flags and threads on the same machine. A ratio, since machines scale all times alike
///   and a difference in ms says nothing across lengths. Holm as above.
///
/// Nothing when no cell is marked as baseline.
std::vector<Derived> compare_to_baseline(std::span<const Measured>, const StatisticsChoice&,
                                         i64 seed);

/// One test with the family that it is adjusted in.
struct Comparison {
  Derived derived;
  std::string family;
  bool heatmap = false;
};

/// The first half of compare_to_baseline(): whatever is not of one task, model, seed and rate may
/// be compared apart.
std::vector<Comparison> comparisons(std::span<const Measured>, const StatisticsChoice&, i64 seed);

/// The second half: all comparisons of a store, with p_adjusted.
std::vector<Derived> adjusted(std::vector<Comparison>, Correction);

}  // namespace longreach::harness
