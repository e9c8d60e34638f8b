// What only the cells of all context lengths together can tell: effective length, recall horizon.
#pragma once

#include <span>
#include <vector>

#include "harness/config.h"
#include "harness/measured.h"

namespace longreach::harness {

/// For each task, model, backend, seed and rate, and each score between 0 and 1 of which more is
/// better (exact_match, found, choice, accuracy, f1, rank, efficiency), from the samples of its
/// cells that are ok:
///
/// - "<metric>/effective_length" in tokens, from two lengths on (metrics/effective_length.h).
///   Without a value when the score does not hold at the shortest length; an interval that begins
///   at 0 begins below it. n: units at the length that has fewest. The threshold and the chance
///   level, which a score must exceed to hold, are in the protocol.
/// - of those but accuracy and efficiency, which are not of one answer, where samples have a
///   distance: "<metric>_by_distance", a row for each power of two with its middle as `distance`;
///   "<metric>/horizon" in tokens, where the score falls through one half
///   (metrics/recall_horizon.h), `distance` being the farthest tested. Without a value, which
///   ci_method explains, when that does not happen within the distances tested. No horizon for
///   scores that guessing alone brings to one half.
/// - where they have segments_crossed, the same by number of compressions:
///   "<metric>_by_compressions" with `segments_crossed`, and "<metric>/horizon_compressions".
///
/// Each stands with the cell of the longest context among them, so `context_length` is the longest
/// that went in.
std::vector<Derived> derive_across_lengths(std::span<const Measured>, const StatisticsChoice&,
                                           i64 seed);

}  // namespace longreach::harness
