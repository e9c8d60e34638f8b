// The transformer's parts beside attention, each forward above its backward. Matrices are
// row-major; rows are tokens [B * T, width] unless said otherwise. All run over the OpenMP threads;
// sums over rows are taken in an order that does not depend on the number of threads.
#pragma once

#include <span>

#include "core/linalg.h"
#include "core/tensor.h"
#include "model/transformer.h"

namespace longreach::model {

/// Below this many rows a fork of threads costs more than it brings.
inline constexpr i64 kParallelRows = 32;

/// Calls work(row) for every row, over the threads.
template <class Work>
void over_rows(i64 rows, const Work& work) {
#pragma omp parallel for schedule(static) if (rows >= kParallelRows)
  for (i64 row = 0; row < rows; ++row) work(row);
}

/// x[row] = table[token of row]; table [vocabulary, width].
void embed(View<const Token, 2> tokens, Matrix table, MutableMatrix x);
/// d_table[token of row] += d_x[row].
void embed_backward(View<const Token, 2> tokens, Matrix d_x, MutableMatrix d_table);

/// x[row] += bias.
void add_bias(const float* bias, MutableMatrix x);
/// d_bias += sum over rows of d_x.
void add_bias_backward(Matrix d_x, float* d_bias);

/// y = scale * x * r, r = 1 / sqrt(mean(x^2) + epsilon) of each row (Zhang & Sennrich 2019,
/// arXiv 1910.07467). `inverse` [rows] receives r; it may be null.
void rms_norm(Matrix x, const float* scale, double epsilon, MutableMatrix y, float* inverse);
/// Adds to d_x and d_scale: with u = scale * d_y,
///   d_x = r u - x r^3 mean(u x),   d_scale = sum over rows of d_y x r.
void rms_norm_backward(Matrix x, const float* scale, const float* inverse, Matrix d_y,
                       MutableMatrix d_x, float* d_scale);

/// Splits the channels into `reach` near-equal groups; group g of y[t] comes from x[t - g], where
/// past [B, reach - 1, width] holds x[-1], x[-2], ... of each stream and leaves holding those of
/// the next call. x and y are [B * T, width].
void token_shift(Matrix x, i64 tokens, View<float, 3> past, MutableMatrix y);
/// Overwrites d_x. d_past arrives as the gradient of `past` after the call and leaves as that of
/// `past` before it.
void token_shift_backward(Matrix d_y, i64 tokens, View<float, 3> d_past, MutableMatrix d_x);

/// SwiGLU: in [rows, 2 hidden] = gate | up, out = silu(gate) * up. GELU: in [rows, hidden].
void activate(Mlp kind, Matrix in, MutableMatrix out);
/// Overwrites d_in.
void activate_backward(Mlp kind, Matrix in, Matrix d_out, MutableMatrix d_in);

}  // namespace longreach::model
