// Causal softmax attention over everything before (Vaswani et al. 2017), with rotary positions.
#include <algorithm>
#include <cmath>

#include "attention/kernels/softmax.h"
#include "attention/reference.h"
#include "attention/rows.h"

namespace longreach::attention {
namespace {

/// State: the turned keys and the values of all tokens so far, [B, Hkv, capacity, D] each.
class Full final : public Backend {
 public:
  struct Params {
    std::optional<RopeParams> rope = RopeParams{};
    void fields(Fields& f) { f("rope", rope, "rotary positions on queries and keys"); }
  };

  Full(const Params& params, const Shape& shape)
      : shape_(shape), rope_(params.rope, shape.head_dim) {
    validate(shape);
  }

  const Shape& shape() const override { return shape_; }

  State initial_state(i64 batch, i64 capacity) const override {
    const std::vector<i64> cache{batch, shape_.kv_heads, capacity, shape_.head_dim};
    return {0, {{"keys", Tensor(cache)}, {"values", Tensor(cache)}}, {}};
  }

  i64 state_bytes(i64 capacity) const override {
    return 2 * shape_.kv_heads * capacity * shape_.head_dim * static_cast<i64>(sizeof(float));
  }

  void forward(std::span<const float>, const Chunk& in, State& state, View<float, 4> out,
               Tape* tape) const override {
    const i64 tokens = in.tokens(), position = state.position, d = shape_.head_dim;
    auto keys = state["keys"].view<4>(), values = state["values"].view<4>();
    check(position + tokens <= keys.extent(2), "a full-attention stream outgrew its capacity");
    const Rope::Angles angles = rope_.angles(position, tokens);
    append(in, position, angles, keys, values);

    Tensor queries({in.batch(), shape_.query_heads, tokens, d});
    Tensor lse({in.batch(), shape_.query_heads, tokens});
    i64 pairs = 0;
    const i64 blocks = (tokens + kRowsPerTask - 1) / kRowsPerTask;
#pragma omp parallel for collapse(3) schedule(dynamic, 1) reduction(+ : pairs) if (worth_threads(*this, in, position))
    for (i64 b = 0; b < in.batch(); ++b) {
      for (i64 h = 0; h < shape_.query_heads; ++h) {
        for (i64 block = blocks - 1; block >= 0; --block) {  // the longest first
          const i64 first = block * kRowsPerTask, count = std::min(kRowsPerTask, tokens - first);
          float* q = queries.view<4>().row(b, h, first).data();
          gather(in.q, b, h, first, count, rope_, angles, first, q);
          const kernels::Problem problem =
              this->problem(q, count, position + first, keys, values, b, h / shape_.group());
          pairs += kernels::forward(problem, head_rows(out, b, h, first, count),
                                    lse.view<3>().row(b, h).data() + first);
        }
      }
    }
    state.position += tokens;
    state.activity.tokens += tokens;
    state.activity.keys_scored += pairs / (in.batch() * shape_.query_heads);
    if (tape != nullptr) {
      *tape = {position,
               {std::move(queries), std::move(lse), dense_copy(out), past(keys, state.position),
                past(values, state.position)}};
    }
  }

  void backward(std::span<const float>, const Chunk& in, const Tape& tape,
                View<const float, 4> d_out, State& d_state, const ChunkGrad& grad,
                std::span<float>) const override {
    const i64 tokens = in.tokens(), position = tape.position, d = shape_.head_dim;
    const auto queries = tape.tensors[0].view<4>();
    const auto lse = tape.tensors[1].view<3>();
    const auto out = tape.tensors[2].view<4>();
    const auto keys = tape.tensors[3].view<4>(), values = tape.tensors[4].view<4>();
    const auto d_keys = d_state["keys"].view<4>(), d_values = d_state["values"].view<4>();
    const Rope::Angles angles = rope_.angles(position, tokens);
    const Rope none(std::nullopt, d);
#pragma omp parallel for collapse(2) schedule(dynamic, 1) if (worth_threads(*this, in, position))
    for (i64 b = 0; b < in.batch(); ++b) {
      for (i64 kv = 0; kv < shape_.kv_heads; ++kv) {  // a thread owns the keys it writes
        float* dk = d_keys.row(b, kv, 0).data();
        float* dv = d_values.row(b, kv, 0).data();
        Floats dq(static_cast<std::size_t>(tokens * d));
        for (i64 h = kv * shape_.group(); h < (kv + 1) * shape_.group(); ++h) {
          const kernels::Problem problem =
              this->problem(queries.row(b, h, 0).data(), tokens, position, keys, values, b, kv);
          kernels::backward(problem, head_rows(out, b, h, 0, tokens), lse.row(b, h).data(),
                            head_rows(d_out, b, h, 0, tokens),
                            {.queries = dq.data(), .recent_keys = dk, .recent_values = dv});
          hand_over(dq.data(), tokens, rope_, angles, 0, grad.q, b, h, 0);
        }
        hand_over(dk + position * d, tokens, rope_, angles, 0, grad.k, b, kv, 0);
        hand_over(dv + position * d, tokens, none, angles, 0, grad.v, b, kv, 0);
      }
    }
    d_state.position = position;
  }

  Cost cost(i64 position, i64 tokens) const override {
    const i64 pairs = triangle(position + tokens) - triangle(position);
    return softmax_cost(shape_, tokens, pairs);
  }

  std::vector<double> reference(std::span<const double>, const ReferenceStream& in) const override {
    return reference_softmax(
        shape_, in,
        [&](i64 t) {
          std::vector<ReferenceKey> seen;
          for (i64 j = 0; j <= t; ++j) seen.push_back({j, t, j});
          return seen;
        },
        rope_);
  }

 private:
  static constexpr i64 kRowsPerTask = 256;
  static i64 triangle(i64 n) { return n * (n + 1) / 2; }

  template <class T>
  kernels::Problem problem(const float* q, i64 rows, i64 position, View<T, 4> keys,
                           View<T, 4> values, i64 b, i64 kv) const {
    return {.head_dim = shape_.head_dim,
            .rows = rows,
            .position = position,
            .queries = q,
            .recent = {keys.row(b, kv, 0).data(), values.row(b, kv, 0).data(), 0, position + rows}};
  }

  /// Writes the chunk's turned keys and its values behind those already cached.
  void append(const Chunk& in, i64 position, const Rope::Angles& angles, View<float, 4> keys,
              View<float, 4> values) const {
    const Rope none(std::nullopt, shape_.head_dim);
#pragma omp parallel for collapse(2) schedule(static) if (worth_threads(*this, in, position))
    for (i64 b = 0; b < in.batch(); ++b) {
      for (i64 kv = 0; kv < shape_.kv_heads; ++kv) {
        gather(in.k, b, kv, 0, in.tokens(), rope_, angles, 0, keys.row(b, kv, position).data());
        gather(in.v, b, kv, 0, in.tokens(), none, angles, 0, values.row(b, kv, position).data());
      }
    }
  }

  static Tensor past(View<const float, 4> cache, i64 tokens) {
    return dense_copy(cache.slice(2, 0, tokens));
  }

  Shape shape_;
  Rope rope_;
};

const Registered<AttentionRegistry, Full> registered{
    "full", "causal softmax attention over all tokens before (Vaswani et al. 2017)"};

}  // namespace
}  // namespace longreach::attention
