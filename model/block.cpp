// The attention block and the MLP block.
#include "model/block.h"

#include <algorithm>

#include "model/layers.h"

namespace longreach::model {
namespace {

/// Columns [first, first + heads * D) of rows [B * T, columns], as heads.
template <class T>
View<T, 4> heads_of(T* rows, i64 columns, i64 first, i64 heads, i64 head_dim, const Block& block) {
  return {rows + first,
          {block.batch, block.tokens, heads, head_dim},
          {block.tokens * columns, columns, head_dim, 1}};
}

template <class T>
struct Heads {
  View<T, 4> q, k, v;
  View<T, 3> projected;
};

/// The queries, keys, values and projections that lie side by side in rows [B * T, columns].
template <class T>
Heads<T> split(T* qkv, i64 columns, const Block& block) {
  const Architecture& a = block.architecture;
  const i64 heads_columns = (a.heads + 2 * a.kv_heads) * a.head_dim;
  const auto heads = [&](i64 first, i64 count) {
    return heads_of(qkv, columns, first * a.head_dim, count, a.head_dim, block);
  };
  View<T, 3> projected;
  if (columns > heads_columns) {
    projected = {qkv + heads_columns,
                 {block.batch, block.tokens, columns - heads_columns},
                 {block.tokens * columns, columns, 1}};
  }
  return {heads(0, a.heads), heads(a.heads, a.kv_heads), heads(a.heads + a.kv_heads, a.kv_heads),
          projected};
}

}  // namespace

i64 Activations::bytes() const {
  std::size_t floats = 0;
  for (const Scratch* f : {&input, &input_inverse, &normed, &mixed, &qkv, &attended, &middle,
                           &middle_inverse, &mlp_in, &mlp_out}) {
    floats += f->size();
  }
  return static_cast<i64>(floats * sizeof(float)) + attention.bytes();
}

i64 Block::bias_columns() const {
  return (architecture.heads + 2 * architecture.kv_heads) * architecture.head_dim;
}

i64 Block::qkv_columns() const { return bias_columns() + backend.projected_size(); }

i64 Block::mlp_columns() const {
  return (architecture.mlp == Mlp::swiglu ? 2 : 1) * architecture.hidden;
}

void Block::attention_forward(const LayerTensors<const float>& weights, Scratch& x,
                              attention::State& state, Tensor& shift, Activations& a,
                              bool keep) const {
  const i64 n = rows(), width = architecture.width;
  const i64 attended_columns = architecture.heads * architecture.head_dim;
  if (keep) a.input = x;
  const MutableMatrix mixed(room(a.mixed, n * width), n, width);
  const bool shifts = architecture.token_shift > 1;
  const MutableMatrix normed(shifts ? room(a.normed, n * width) : mixed.data, n, width);
  rms_norm(Matrix(x.data(), n, width), weights.attention_norm, architecture.norm_epsilon, normed,
           room(a.input_inverse, n));
  if (shifts) token_shift(Matrix(normed.data, n, width), tokens, shift.view<3>(), mixed);

  parallel_multiply_nt(Matrix(mixed.data, n, width), Matrix(weights.qkv, qkv_columns(), width),
                       MutableMatrix(room(a.qkv, n * qkv_columns()), n, qkv_columns()),
                       Into::overwrite);
  if (weights.qkv_bias != nullptr) {
    add_bias(weights.qkv_bias, MutableMatrix(a.qkv.data(), n, bias_columns(), qkv_columns()));
  }
  const Heads<const float> heads = split<const float>(a.qkv.data(), qkv_columns(), *this);
  float* attended = room(a.attended, n * attended_columns);
  backend.forward(
      weights.backend, {heads.q, heads.k, heads.v, repeats, heads.projected}, state,
      heads_of(attended, attended_columns, 0, architecture.heads, architecture.head_dim, *this),
      keep ? &a.attention : nullptr);
  parallel_multiply_nt(Matrix(attended, n, attended_columns),
                       Matrix(weights.attention_output, width, attended_columns),
                       MutableMatrix(x.data(), n, width), Into::add);
}

void Block::attention_backward(const LayerTensors<const float>& weights, const Activations& a,
                               Scratch& d_x, attention::State& d_state, Tensor& d_shift,
                               const LayerTensors<float>& grad, BlockScratch& scratch) const {
  const i64 n = rows(), width = architecture.width;
  const i64 attended_columns = architecture.heads * architecture.head_dim;
  const Matrix d_out(d_x.data(), n, width);
  const MutableMatrix d_attended(room(scratch.attended, n * attended_columns), n, attended_columns);
  parallel_multiply_tn(d_out, Matrix(a.attended.data(), n, attended_columns),
                       MutableMatrix(grad.attention_output, width, attended_columns), Into::add);
  parallel_multiply(d_out, Matrix(weights.attention_output, width, attended_columns), d_attended,
                    Into::overwrite);

  float* d_qkv = room(scratch.qkv, n * qkv_columns());
  over_rows(n, [&](i64 row) { std::fill_n(d_qkv + row * qkv_columns(), qkv_columns(), 0.0f); });
  const Heads<const float> heads = split<const float>(a.qkv.data(), qkv_columns(), *this);
  const Heads<float> d_heads = split(d_qkv, qkv_columns(), *this);
  backend.backward(weights.backend, {heads.q, heads.k, heads.v, repeats, heads.projected},
                   a.attention,
                   heads_of<const float>(d_attended.data, attended_columns, 0, architecture.heads,
                                         architecture.head_dim, *this),
                   d_state, {d_heads.q, d_heads.k, d_heads.v, d_heads.projected}, grad.backend);

  const Matrix d_projected(d_qkv, n, qkv_columns());
  const MutableMatrix d_mixed(room(scratch.mixed, n * width), n, width);
  parallel_multiply_tn(d_projected, Matrix(a.mixed.data(), n, width),
                       MutableMatrix(grad.qkv, qkv_columns(), width), Into::add);
  if (grad.qkv_bias != nullptr) {
    add_bias_backward(Matrix(d_qkv, n, bias_columns(), qkv_columns()), grad.qkv_bias);
  }
  parallel_multiply(d_projected, Matrix(weights.qkv, qkv_columns(), width), d_mixed,
                    Into::overwrite);
  Matrix d_normed(d_mixed.data, n, width);
  if (architecture.token_shift > 1) {
    const MutableMatrix unshifted(room(scratch.normed, n * width), n, width);
    token_shift_backward(d_normed, tokens, d_shift.view<3>(), unshifted);
    d_normed = Matrix(unshifted.data, n, width);
  }
  rms_norm_backward(Matrix(a.input.data(), n, width), weights.attention_norm,
                    a.input_inverse.data(), d_normed, MutableMatrix(d_x.data(), n, width),
                    grad.attention_norm);
}

void Block::mlp_forward(const LayerTensors<const float>& weights, Scratch& x, Activations& a,
                        bool keep) const {
  const i64 n = rows(), width = architecture.width, hidden = architecture.hidden;
  if (keep) a.middle = x;
  const MutableMatrix normed(room(a.normed, n * width), n, width);
  rms_norm(Matrix(x.data(), n, width), weights.mlp_norm, architecture.norm_epsilon, normed,
           room(a.middle_inverse, n));
  parallel_multiply_nt(Matrix(normed.data, n, width), Matrix(weights.mlp_in, mlp_columns(), width),
                       MutableMatrix(room(a.mlp_in, n * mlp_columns()), n, mlp_columns()),
                       Into::overwrite);
  const MutableMatrix out(room(a.mlp_out, n * hidden), n, hidden);
  activate(architecture.mlp, Matrix(a.mlp_in.data(), n, mlp_columns()), out);
  parallel_multiply_nt(Matrix(out.data, n, hidden), Matrix(weights.mlp_down, width, hidden),
                       MutableMatrix(x.data(), n, width), Into::add);
}

void Block::mlp_backward(const LayerTensors<const float>& weights, const Activations& a,
                         Scratch& d_x, const LayerTensors<float>& grad,
                         BlockScratch& scratch) const {
  const i64 n = rows(), width = architecture.width, hidden = architecture.hidden;
  const Matrix d_out(d_x.data(), n, width);
  const MutableMatrix d_activated(room(scratch.mlp_out, n * hidden), n, hidden);
  parallel_multiply_tn(d_out, Matrix(a.mlp_out.data(), n, hidden),
                       MutableMatrix(grad.mlp_down, width, hidden), Into::add);
  parallel_multiply(d_out, Matrix(weights.mlp_down, width, hidden), d_activated, Into::overwrite);

  const MutableMatrix d_in(room(scratch.mlp_in, n * mlp_columns()), n, mlp_columns());
  activate_backward(architecture.mlp, Matrix(a.mlp_in.data(), n, mlp_columns()),
                    Matrix(d_activated.data, n, hidden), d_in);
  const Matrix d_projected(d_in.data, n, mlp_columns());
  const MutableMatrix d_normed(room(scratch.normed, n * width), n, width);
  parallel_multiply_tn(d_projected, Matrix(a.normed.data(), n, width),
                       MutableMatrix(grad.mlp_in, mlp_columns(), width), Into::add);
  parallel_multiply(d_projected, Matrix(weights.mlp_in, mlp_columns(), width), d_normed,
                    Into::overwrite);
  rms_norm_backward(Matrix(a.middle.data(), n, width), weights.mlp_norm, a.middle_inverse.data(),
                    Matrix(d_normed.data, n, width), MutableMatrix(d_x.data(), n, width),
                    grad.mlp_norm);
}

}  // namespace longreach::model
