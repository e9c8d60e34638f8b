// Joins a dataset and the trainer: which samples each step sees, and what the training showed.
#pragma once

#include <functional>

#include "datasets/dataset.h"
#include "harness/config.h"
#include "metrics/metric.h"

namespace longreach::harness {

/// Tokens of a step's samples: log-uniform between `shortest` and a longest that rises linearly
/// from `shortest` to `length` over the first `ramp` share of the steps; multiples of 64 unless
/// that falls under `shortest`.
i64 sample_length(const Training&, i64 step, const Rng&);

/// The most times over that a segment of filler counts at a step: 1 before virtual repetition
/// begins, its `most` at the end of its ramp.
double most_repeats(const VirtualRepetition&, i64 step, i64 steps);

/// The samples of one step, max(1, batch_tokens / length) of them, no two steps sharing a number:
/// inputs tokens[0, T - 1), targets tokens[1, T), weights those of predicting the targets.
/// `segment` > 0 is that of the model's compressive memory: with virtual repetition, repeats of one
/// whole segment of a sample's filler are then log-uniform up to most_repeats(), all others 1.
/// Samples are the same without.
model::Batch make_batch(const Training&, const datasets::Dataset&, i64 step, i64 segment,
                        const Rng&);

/// Trains in place with learning rate `lr`; `segment` as for make_batch(); `progress` gets the
/// share done. Measurements:
/// training/loss (mean of the last 5 % of steps) and training/tokens_per_second. Curves of at most
/// kCurvePoints averaged points: training/loss by tokens, training/loss_by_time by seconds.
Findings train_model(model::Transformer&, const Training&, double lr, i64 segment,
                     const datasets::Dataset&, const metrics::Statistics&, const Rng&,
                     const std::function<void(double)>& progress);

inline constexpr i64 kCurvePoints = 200;

}  // namespace longreach::harness
