// Elementwise feature maps and their gradients.
#pragma once

#include "core/tensor.h"

namespace longreach::attention::kernels {

/// Added to relu(x), which alone could make a sum of features 0.
inline constexpr float kReluFloor = 1e-3f;
/// Where exponents are cut.
inline constexpr float kMostExponent = 20;

// y = sigma(x), then d *= sigma'(x) given y = sigma(x); n may be 0.
void relu(const float* x, float* y, i64 n);
void relu_backward(const float* y, float* d, i64 n);
void softplus(const float* x, float* y, i64 n);
void softplus_backward(const float* y, float* d, i64 n);
/// exp(x) with x held within +-kMostExponent, beyond which the gradient is 0. y may be x.
void bounded_exp(const float* x, float* y, i64 n);
void bounded_exp_backward(const float* y, float* d, i64 n);

}  // namespace longreach::attention::kernels
