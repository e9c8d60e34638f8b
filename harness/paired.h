// What two cells found of the same samples, or of the same work timed: differences and ratios.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/random.h"
#include "harness/config.h"
#include "harness/measured.h"

namespace longreach::harness {

/// The mean of (cell - base) of a score over samples paired by their hash, the n-th occurrence of a
/// hash with the n-th, of all depths or of one; samples of one cluster are one unit. Without
/// p_adjusted. Nothing where fewer than two units pair. `against` names the base in ci_method. The
/// cell has a measurement of the score.
///
/// Interval: paired bootstrap over units; where they all differ alike in a score between 0 and 1,
/// Wilson's bound on the share that would not. data_sha: of what was paired. p_value: exact
/// McNemar's for scores that are 0 or 1 and independent, else sign_flip_p's. detectable: of a test
/// at the level of one comparison; empty when the differences do not vary. Exchanging the cells,
/// whose samples come in one order, turns the signs around and keeps p.
std::optional<Measurement> paired_difference(const Measured& cell, const Measured& base,
                                             const std::string& score, std::optional<double> depth,
                                             std::string_view against, const StatisticsChoice&,
                                             Rng);

/// How many times as long the cell's repetitions of a timing take as the base's (1 = as long):
/// Hodges and Lehmann's estimate with the interval that belongs to Mann and Whitney's p_value.
/// Without p_adjusted. Nothing where the score is no time or either has fewer than two repetitions.
/// The repetitions are of two processes, so the test tells those apart, not what other processes
/// would have had. Whether the two may be compared is the caller's to say. The cell has a
/// measurement of the score.
std::optional<Measurement> time_ratio(const Measured& cell, const Measured& base,
                                      const std::string& score, std::string_view against,
                                      const StatisticsChoice&);

/// Whether a unit is one of time: "ms", "ms/token".
bool is_time(std::string_view unit);

}  // namespace longreach::harness
