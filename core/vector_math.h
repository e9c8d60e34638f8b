// Elementwise functions over rows of floats, vectorised with Highway for the processor at hand.
// Every function is single-threaded and safe inside parallel regions; n may be 0.
#pragma once

#include "core/tensor.h"

namespace longreach {

/// The largest of x[0, n), n > 0.
float max_of(const float* x, i64 n);

/// x = exp(x - shift); returns the sum. Inputs of -infinity give 0.
float exp_shifted(float* x, i64 n, float shift);

/// y = ELU(x) + 1: x + 1 above 0, else exp(x) itself, which elu(x) + 1 would round to 0 below -17.
void elu1(const float* x, float* y, i64 n);
/// d *= the derivative of elu1, given y = elu1(x): min(y, 1).
void elu1_backward(const float* y, float* d, i64 n);

/// y += a x
void add_scaled(float a, const float* x, float* y, i64 n);
/// y *= a
void scale(float a, float* y, i64 n);
float dot(const float* x, const float* y, i64 n);

/// y = sigmoid(x)^power, but exp(least) where it would be less.
void sigmoid_power(const float* x, float power, float least, float* y, i64 n);
/// d *= the derivative of log y with respect to x, given y of sigmoid_power(): power (1 -
/// sigmoid(x)), or 0 where y is its least.
void sigmoid_power_backward(const float* x, float power, float least, const float* y, float* d,
                            i64 n);

/// out = silu(gate) * up, silu(x) = x / (1 + exp(-x)) (Shazeer 2020, arXiv 2002.05202).
void silu_multiply(const float* gate, const float* up, float* out, i64 n);
/// Overwrites d_gate and d_up with the gradients of silu_multiply.
void silu_multiply_backward(const float* gate, const float* up, const float* d_out, float* d_gate,
                            float* d_up, i64 n);

/// out = gelu(x), tanh form (Hendrycks & Gimpel 2016, arXiv 1606.08415).
void gelu(const float* x, float* out, i64 n);
/// d_x = d_out * gelu'(x); d_x may be d_out.
void gelu_backward(const float* x, const float* d_out, float* d_x, i64 n);

/// The instruction set that these functions run with here ("AVX2", "AVX3", "NEON", ...).
const char* vector_isa();

}  // namespace longreach
