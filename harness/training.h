// Joins a dataset and the trainer: which samples each step sees, and what the training showed.
#pragma once

#include <exception>
#include <functional>
#include <string>

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

/// One step for people to see.
struct StepLine {
  model::StepReport report;
  i64 steps = 0;  ///< of the whole training
  double tokens_per_second = 0;
  /// Model FLOP utilisation of this step: 3 x the forward pass's FLOP (Transformer::cost()) over
  /// the peak of float32 multiply-adds (metrics::fma_peak()) with as many threads.
  double mfu = 0;
  double left = 0;  ///< seconds, at the pace so far
};

/// What a caller may have done between steps.
struct TrainingWatch {
  std::function<void(const StepLine&)> step;
  std::function<bool()> stop;  ///< asked before each step: save a checkpoint and throw Interrupted
};

struct Interrupted : std::exception {
  const char* what() const noexcept override { return "interrupted"; }
};

struct TrainingRun {
  const Training& training;
  double lr;
  i64 segment;  ///< as for make_batch()
  const datasets::Dataset& data;
  metrics::Statistics statistics;
  Rng rng;
  /// Written every Training::checkpoint seconds, and gone on from when it is there; "" = none.
  std::string checkpoint;
  std::string id;  ///< says whose checkpoint it is: the cell's
  TrainingWatch watch;
  /// Who train it together; the first of them writes the checkpoint.
  model::Processes& processes = model::Processes::alone();
  /// Whether the weights before the first step mean something: held-out samples are then scored
  /// before it too.
  bool compares = false;
};

/// Trains in place. Measurements: training/loss (mean of the last 5 % of steps),
/// training/tokens_per_second, training/mfu, training/tape_bytes and training/state_bytes (those of
/// StepReport, of the step with most), training/gate_travel, training/held_out (loss of the
/// held-out samples of scored_pairs(), weighed as in training) and training/gap (that less the loss
/// of the samples seen, both after the last step: what was learnt of these alone; pairs with a
/// sample that weighs nothing are left out); with `compares` also training/held_out_before, on the
/// same samples; curves are History's and GateWatch's. Throws Error when a loss is not finite or
/// spikes (History::spike()), or the checkpoint is damaged or another's.
Findings train_model(model::Transformer&, const TrainingRun&);

inline constexpr i64 kCurvePoints = 200;

}  // namespace longreach::harness
