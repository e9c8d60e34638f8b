// Which samples each step of a training sees, and on which its loss is compared.
#pragma once

#include <vector>

#include "datasets/dataset.h"
#include "harness/config.h"
#include "model/trainer.h"

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
/// Samples are the same without. Of `parts` processes the one of number `part` gets an equal share
/// of the streams, of none when they are too few.
model::Batch make_batch(const Training&, const datasets::Dataset&, i64 step, i64 segment,
                        const Rng&, i64 part = 0, i64 parts = 1);

/// A sample that training reads at one of its steps, and a held-out one of the same length, by
/// their numbers.
struct ScoredPair {
  i64 seen, held_out, length;
  datasets::Split split;  ///< that of the held-out one
};

/// What the loss is compared on: up to 32 pairs, of steps evenly spread over the training and of
/// different held-out samples of the same part of the data (Dataset::part()); one for each step
/// when there are fewer, and none when the data holds out none of the training's length. Of text
/// the held-out is Split::test; of generators it is samples of Split::train that no step reads,
/// since those for testing may be of another kind (passkey's keys are never near there), which
/// would pass for a gap.
std::vector<ScoredPair> scored_pairs(const Training&, const datasets::Dataset&, const Rng&);

}  // namespace longreach::harness
