// Softmax attention over the last W tokens, with attention sinks (StreamingLLM, Xiao et al. 2023,
// arXiv 2309.17453).
#include <algorithm>
#include <cmath>

#include "attention/kernels/softmax.h"
#include "attention/reference.h"
#include "attention/rows.h"

namespace longreach::attention {
namespace {

/// The RoPE index of a key: its place in the stream, or its place among the keys still held.
enum class Positions { absolute, cache };

}  // namespace
}  // namespace longreach::attention

namespace longreach {
template <>
struct EnumNames<attention::Positions> {
  static constexpr std::array<std::string_view, 2> names{"absolute", "cache"};
};
}  // namespace longreach

namespace longreach::attention {
namespace {

/// A query at t sees keys j with t - W < j <= t, and those with j < S.
///
/// State: the last W keys and values in a ring (token j in slot j mod W), and the first S.
/// Keys are kept turned to their place in the stream. That serves `positions: cache` too: inside
/// the window only differences of positions matter and these are the same, and a sink i keeps its
/// index i while the query's index in the cache is min(t, S + W - 1); so there the queries are
/// turned a second time, for the sinks alone.
class SlidingWindow final : public Backend {
 public:
  struct Params {
    i64 window = 256, sinks = 0;
    Positions positions = Positions::absolute;
    std::optional<RopeParams> rope = RopeParams{};
    void fields(Fields& f) {
      f("window", window, at_least(1, Unit::count), "keys a token sees, itself included");
      f("sinks", sinks, at_least(0, Unit::count), "first tokens of the stream that stay visible");
      f("positions", positions, "what the rotary position of a key counts");
      f("rope", rope, "rotary positions on queries and keys");
    }
  };

  SlidingWindow(const Params& params, const Shape& shape)
      : params_(params), shape_(shape), rope_(params.rope, shape.head_dim) {
    validate(shape);
  }

  const Shape& shape() const override { return shape_; }

  State initial_state(i64 batch, i64 capacity) const override {
    const std::vector<i64> ring{batch, shape_.kv_heads, std::min(params_.window, capacity),
                                shape_.head_dim};
    const std::vector<i64> sinks{batch, shape_.kv_heads, std::min(params_.sinks, capacity),
                                 shape_.head_dim};
    return {0,
            {{"keys", Tensor(ring)},
             {"values", Tensor(ring)},
             {"sink_keys", Tensor(sinks)},
             {"sink_values", Tensor(sinks)}},
            {}};
  }

  i64 state_bytes(i64 capacity) const override {
    const i64 held = std::min(params_.window, capacity) + std::min(params_.sinks, capacity);
    return 2 * shape_.kv_heads * held * shape_.head_dim * static_cast<i64>(sizeof(float));
  }

  void forward(std::span<const float>, const Chunk& in, State& state, View<float, 4> out,
               Tape* tape) const override {
    const i64 batch = in.batch(), position = state.position;
    const Call call = make_call(position, in.tokens());
    Tensor keys({batch, shape_.kv_heads, call.keys, shape_.head_dim}), values(keys.shape());
    Tensor queries({batch, shape_.query_heads, in.tokens(), shape_.head_dim});
    Tensor sink_queries(call.turns_sinks ? queries.shape() : std::vector<i64>{0, 0, 0, 0});
    Tensor lse({batch, shape_.query_heads, in.tokens()});
    i64 pairs = 0;
#pragma omp parallel for collapse(2) schedule(dynamic, 1) reduction(+ : pairs) if (worth_threads(*this, in, state.position))
    for (i64 b = 0; b < batch; ++b) {
      for (i64 kv = 0; kv < shape_.kv_heads; ++kv) {
        take_keys(in, call, state, b, kv, keys.view<4>(), values.view<4>());
        for (i64 h = kv * shape_.group(); h < (kv + 1) * shape_.group(); ++h) {
          gather(in.q, b, h, 0, in.tokens(), rope_, call.angles, 0,
                 queries.view<4>().row(b, h, 0).data());
          if (call.turns_sinks) {
            gather(in.q, b, h, 0, in.tokens(), rope_, call.sink_angles, 0,
                   sink_queries.view<4>().row(b, h, 0).data());
          }
          pairs += kernels::forward(problem(call, queries, sink_queries, keys, values,
                                            state["sink_keys"], state["sink_values"], b, h),
                                    head_rows(out, b, h, 0, in.tokens()),
                                    lse.view<3>().row(b, h).data());
        }
        keep_keys(call, state, b, kv, keys.view<4>(), values.view<4>());
      }
    }
    state.position += in.tokens();
    state.activity.tokens += in.tokens();
    state.activity.keys_scored += pairs / (batch * shape_.query_heads);
    if (tape != nullptr) {
      *tape = {position,
               {std::move(queries), std::move(sink_queries), std::move(keys), std::move(values),
                state["sink_keys"], state["sink_values"], std::move(lse), dense_copy(out)}};
    }
  }

  void backward(std::span<const float>, const Chunk& in, const Tape& tape,
                View<const float, 4> d_out, State& d_state, const ChunkGrad& grad,
                std::span<float>) const override {
    const std::vector<Tensor>& kept = tape.tensors;
    const Tensor &queries = kept[0], &sink_queries = kept[1], &keys = kept[2], &values = kept[3];
    const Tensor &sink_keys = kept[4], &sink_values = kept[5], &lse = kept[6], &out = kept[7];
    const i64 tokens = in.tokens(), d = shape_.head_dim;
    const Call call = make_call(tape.position, tokens);
#pragma omp parallel for collapse(2) \
    schedule(dynamic, 1) if (worth_threads(*this, in, tape.position))
    for (i64 b = 0; b < in.batch(); ++b) {
      for (i64 kv = 0; kv < shape_.kv_heads; ++kv) {
        Floats dk(static_cast<std::size_t>(call.keys * d)), dv(dk.size());
        Floats dq(static_cast<std::size_t>(tokens * d)), sink_dq(dq.size());
        take_grads(call, d_state, b, kv, dk.data(), dv.data());
        float* sink_dk = rows(d_state["sink_keys"], b, kv);
        float* sink_dv = rows(d_state["sink_values"], b, kv);
        for (i64 h = kv * shape_.group(); h < (kv + 1) * shape_.group(); ++h) {
          // With absolute positions both parts meet the same queries: one gradient serves both.
          float* other_dq = call.turns_sinks ? sink_dq.data() : dq.data();
          kernels::backward(
              problem(call, queries, sink_queries, keys, values, sink_keys, sink_values, b, h),
              head_rows(out.view<4>(), b, h, 0, tokens), lse.view<3>().row(b, h).data(),
              head_rows(d_out, b, h, 0, tokens),
              {dq.data(), other_dq, dk.data(), dv.data(), sink_dk, sink_dv});
          hand_over(dq.data(), tokens, rope_, call.angles, 0, grad.q, b, h, 0);
          if (call.turns_sinks) {
            hand_over(sink_dq.data(), tokens, rope_, call.sink_angles, 0, grad.q, b, h, 0);
          }
        }
        give_grads(call, d_state, b, kv, dk.data(), dv.data(), grad);
      }
    }
    d_state.position = tape.position;
  }

  Cost cost(i64 position, i64 tokens) const override {
    const i64 pairs = pairs_before(position + tokens) - pairs_before(position);
    return softmax_cost(shape_, tokens, pairs);
  }

  std::vector<double> reference(std::span<const double>, const ReferenceStream& in) const override {
    return reference_softmax(
        shape_, in,
        [&](i64 t) {
          std::vector<i64> held;
          for (i64 j = 0; j <= t; ++j) {
            if (j < params_.sinks || j > t - params_.window) held.push_back(j);
          }
          std::vector<ReferenceKey> seen;
          const i64 last = static_cast<i64>(held.size()) - 1;
          for (i64 index = 0; index <= last; ++index) {
            const i64 j = held[static_cast<std::size_t>(index)];
            seen.push_back(params_.positions == Positions::cache ? ReferenceKey{j, last, index}
                                                                 : ReferenceKey{j, t, j});
          }
          return seen;
        },
        rope_);
  }

 private:
  /// What one call works on: `keys` keys from position `first` on lie in one dense run.
  struct Call {
    i64 position, tokens, first, keys;
    bool turns_sinks;
    Rope::Angles angles, sink_angles;
  };
  Call make_call(i64 position, i64 tokens) const {
    const i64 first = std::max<i64>(0, position - params_.window + 1);
    Call call{position, tokens, first, position + tokens - first, false, {}, {}};
    call.angles = rope_.angles(position, tokens);
    call.turns_sinks = params_.positions == Positions::cache && params_.sinks > 0;
    if (call.turns_sinks) {
      const i64 limit = params_.sinks + params_.window - 1;
      // Positions grow to the limit, then stay: gather one table from at most two runs.
      const i64 growing = std::clamp<i64>(limit - position, 0, tokens);
      call.sink_angles = rope_.angles(position, growing);
      const Rope::Angles still = rope_.angles(limit, 1);
      for (i64 t = growing; t < tokens; ++t) {
        call.sink_angles.cosine.insert(call.sink_angles.cosine.end(), still.cosine.begin(),
                                       still.cosine.end());
        call.sink_angles.sine.insert(call.sink_angles.sine.end(), still.sine.begin(),
                                     still.sine.end());
      }
    }
    return call;
  }

  static float* rows(Tensor& tensor, i64 b, i64 kv) {
    return tensor.size() == 0 ? nullptr : tensor.view<4>().row(b, kv, 0).data();
  }
  static const float* rows(const Tensor& tensor, i64 b, i64 kv) {
    return tensor.size() == 0 ? nullptr : tensor.view<4>().row(b, kv, 0).data();
  }

  kernels::Problem problem(const Call& call, const Tensor& queries, const Tensor& sink_queries,
                           const Tensor& keys, const Tensor& values, const Tensor& sink_keys,
                           const Tensor& sink_values, i64 b, i64 h) const {
    const i64 kv = h / shape_.group();
    const float* q = rows(queries, b, h);
    return {.head_dim = shape_.head_dim,
            .rows = call.tokens,
            .position = call.position,
            .queries = q,
            .sink_queries = call.turns_sinks ? rows(sink_queries, b, h) : q,
            .recent = {rows(keys, b, kv), rows(values, b, kv), call.first, call.keys},
            .sinks = {rows(sink_keys, b, kv), rows(sink_values, b, kv), 0,
                      std::min(sink_keys.shape()[2], call.position + call.tokens)},
            .window = params_.window};
  }

  /// Fills the dense run from the ring and the chunk, and the sinks from the chunk.
  void take_keys(const Chunk& in, const Call& call, State& state, i64 b, i64 kv,
                 View<float, 4> keys, View<float, 4> values) const {
    const i64 d = shape_.head_dim, ring = state["keys"].shape()[2];
    const float* ring_keys = rows(state["keys"], b, kv);
    const float* ring_values = rows(state["values"], b, kv);
    const i64 before = call.position - call.first;
    for (i64 i = 0; i < before; ++i) {
      const i64 slot = (call.first + i) % ring;
      std::copy_n(ring_keys + slot * d, d, keys.row(b, kv, i).data());
      std::copy_n(ring_values + slot * d, d, values.row(b, kv, i).data());
    }
    const Rope none(std::nullopt, d);
    gather(in.k, b, kv, 0, call.tokens, rope_, call.angles, 0, keys.row(b, kv, before).data());
    gather(in.v, b, kv, 0, call.tokens, none, call.angles, 0, values.row(b, kv, before).data());
    const i64 sinks = state["sink_keys"].shape()[2];
    for (i64 j = call.position; j < std::min(sinks, call.position + call.tokens); ++j) {
      std::ranges::copy(keys.row(b, kv, j - call.first), rows(state["sink_keys"], b, kv) + j * d);
      std::ranges::copy(values.row(b, kv, j - call.first),
                        rows(state["sink_values"], b, kv) + j * d);
    }
  }

  /// Puts the last keys of the dense run back into the ring.
  void keep_keys(const Call& call, State& state, i64 b, i64 kv, View<float, 4> keys,
                 View<float, 4> values) const {
    const i64 d = shape_.head_dim, ring = state["keys"].shape()[2];
    const i64 end = call.position + call.tokens;
    for (i64 j = std::max(call.position, end - ring); j < end; ++j) {
      std::ranges::copy(keys.row(b, kv, j - call.first), rows(state["keys"], b, kv) + j % ring * d);
      std::ranges::copy(values.row(b, kv, j - call.first),
                        rows(state["values"], b, kv) + j % ring * d);
    }
  }

  /// The gradient of the keys that the state after the call still holds, as a dense run.
  void take_grads(const Call& call, State& d_state, i64 b, i64 kv, float* dk, float* dv) const {
    const i64 d = shape_.head_dim, ring = d_state["keys"].shape()[2];
    const i64 end = call.position + call.tokens;
    for (i64 j = std::max(call.first, end - ring); j < end; ++j) {
      std::copy_n(rows(d_state["keys"], b, kv) + j % ring * d, d, dk + (j - call.first) * d);
      std::copy_n(rows(d_state["values"], b, kv) + j % ring * d, d, dv + (j - call.first) * d);
    }
  }

  /// Hands the chunk's own rows to its gradient and leaves the rest as that of the state before.
  void give_grads(const Call& call, State& d_state, i64 b, i64 kv, float* dk, float* dv,
                  const ChunkGrad& grad) const {
    const i64 d = shape_.head_dim, ring = d_state["keys"].shape()[2];
    float* ring_dk = rows(d_state["keys"], b, kv);
    float* ring_dv = rows(d_state["values"], b, kv);
    std::fill_n(ring_dk, ring * d, 0.0f);
    std::fill_n(ring_dv, ring * d, 0.0f);
    for (i64 j = call.first; j < call.position; ++j) {
      std::copy_n(dk + (j - call.first) * d, d, ring_dk + j % ring * d);
      std::copy_n(dv + (j - call.first) * d, d, ring_dv + j % ring * d);
    }
    const Rope none(std::nullopt, d);
    const i64 before = call.position - call.first;
    hand_over(dk + before * d, call.tokens, rope_, call.angles, 0, grad.k, b, kv, 0);
    hand_over(dv + before * d, call.tokens, none, call.angles, 0, grad.v, b, kv, 0);
    const i64 own_sinks =
        std::min(d_state["sink_keys"].shape()[2], call.position + call.tokens) - call.position;
    if (own_sinks <= 0) return;
    hand_over(rows(d_state["sink_keys"], b, kv) + call.position * d, own_sinks, rope_, call.angles,
              0, grad.k, b, kv, 0);
    hand_over(rows(d_state["sink_values"], b, kv) + call.position * d, own_sinks, none, call.angles,
              0, grad.v, b, kv, 0);
  }

  /// Pairs scored by the first `tokens` tokens: each sees min(t + 1, W) recent keys and as many
  /// sinks as have left the window, min(S, max(0, t + 1 - W)).
  i64 pairs_before(i64 tokens) const {
    const auto ramp = [](i64 count, i64 limit) {  // sum over i = 1..count of min(i, limit)
      const i64 rising = std::min(count, limit);
      return rising * (rising + 1) / 2 + (count - rising) * limit;
    };
    return ramp(tokens, params_.window) +
           ramp(std::max<i64>(0, tokens - params_.window), params_.sinks);
  }

  Params params_;
  Shape shape_;
  Rope rope_;
};

const Registered<AttentionRegistry, SlidingWindow> registered{
    "sliding_window", "softmax over the last W tokens, with attention sinks (arXiv 2309.17453)"};

}  // namespace
}  // namespace longreach::attention
