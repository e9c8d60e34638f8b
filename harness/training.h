// Trains a model on a dataset, and tells what the training showed.
#pragma once

#include <exception>
#include <functional>
#include <string>

#include "datasets/dataset.h"
#include "harness/config.h"
#include "metrics/metric.h"

namespace longreach::harness {

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
  i64 segment;  ///< as for make_batch() of training_samples.h
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
