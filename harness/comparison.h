// Paired differences from the baseline backend, derived from stored samples.
#pragma once

#include "harness/config.h"
#include "harness/store.h"

namespace longreach::harness {

/// For every other backend's cell and each score that its samples share with the baseline's cell of
/// the same task, model, seed, rate and length: a record whose metric is
/// "<task metric>/<score>_difference", its value the mean of (backend - baseline) over samples
/// paired by their hash, with a paired bootstrap interval. p is exact McNemar's for scores that are
/// 0 or 1, else the paired bootstrap's; adjusted (Holm) over the backends, lengths, seeds and rates
/// of one task, model and score. It is told in `subtask` ("p_holm=0.0123") and `ci_method`.
///
/// Nothing when no cell is marked as baseline.
std::vector<Record> compare_to_baseline(const Stored&, const StatisticsChoice&, i64 seed);

}  // namespace longreach::harness
