// Effective length: up to where a score holds as contexts grow.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "core/random.h"
#include "metrics/estimate.h"
#include "metrics/metric.h"

namespace longreach::metrics {

/// What a score must reach at a length. A score that is no better than chance never holds.
struct LengthThreshold {
  double value = 0.85;   ///< as NoLiMa has it (Modarressi et al. 2025, arXiv 2502.05167)
  bool relative = true;  ///< a share of the score at the shortest length, else the score itself
  double chance = 0;
};

/// Scores at one context length: independent units, each with its sum of scores between 0 and 1 and
/// their number.
struct LengthScores {
  i64 length = 0;
  Units units;
};

struct EffectiveLength {
  std::optional<i64> length;  ///< empty: not even the shortest length holds
  i64 low = 0, high = 0;      ///< the interval's ends; 0: not even the shortest length
  bool censored = false;      ///< the longest length tested still holds
};

/// The longest tested L such that the score holds at every tested L' <= L (RULER, Hsieh et al.
/// 2024, arXiv 2404.06654), with the expanded percentile bootstrap interval (by the fewest units
/// of a length) over the units of each length, the relative threshold drawn anew with them. Where
/// all units of a length score 0, or all 1, resampling would claim certainty: one opposite unit
/// joins the draw, which is the rule of three. Lengths ascending, at least one; units positive in
/// size and at least one a length.
EffectiveLength effective_length(std::span<const LengthScores>, const LengthThreshold&,
                                 const Statistics&, Rng);

}  // namespace longreach::metrics
