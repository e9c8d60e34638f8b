// Softmax cross-entropy.
#pragma once

#include <optional>
#include <span>

#include "core/linalg.h"
#include "core/tensor.h"

namespace longreach::model {

/// ln of the sum of exp over a row of logits; float32 exponentials, summed in float64. `scratch`
/// holds as many floats as `logits`, and receives exp(logit - largest); it may be `logits` itself.
double log_sum_exp(std::span<const float> logits, float* scratch);

enum class Gradient { none, in_place };

/// Throws Error when one is negative or not finite.
double sum_of_weights(std::span<const float> weights);

/// sum of weights[i] * (log_sum_exp(row i) - logit of targets[i]) / total, summed in float64 in the
/// order of rows. `total` is sum_of_weights() of these rows, or given: that of the batch which they
/// are part of. With Gradient::in_place each row of `logits` [rows, vocabulary]
/// becomes the loss's gradient with respect to it; with none it is left as it was. Targets of
/// weight 0 are not looked at. Throws Error when a target is outside the
/// vocabulary, or the total is 0.
double cross_entropy(MutableMatrix logits, std::span<const Token> targets,
                     std::span<const float> weights, Gradient gradient,
                     std::optional<double> total = std::nullopt);

}  // namespace longreach::model
