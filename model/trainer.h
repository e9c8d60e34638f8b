// AdamW, its schedule and the training loop.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "model/processes.h"
#include "model/transformer.h"

namespace longreach::model {

/// Loss = sum of weights[i] * cross-entropy(targets[i]) / sum of weights.
struct Batch {
  i64 batch = 0, tokens = 0;
  std::vector<Token> inputs, targets;  ///< [batch, tokens]
  std::vector<float> weights;          ///< [batch, tokens]
  std::vector<float> repeats{};        ///< [batch, tokens], or empty: as attention::Chunk::repeats
};

struct TrainParams {
  i64 steps = 600;
  double lr = 3e-3;
  double weight_decay = 0.01;
  double beta1 = 0.9, beta2 = 0.98;
  i64 warmup = 50;
  double final_lr = 0.05;  ///< share of lr at the end of the cosine
  double clip = 1.0;       ///< global gradient norm
  i64 batch_tokens = 4096;
  // Not fields:
  i64 recompute = 0;      ///< as for batch_loss(); changes nothing but rounding
  i64 backends_only = 0;  ///< in the first steps only the backends' own parameters (gates) learn
  void fields(Fields&);
};

/// Learning rate at a step: linear warm-up from lr / warmup, then cosine to final_lr * lr.
double learning_rate(const TrainParams&, i64 step);

/// Loshchilov & Hutter 2019 (arXiv 1711.05101), decoupled decay, bias-corrected.
class AdamW {
 public:
  AdamW(std::span<const Parameter> parameters, const TrainParams&);
  /// One update with learning rate `lr`; per parameter scale and decay as declared.
  /// With `backends_only`, of the backends' own parameters alone.
  void step(double lr, std::span<float> weights, std::span<const float> grad,
            bool backends_only = false);

  /// All it remembers from step to step: running means of the gradient and of its square, laid out
  /// as the weights.
  struct Moments {
    std::span<const float> first, second;
  };
  Moments moments() const { return {first_, second_}; }
  void restore(i64 steps, std::span<const float> first, std::span<const float> second);

 private:
  std::vector<Parameter> parameters_;
  TrainParams params_;
  i64 count_ = 0;
  Floats first_, second_;
};

struct StepReport {
  i64 step = 0;  ///< 0-based
  double loss = 0, lr = 0, gradient_norm = 0;
  i64 tokens = 0;       ///< so far
  double seconds = 0;   ///< so far
  i64 tape_bytes = 0;   ///< ModelTape::bytes() of the longest chunk
  i64 state_bytes = 0;  ///< of the states kept where chunks begin
};

/// Mean loss of one batch; adds its gradient to `grad` when that is not empty. The batch is one
/// chunk with a tape; with `recompute` > 0 it is chunks of as many tokens of each stream, the state
/// before each is kept (one for all where the backend appends()), and the tape and logits of one
/// chunk at a time are made again on the way back: the same gradient up to rounding, for one more
/// forward pass. Throws Error for a batch whose parts differ in size or whose repeats are not
/// positive.
double batch_loss(const Transformer&, const Batch&, std::span<float> grad, i64 recompute = 0);

/// A training run between two steps. Saved and loaded there, it goes on to the same bits.
class Trainer {
 public:
  struct Workspace;  ///< what a step needs, kept from one step to the next

  /// Trains `model` in place. With `processes`, each of them has a trainer of an equal model, and
  /// all take every step together. Model and processes must outlive the trainer.
  Trainer(Transformer& model, const TrainParams&, Processes& processes = Processes::alone());
  ~Trainer();
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  const Transformer& model() const { return model_; }
  i64 steps_done() const { return steps_; }
  bool done() const { return steps_ >= params_.steps; }

  /// The next step. Among several processes `batch` is this one's part of the step's, of no streams
  /// perhaps; loss, gradient and tokens are those of the whole. Throws Error with its number when
  /// the loss or the gradient is not finite; the weights are then those before it.
  StepReport step(const Batch&);

  /// Weights, moments, counts and time, in one file that replaces `path` whole; `notes` are kept
  /// with them. Throws Error with the system's reason.
  void save(const std::string& path, const std::map<std::string, std::string>& notes) const;
  /// Takes all of it back and returns the notes. Throws Error naming the file, and leaves the
  /// trainer as it was, unless it is the whole checkpoint of such a model.
  std::map<std::string, std::string> load(const std::string& path);

 private:
  double loss_and_gradient(const Batch&);

  Transformer& model_;
  TrainParams params_;
  Processes& processes_;
  AdamW optimizer_;
  std::unique_ptr<Workspace> workspace_;
  Floats grad_;
  i64 steps_ = 0, tokens_ = 0;
  double seconds_before_ = 0;  ///< of the runs that this one goes on from
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double seconds() const;
};

/// All steps. `next(step)` yields that step's batch; `report` is called after each and may be
/// empty.
void train(Transformer&, const TrainParams&, const std::function<Batch(i64 step)>& next,
           const std::function<void(const StepReport&)>& report);

}  // namespace longreach::model
