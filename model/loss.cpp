// Softmax cross-entropy and its gradient, softmax - one-hot.
#include "model/loss.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "core/vector_math.h"
#include "model/layers.h"

namespace longreach::model {
namespace {

struct Exponentials {
  float largest;
  double sum;  ///< of exp(logit - largest)
};

Exponentials exponentials(std::span<const float> logits, float* scratch) {
  const i64 n = static_cast<i64>(logits.size());
  const float largest = max_of(logits.data(), n);
  if (scratch != logits.data()) std::ranges::copy(logits, scratch);
  exp_shifted(scratch, n, largest);
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (i64 i = 0; i < n; ++i) sum += static_cast<double>(scratch[i]);
  return {largest, sum};
}

void require_known(i64 vocabulary, std::span<const Token> targets, std::span<const float> weights) {
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] > 0 && (targets[i] < 0 || targets[i] >= vocabulary)) {
      throw error("target {} is token {}, outside the model's vocabulary of {}", i, targets[i],
                  vocabulary);
    }
  }
}

}  // namespace

double log_sum_exp(std::span<const float> logits, float* scratch) {
  const Exponentials e = exponentials(logits, scratch);
  return static_cast<double>(e.largest) + std::log(e.sum);
}

double sum_of_weights(std::span<const float> weights) {
  double sum = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (!(weights[i] >= 0) || !std::isfinite(weights[i])) {
      throw error("loss weight {} is {}; it must be finite and not negative", i, weights[i]);
    }
    sum += static_cast<double>(weights[i]);
  }
  return sum;
}

double cross_entropy(MutableMatrix logits, std::span<const Token> targets,
                     std::span<const float> weights, Gradient gradient,
                     std::optional<double> total) {
  check(static_cast<i64>(targets.size()) == logits.rows &&
            static_cast<i64>(weights.size()) == logits.rows,
        "one target and one weight for each row of logits");
  const i64 vocabulary = logits.columns;
  const double whole = total ? *total : sum_of_weights(weights);
  if (!(whole > 0)) throw error("every loss weight is 0: there is nothing to learn from");
  require_known(vocabulary, targets, weights);
  std::vector<double> losses(static_cast<std::size_t>(logits.rows));
#pragma omp parallel if (logits.rows >= kParallelRows)
  {
    Floats scratch(static_cast<std::size_t>(gradient == Gradient::none ? vocabulary : 0));
#pragma omp for schedule(static)
    for (i64 row = 0; row < logits.rows; ++row) {
      const std::size_t r = static_cast<std::size_t>(row);
      float* values = logits.data + row * logits.stride;
      if (weights[r] == 0) {
        if (gradient == Gradient::in_place) std::fill_n(values, vocabulary, 0.0f);
        continue;
      }
      const float wanted = values[targets[r]];
      const Exponentials e = exponentials({values, static_cast<std::size_t>(vocabulary)},
                                          gradient == Gradient::none ? scratch.data() : values);
      const double weight = static_cast<double>(weights[r]) / whole;
      losses[r] =
          weight * (static_cast<double>(e.largest) - static_cast<double>(wanted) + std::log(e.sum));
      if (gradient == Gradient::in_place) {
        scale(static_cast<float>(weight / e.sum), values, vocabulary);
        values[targets[r]] -= static_cast<float>(weight);
      }
    }
  }
  double loss = 0;
  for (const double each : losses) loss += each;
  return loss;
}

}  // namespace longreach::model
