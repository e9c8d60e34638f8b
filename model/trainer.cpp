// The training loop.
#include "model/trainer.h"

#include <chrono>
#include <cmath>

#include "core/error.h"
#include "core/vector_math.h"
#include "model/loss.h"

namespace longreach::model {
namespace {

/// What a step needs, kept from one step to the next.
struct Workspace {
  ModelTape tape;
  Floats logits;
};

void validate(const Batch& batch) {
  const std::size_t size = static_cast<std::size_t>(batch.batch * batch.tokens);
  if (size == 0 || batch.inputs.size() != size || batch.targets.size() != size ||
      batch.weights.size() != size) {
    throw error("a batch of {} x {} tokens has {} inputs, {} targets and {} weights", batch.batch,
                batch.tokens, batch.inputs.size(), batch.targets.size(), batch.weights.size());
  }
  if (!batch.repeats.empty() && batch.repeats.size() != size) {
    throw error("a batch of {} x {} tokens has {} repeats; give one a token, or none", batch.batch,
                batch.tokens, batch.repeats.size());
  }
  for (const float times : batch.repeats) {
    if (!(times > 0 && std::isfinite(times))) {
      throw error("a token that counts {} times; the repeats of a batch are positive", times);
    }
  }
}

double batch_loss(const Transformer& model, const Batch& batch, std::span<float> grad,
                  Workspace& workspace) {
  validate(batch);
  const i64 vocabulary = model.architecture().vocabulary;
  const i64 rows = batch.batch * batch.tokens;
  const std::array<i64, 2> extents{batch.batch, batch.tokens};
  const View<const Token, 2> inputs(batch.inputs.data(), extents);
  View<const float, 2> repeats;
  if (!batch.repeats.empty()) repeats = {batch.repeats.data(), extents};
  workspace.logits.resize(static_cast<std::size_t>(rows * vocabulary));
  const View<float, 3> logits(workspace.logits.data(), {batch.batch, batch.tokens, vocabulary});
  const bool learns = !grad.empty();

  StreamState state = model.initial_state(batch.batch, batch.tokens);
  model.forward(inputs, state, logits, learns ? &workspace.tape : nullptr, repeats);
  const double loss = cross_entropy(MutableMatrix(logits.data(), rows, vocabulary), batch.targets,
                                    batch.weights, learns ? Gradient::in_place : Gradient::none);
  if (!learns) return loss;
  StreamState d_state = state.zero_like();  // nothing comes after the batch
  model.backward(inputs, workspace.tape, logits, d_state, grad, repeats);
  return loss;
}

/// Euclidean norm, summed in float64.
double norm(std::span<const float> values) {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * static_cast<double>(value);
  return std::sqrt(sum);
}

/// The name of the first parameter whose gradient is not finite.
std::string first_not_finite(const Transformer& model, std::span<const float> grad) {
  for (const Parameter& parameter : model.parameters()) {
    for (i64 i = parameter.offset; i < parameter.offset + parameter.size; ++i) {
      if (!std::isfinite(grad[static_cast<std::size_t>(i)])) return parameter.name;
    }
  }
  return "";
}

}  // namespace

double batch_loss(const Transformer& model, const Batch& batch, std::span<float> grad) {
  Workspace workspace;
  return batch_loss(model, batch, grad, workspace);
}

void train(Transformer& model, const TrainParams& params,
           const std::function<Batch(i64 step)>& next,
           const std::function<void(const StepReport&)>& report) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  AdamW optimizer(model.parameters(), params);
  Workspace workspace;
  Floats grad(model.weights().size());
  i64 tokens = 0;
  for (i64 step = 0; step < params.steps; ++step) {
    const Batch batch = next(step);
    std::ranges::fill(grad, 0.0f);
    double loss = 0;
    try {
      loss = batch_loss(model, batch, grad, workspace);
    } catch (const Error& problem) {
      throw error("training step {}: {}", step, problem.what());
    }
    const double length = norm(grad);
    if (!std::isfinite(loss) || !std::isfinite(length)) {
      const std::string name = first_not_finite(model, grad);
      throw error("training step {}: {} is not finite; a lower lr or a smaller clip may do", step,
                  name.empty() ? "the loss" : "the gradient of " + name);
    }
    if (params.clip > 0 && length > params.clip) {
      scale(static_cast<float>(params.clip / length), grad.data(), static_cast<i64>(grad.size()));
    }
    const double lr = learning_rate(params, step);
    optimizer.step(lr, model.weights(), grad);
    tokens += batch.batch * batch.tokens;
    if (report) {
      const std::chrono::duration<double> seconds = Clock::now() - start;
      report({step, loss, lr, length, tokens, seconds.count()});
    }
  }
}

}  // namespace longreach::model
