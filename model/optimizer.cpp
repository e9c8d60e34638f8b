// AdamW and its learning rate.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "model/trainer.h"

namespace longreach::model {

void TrainParams::fields(Fields& f) {
  f("steps", steps, between(1, 1e9), "updates of the weights");
  f("lr", lr, at_least(0), "highest learning rate");
  f("weight_decay", weight_decay, at_least(0), "decoupled decay of matrices");
  f("beta1", beta1, between(0, 0.9999999), "decay of the gradient's running mean");
  f("beta2", beta2, between(0, 0.9999999), "decay of the squared gradient's running mean");
  f("warmup", warmup, between(0, 1e9), "steps of linear warm-up");
  f("final_lr", final_lr, between(0, 1), "share of lr left at the end of the cosine");
  f("clip", clip, at_least(0), "largest global gradient norm; 0: no limit");
  f("batch_tokens", batch_tokens, between(1, 1 << 30, Unit::count), "tokens of a step");
}

double learning_rate(const TrainParams& params, i64 step) {
  if (step < params.warmup) {
    return params.lr * static_cast<double>(step + 1) / static_cast<double>(params.warmup);
  }
  const i64 rest = std::max<i64>(1, params.steps - params.warmup);
  const double progress =
      std::min(1.0, static_cast<double>(step - params.warmup + 1) / static_cast<double>(rest));
  const double share = 0.5 * (1 + std::cos(std::numbers::pi * progress));
  return params.lr * (params.final_lr + (1 - params.final_lr) * share);
}

AdamW::AdamW(std::span<const Parameter> parameters, const TrainParams& params)
    : parameters_(parameters.begin(), parameters.end()), params_(params) {
  i64 size = 0;
  for (const Parameter& parameter : parameters_) {
    size = std::max(size, parameter.offset + parameter.size);
  }
  first_.resize(static_cast<std::size_t>(size));
  second_.resize(static_cast<std::size_t>(size));
}

void AdamW::restore(i64 steps, std::span<const float> first, std::span<const float> second) {
  check(first.size() == first_.size() && second.size() == second_.size(),
        "moments of another model");
  count_ = steps;
  std::ranges::copy(first, first_.begin());
  std::ranges::copy(second, second_.begin());
}

void AdamW::step(double lr, std::span<float> weights, std::span<const float> grad,
                 bool backends_only) {
  check(weights.size() == first_.size() && grad.size() == first_.size(),
        "weights of another model");
  constexpr double kEpsilon = 1e-8;
  ++count_;
  const i64 early = std::min(count_, params_.backends_only);
  const float beta1 = static_cast<float>(params_.beta1),
              keep1 = static_cast<float>(1 - params_.beta1);
  const float beta2 = static_cast<float>(params_.beta2),
              keep2 = static_cast<float>(1 - params_.beta2);
  for (const Parameter& parameter : parameters_) {
    if (backends_only && !parameter.of_backend) continue;
    // Those that began to learn later have a warm-up and running means of their own age.
    const bool late = early > 0 && !parameter.of_backend;
    const double t = static_cast<double>(late ? count_ - early : count_);
    const double warm =
        late ? std::min(1.0, t / static_cast<double>(std::max<i64>(1, params_.warmup))) : 1;
    const double rate = warm * lr * parameter.learning_rate_scale;
    const float stride = static_cast<float>(rate / (1 - std::pow(params_.beta1, t)));
    const float root = static_cast<float>(1 / std::sqrt(1 - std::pow(params_.beta2, t)));
    const float keep = static_cast<float>(1 - (parameter.decays ? rate * params_.weight_decay : 0));
    const i64 end = parameter.offset + parameter.size;
#pragma omp parallel for simd schedule(static) if (parameter.size > 16384)
    for (i64 i = parameter.offset; i < end; ++i) {
      const std::size_t at = static_cast<std::size_t>(i);
      const float g = grad[at];
      const float m = first_[at] = beta1 * first_[at] + keep1 * g;
      const float v = second_[at] = beta2 * second_[at] + keep2 * g * g;
      weights[at] =
          keep * weights[at] - stride * m / (std::sqrt(v) * root + static_cast<float>(kEpsilon));
    }
  }
}

}  // namespace longreach::model
