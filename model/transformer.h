// A decoder-only transformer with a hand-written backward pass; each layer attends through a
// backend and nothing else here knows which.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "attention/backend.h"
#include "core/fields.h"
#include "core/random.h"
#include "model/activity_account.h"

namespace longreach::model {

enum class Mlp { swiglu, gelu };

struct Architecture {
  i64 vocabulary = 256;  ///< set from the tokenizer, not a field
  i64 layers = 4, width = 128, heads = 4, kv_heads = 0, head_dim = 0, hidden = 0;
  Mlp mlp = Mlp::swiglu;
  i64 token_shift = 1;
  bool tied = false;
  double norm_epsilon = 1e-5;
  bool qkv_bias = false;  ///< as Qwen2 has them
  void fields(Fields&);

  /// Zeros filled in (kv_heads = heads, head_dim = width / heads, hidden = 8/3 width rounded up to
  /// 16 for SwiGLU, 4 width for GELU). Throws Error when the numbers do not fit together.
  Architecture resolved() const;
  attention::Shape attention_shape() const;  ///< of a resolved architecture
};

/// One tensor of the flat parameter vector.
struct Parameter {
  std::string name;          ///< "layers.0.attention.query"
  std::vector<i64> shape;    ///< [out, in] for matrices
  i64 offset = 0, size = 0;  ///< in floats
  double learning_rate_scale = 1;
  bool decays = false;      ///< matrices do; norms, biases, embeddings and gates do not
  bool of_backend = false;  ///< a gate or whatever else the layer's backend adds to the model
};

/// What a batch of streams remembers: a state a layer, and the token shift's last inputs.
struct StreamState {
  i64 position = 0;
  std::vector<attention::State> layers;
  /// Per layer [B, token_shift - 1, width]: the normed inputs 1, 2, ... tokens back.
  std::vector<Tensor> shift;
  i64 bytes() const;
  StreamState zero_like() const;
};

/// Everything one forward() keeps for backward(). Opaque; bytes() is the activation memory.
class ModelTape {
 public:
  ModelTape();
  ~ModelTape();
  ModelTape(ModelTape&&) noexcept;
  ModelTape& operator=(ModelTape&&) noexcept;
  i64 bytes() const;
  struct Content;
  std::unique_ptr<Content> content;
};

/// Bytes of one stream's StreamState of that capacity, by formula, under one backend for each layer
/// of a resolved architecture.
i64 state_bytes(const Architecture&,
                std::span<const std::shared_ptr<const attention::Backend>> backends, i64 capacity);

/// Floats of the weights, by the same.
i64 parameter_count(const Architecture&,
                    const std::vector<std::shared_ptr<const attention::Backend>>& backends);

/// Work of the matrix products and embeddings around the mechanisms, for one stream's `tokens`
/// tokens of which `logits` have logits made.
attention::Cost product_cost(const Architecture&,
                             std::span<const std::shared_ptr<const attention::Backend>> backends,
                             i64 tokens, i64 logits);

/// The architecture plus its weights. Const calls are thread-safe.
class Transformer {
 public:
  /// For weights that come from elsewhere: matrices and biases are 0, scales 1, backends' own
  /// weights as they start. One backend for each layer (the same pointer may repeat).
  Transformer(const Architecture&, std::vector<std::shared_ptr<const attention::Backend>> backends);
  /// Matrices are drawn from `rng`: equal architectures get equal common weights whatever the
  /// backends.
  Transformer(const Architecture&, std::vector<std::shared_ptr<const attention::Backend>> backends,
              const Rng& rng);

  const Architecture& architecture() const;
  const std::vector<std::shared_ptr<const attention::Backend>>& backends() const;
  const std::vector<Parameter>& parameters() const;
  std::span<float> weights();
  std::span<const float> weights() const;

  StreamState initial_state(i64 batch, i64 capacity) const;
  i64 state_bytes(i64 capacity) const;  ///< one stream, by formula

  /// tokens [B, T] -> logits [B, L, vocabulary] of the last L <= T tokens (L = 0: none wanted);
  /// advances `state`. The logits must be dense over B and L. A tape needs L = T; it may be used
  /// again and then keeps its memory. Throws Error when a token is outside the vocabulary (the
  /// state is then untouched) or a logit is not finite. `repeats` is that of attention::Chunk, for
  /// every layer.
  void forward(View<const Token, 2> tokens, StreamState& state, View<float, 3> logits,
               ModelTape* tape, View<const float, 2> repeats = {}) const;
  /// Adds weight gradients to `grad` (laid out as weights()). `d_logits` [B, T, vocabulary] and
  /// `repeats` as at forward; d_state as in attention::Backend.
  void backward(View<const Token, 2> tokens, const ModelTape& tape, View<const float, 3> d_logits,
                StreamState& d_state, std::span<float> grad,
                View<const float, 2> repeats = {}) const;

  /// Whole model, one stream, logits for every token: attention mechanism plus matrix products
  /// (weights read once a token). Activity is summed over the layers.
  attention::Cost cost(i64 position, i64 tokens) const;

  /// What forward() had the layers do so far, in this model and in its copies, beside what they
  /// declare. Training counts on both sides what it computes again.
  const ActivityAccount& activity() const { return *activity_; }
  /// Counts with another model of as many layers from now on.
  void count_with(const Transformer& other);

 private:
  struct Layout;
  Architecture architecture_;
  std::vector<std::shared_ptr<const attention::Backend>> backends_;
  std::vector<Parameter> parameters_;
  std::shared_ptr<const Layout> layout_;
  std::shared_ptr<ActivityAccount> activity_;
  Floats weights_;
};

}  // namespace longreach::model

namespace longreach {
template <>
struct EnumNames<model::Mlp> {
  static constexpr std::array<std::string_view, 2> names{"swiglu", "gelu"};
};
}  // namespace longreach
