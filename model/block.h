// One layer of the transformer, x += attention(norm(x)), x += mlp(norm(x)), as two residual blocks,
// each forward above its backward. All activations are rows of B * T tokens.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "attention/backend.h"
#include "core/linalg.h"
#include "model/transformer.h"

namespace longreach::model {

/// Where one layer's tensors begin in the flat parameter vector. Query, key, value and what else
/// the backend has projected follow each other, and so do gate and up: each group is one matrix
/// product. The biases of query, key and value follow each other too.
struct LayerOffsets {
  i64 attention_norm = 0, qkv = 0, attention_output = 0;
  std::optional<i64> qkv_bias;
  i64 backend = 0, backend_size = 0;
  i64 mlp_norm = 0, mlp_in = 0, mlp_down = 0;
};

/// One layer's tensors inside the weights or inside their gradient.
template <class T>
struct LayerTensors {
  T* attention_norm;     ///< [width]
  T* qkv;                ///< [(Hq + 2 Hkv) D + P, width]
  T* qkv_bias;           ///< [(Hq + 2 Hkv) D]; nullptr: none
  T* attention_output;   ///< [width, Hq D]
  std::span<T> backend;  ///< as the backend's weights() say
  T* mlp_norm;           ///< [width]
  T* mlp_in;             ///< [2 hidden (SwiGLU) or hidden, width]
  T* mlp_down;           ///< [width, hidden]
  LayerTensors(T* base, const LayerOffsets& at)
      : attention_norm(base + at.attention_norm),
        qkv(base + at.qkv),
        qkv_bias(at.qkv_bias ? base + *at.qkv_bias : nullptr),
        attention_output(base + at.attention_output),
        backend(base + at.backend, static_cast<std::size_t>(at.backend_size)),
        mlp_norm(base + at.mlp_norm),
        mlp_in(base + at.mlp_in),
        mlp_down(base + at.mlp_down) {}
};

/// What a layer computes on its way: kept for each layer with a tape, one scratch for all without.
struct Activations {
  Scratch input, input_inverse;  ///< the residual stream before attention [N, width]; 1 / rms
  Scratch normed;                ///< scratch of the token shift and of the MLP's norm [N, width]
  Scratch mixed;                 ///< what queries, keys and values are made of [N, width]
  Scratch qkv;                   ///< [N, (Hq + 2 Hkv) D + P]
  Scratch attended;              ///< [N, Hq D]
  attention::Tape attention;
  Scratch middle, middle_inverse;  ///< the residual stream before the MLP [N, width]; 1 / rms
  Scratch mlp_in;                  ///< [N, 2 hidden or hidden]
  Scratch mlp_out;                 ///< [N, hidden]
  i64 bytes() const;
};

/// Scratch of a backward pass, shared by the layers.
struct BlockScratch {
  Scratch normed, mixed, qkv, attended, mlp_in, mlp_out;
};

/// A layer's fixed facts.
struct Block {
  const Architecture& architecture;  ///< resolved
  const attention::Backend& backend;
  i64 batch, tokens;             ///< B and T of this call
  View<const float, 2> repeats;  ///< attention::Chunk's
  i64 rows() const { return batch * tokens; }

  /// x [B * T, width] += attention of its norm; advances `state` and `shift`. With `keep`,
  /// `a` receives what attention_backward() needs.
  void attention_forward(const LayerTensors<const float>& weights, Scratch& x,
                         attention::State& state, Tensor& shift, Activations& a, bool keep) const;
  /// d_x arrives as the gradient after the block and leaves as the one before it.
  void attention_backward(const LayerTensors<const float>& weights, const Activations& a,
                          Scratch& d_x, attention::State& d_state, Tensor& d_shift,
                          const LayerTensors<float>& grad, BlockScratch& scratch) const;

  void mlp_forward(const LayerTensors<const float>& weights, Scratch& x, Activations& a,
                   bool keep) const;
  void mlp_backward(const LayerTensors<const float>& weights, const Activations& a, Scratch& d_x,
                    const LayerTensors<float>& grad, BlockScratch& scratch) const;

 private:
  i64 bias_columns() const;
  i64 qkv_columns() const;
  i64 mlp_columns() const;
};

/// Makes room for `size` floats, of any value.
inline float* room(Scratch& floats, i64 size) {
  floats.resize(static_cast<std::size_t>(size));
  return floats.data();
}

}  // namespace longreach::model
