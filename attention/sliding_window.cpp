// Softmax attention over the last W tokens, with attention sinks (StreamingLLM, Xiao et al. 2023,
// arXiv 2309.17453).
// Longer than most files: forward and backward of one mechanism are read side by side.
#include <algorithm>
#include <tuple>

#include "attention/inspection.h"
#include "attention/kernels/softmax.h"
#include "attention/reference.h"
#include "attention/rows.h"
#include "attention/tasks.h"

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
    Element cache = Element::f32;
    std::optional<ScaledRopeParams> rope = ScaledRopeParams{};
    void fields(Fields& f) {
      f("window", window, at_least(1, Unit::count), "keys a token sees, itself included");
      f("sinks", sinks, at_least(0, Unit::count), "first tokens of the stream that stay visible");
      f("positions", positions, "what the rotary position of a key counts");
      f("cache", cache, "how keys and values are stored");
      f("rope", rope, "rotary positions on queries and keys");
    }
  };

  SlidingWindow(const Params& params, const Shape& shape)
      : params_(params), shape_(shape), rope_(params.rope, shape.head_dim) {
    validate(shape);
  }

  const Shape& shape() const override { return shape_; }
  double state_rounding() const override { return rounding_of(params_.cache); }

  State initial_state(i64 batch, i64 capacity) const override {
    const std::vector<i64> ring{batch, shape_.kv_heads, std::min(params_.window, capacity),
                                shape_.head_dim};
    const std::vector<i64> sinks{batch, shape_.kv_heads, std::min(params_.sinks, capacity),
                                 shape_.head_dim};
    return {0,
            {{"keys", Tensor(ring, params_.cache)},
             {"values", Tensor(ring, params_.cache)},
             {"sink_keys", Tensor(sinks, params_.cache)},
             {"sink_values", Tensor(sinks, params_.cache)}},
            {}};
  }

  i64 state_bytes(i64 capacity) const override {
    const i64 held = std::min(params_.window, capacity) + std::min(params_.sinks, capacity);
    return 2 * shape_.kv_heads * held * shape_.head_dim * bytes_of(params_.cache);
  }

  void forward(std::span<const float>, const Chunk& in, State& state, View<float, 4> out,
               Tape* tape) const override {
    if (tape == nullptr && in.tokens() > longest_run()) return forward_in_runs(in, state, out);
    const Call call = make_call(state.position, in.tokens());
    i64 pairs = 0;
    if (in.tokens() == 1 && tape == nullptr) {
      pairs = decode(in, call, state, out);
    } else {
      Kept kept = take_keys(in, call, state);
      pairs = read(in, call, kept, out, tape != nullptr);
      if (tape != nullptr) {
        *tape = {state.position,
                 {std::move(kept.queries), std::move(kept.sink_queries), std::move(kept.keys),
                  std::move(kept.values), std::move(kept.sink_keys), std::move(kept.sink_values),
                  std::move(kept.lse), std::move(kept.out)}};
      }
    }
    state.position += in.tokens();
    state.activity.tokens += in.tokens();
    state.activity.keys_scored += pairs / (in.batch() * shape_.query_heads);
  }

  void backward(std::span<const float>, const Chunk& in, const Tape& tape,
                View<const float, 4> d_out, State& d_state, const ChunkGrad& grad,
                std::span<float>) const override {
    const std::vector<Tensor>& kept = tape.tensors;
    const Tensor &queries = kept[0], &sink_queries = kept[1], &keys = kept[2], &values = kept[3];
    const Tensor &sink_keys = kept[4], &sink_values = kept[5], &lse = kept[6], &out = kept[7];
    const i64 tokens = in.tokens(), d = shape_.head_dim, group = shape_.group();
    const Call call = make_call(tape.position, tokens);
#pragma omp parallel for collapse(2) \
    schedule(dynamic, 1) if (worth_threads(*this, in, tape.position))
    for (i64 b = 0; b < in.batch(); ++b) {
      for (i64 kv = 0; kv < shape_.kv_heads; ++kv) {
        const i64 h = kv * group;
        Floats dk(static_cast<std::size_t>(call.keys * d)), dv(dk.size());
        Floats dq(static_cast<std::size_t>(group * tokens * d));
        Floats sink_dq(call.turns_sinks ? dq.size() : 0);
        const View<float, 3> d_q(dq.data(), {group, tokens, d});
        // With absolute positions both parts meet the same queries: one gradient serves both.
        const View<float, 3> d_sink_q(call.turns_sinks ? sink_dq.data() : dq.data(),
                                      {group, tokens, d});
        take_grads(call, d_state, b, kv, dk.data(), dv.data());
        const auto q = rows_by_head(queries.view<4>(), b, h, group, 0, tokens);
        const auto sink_q =
            call.turns_sinks ? rows_by_head(sink_queries.view<4>(), b, h, group, 0, tokens) : q;
        kernels::backward(problem(call, q, sink_q, 0, keys, values, sink_keys, sink_values, b, kv),
                          head_rows(out.view<4>(), b, h, group, 0, tokens),
                          View<const float, 2>(lse.view<3>().row(b, h).data(), {group, tokens}),
                          head_rows(d_out, b, h, group, 0, tokens),
                          {d_q, d_sink_q, dk.data(), dv.data(), rows(d_state["sink_keys"], b, kv),
                           rows(d_state["sink_values"], b, kv)});
        for (i64 g = 0; g < group; ++g) {
          hand_over(d_q.row(g, 0).data(), tokens, rope_, call.angles, 0, grad.q, b, h + g, 0);
          if (!call.turns_sinks) continue;
          hand_over(d_sink_q.row(g, 0).data(), tokens, rope_, call.sink_angles, 0, grad.q, b, h + g,
                    0);
        }
        give_grads(call, d_state, b, kv, dk.data(), dv.data(), grad);
      }
    }
    d_state.position = tape.position;
  }

  Cost cost(i64 position, i64 tokens) const override {
    const i64 pairs = pairs_before(position + tokens) - pairs_before(position);
    return softmax_cost(shape_, tokens, pairs, params_.cache);
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

  std::vector<Observation> inspect(std::span<const float>, const Chunk& in,
                                   const State& before) const override {
    const i64 tokens = in.tokens(), d = shape_.head_dim;
    const Call call = make_call(before.position, tokens);
    State after = before;
    const Kept kept = take_keys(in, call, after);
    SoftmaxObserver observer(shape_, in.batch(), tokens);
#pragma omp parallel for collapse(2) schedule(static)
    for (i64 b = 0; b < in.batch(); ++b) {
      for (i64 kv = 0; kv < shape_.kv_heads; ++kv) {
        const Floats keys = rows_as_floats(kept.keys, b, kv, call.keys);
        const Floats sinks = rows_as_floats(kept.sink_keys, b, kv, kept.sink_keys.shape()[2]);
        Floats queries(static_cast<std::size_t>(tokens * d)), sink_queries = queries;
        for (i64 h = kv * shape_.group(); h < (kv + 1) * shape_.group(); ++h) {
          gather(in.q, b, h, 0, tokens, rope_, call.angles, 0, queries.data());
          gather(in.q, b, h, 0, tokens, rope_, call.turns_sinks ? call.sink_angles : call.angles, 0,
                 sink_queries.data());
          for (i64 t = 0; t < tokens; ++t) {
            observer.add(
                b, h,
                seen_by(call, t, row_of(queries, t, d), row_of(sink_queries, t, d), keys, sinks));
          }
        }
      }
    }
    return observer.found();
  }

  std::vector<KnockOut> knock_outs(std::span<const float>) const override {
    if (params_.sinks == 0) return {};
    Params without = params_;
    without.sinks = 0;
    return {{.part = "sinks", .backend = std::make_shared<SlidingWindow>(without, shape_)}};
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

  /// What token t of a call sees: the sinks that have left its window, and the window.
  std::vector<ScoredKey> seen_by(const Call& call, i64 t, std::span<const float> query,
                                 std::span<const float> sink_query, const Floats& keys,
                                 const Floats& sinks) const {
    const i64 d = shape_.head_dim, position = call.position + t;
    const i64 first = std::max<i64>(0, position - params_.window + 1);
    std::vector<ScoredKey> seen;
    for (i64 j = 0; j < std::min(params_.sinks, first); ++j) {
      seen.push_back({score_of(sink_query, row_of(sinks, j, d)), position - j, true});
    }
    for (i64 j = first; j <= position; ++j) {
      seen.push_back({score_of(query, row_of(keys, j - call.first, d)), position - j,
                      j < std::max(kSinks, params_.sinks)});
    }
    return seen;
  }

  /// Without a tape a long chunk goes through in runs, so that scratch does not grow with it.
  i64 longest_run() const { return std::max<i64>(4096, params_.window); }
  void forward_in_runs(const Chunk& in, State& state, View<float, 4> out) const {
    for (i64 first = 0; first < in.tokens(); first += longest_run()) {
      const i64 count = std::min(longest_run(), in.tokens() - first);
      forward(
          {},
          {in.q.slice(1, first, count), in.k.slice(1, first, count), in.v.slice(1, first, count)},
          state, out.slice(1, first, count), nullptr);
    }
  }

  static float* rows(Tensor& tensor, i64 b, i64 kv) {
    return tensor.size() == 0 ? nullptr : tensor.view<4>().row(b, kv, 0).data();
  }

  /// A problem whose first query is the chunk's row `first`.
  kernels::Problem problem(const Call& call, View<const float, 3> q, View<const float, 3> sink_q,
                           i64 first, const Tensor& keys, const Tensor& values,
                           const Tensor& sink_keys, const Tensor& sink_values, i64 b,
                           i64 kv) const {
    const i64 position = call.position + first;
    return {
        .queries = q,
        .sink_queries = sink_q,
        .position = position,
        .recent = {cache_row(keys, b, kv, 0), cache_row(values, b, kv, 0), keys.element(),
                   call.first, call.keys},
        .sinks = {cache_row(sink_keys, b, kv, 0), cache_row(sink_values, b, kv, 0),
                  sink_keys.element(), 0, std::min(sink_keys.shape()[2], position + q.extent(1))},
        .window = params_.window};
  }

  /// What a call works on, and what its tape keeps: the dense run of keys and values, the sinks as
  /// they are after it, and for a tape the turned queries, the log-sum-exp and the outputs.
  struct Kept {
    Tensor keys, values, sink_keys, sink_values, queries, sink_queries, lse, out;
  };

  /// Fills the dense run from the ring and the chunk, then ring and sinks from the run.
  Kept take_keys(const Chunk& in, const Call& call, State& state) const {
    const i64 d = shape_.head_dim, before = call.position - call.first;
    const i64 end = call.position + call.tokens;
    Kept kept;
    const std::vector<i64> run_shape{in.batch(), shape_.kv_heads, call.keys, d};
    kept.keys = Tensor::unset(run_shape, params_.cache);
    kept.values = Tensor::unset(run_shape, params_.cache);
    const Rope none(std::nullopt, d);
    const i64 ring = state["keys"].shape()[2], sinks = state["sink_keys"].shape()[2];
#pragma omp parallel for collapse(2) schedule(static) if (worth_threads(*this, in, state.position))
    for (i64 b = 0; b < in.batch(); ++b) {
      for (i64 kv = 0; kv < shape_.kv_heads; ++kv) {
        gather_into(in.k, b, kv, 0, call.tokens, rope_, call.angles, 0, kept.keys, b, kv, before);
        gather_into(in.v, b, kv, 0, call.tokens, none, call.angles, 0, kept.values, b, kv, before);
        for (const auto& [run, name, sink] : {std::tuple(&kept.keys, "keys", "sink_keys"),
                                              std::tuple(&kept.values, "values", "sink_values")}) {
          const i64 bytes = d * bytes_of(params_.cache);
          const auto at = [&](Tensor& t, i64 row) { return cache_row(t, b, kv, row); };
          Tensor &held = state[name], &first_ones = state[sink];
          for (i64 j = call.first; j < call.position; ++j) {
            std::copy_n(at(held, j % ring), bytes, at(*run, j - call.first));
          }
          for (i64 j = call.position; j < std::min(sinks, end); ++j) {
            std::copy_n(at(*run, j - call.first), bytes, at(first_ones, j));
          }
          for (i64 j = std::max(call.position, end - ring); j < end; ++j) {
            std::copy_n(at(*run, j - call.first), bytes, at(held, j % ring));
          }
        }
      }
    }
    kept.sink_keys = state["sink_keys"];
    kept.sink_values = state["sink_values"];
    return kept;
  }

  /// Many queries, by blocks of them. Returns the pairs scored.
  i64 read(const Chunk& in, const Call& call, Kept& kept, View<float, 4> out, bool keep) const {
    const i64 tokens = call.tokens, d = shape_.head_dim, group = shape_.group();
    if (keep) {
      const std::vector<i64> queries{in.batch(), shape_.query_heads, tokens, d};
      kept.queries = Tensor::unset(queries);
      if (call.turns_sinks) kept.sink_queries = Tensor::unset(queries);
      kept.lse = Tensor::unset({in.batch(), shape_.query_heads, tokens});
      kept.out = Tensor::unset({in.batch(), tokens, shape_.query_heads, d});
    }
    const i64 step = rows_per_task(shape_.kv_heads, tokens), blocks = (tokens + step - 1) / step;
    i64 pairs = 0;
#pragma omp parallel for collapse(3) schedule(dynamic, 1) reduction(+ : pairs) if (worth_threads(*this, in, call.position))
    for (i64 b = 0; b < in.batch(); ++b) {
      for (i64 kv = 0; kv < shape_.kv_heads; ++kv) {
        for (i64 block = 0; block < blocks; ++block) {
          const i64 first = block * step, count = std::min(step, tokens - first), h = kv * group;
          Scratch own, own_sinks;
          const auto turned = [&](Tensor& tape, Scratch& mine, const Rope::Angles& angles) {
            if (!keep) mine.resize(static_cast<std::size_t>(group * count * d));
            const View<float, 3> q = keep ? rows_by_head(tape.view<4>(), b, h, group, first, count)
                                          : View<float, 3>(mine.data(), {group, count, d});
            gather_group(in.q, b, h, first, rope_, angles, first, q);
            return q;
          };
          const View<float, 3> q = turned(kept.queries, own, call.angles);
          const View<float, 3> sink_q =
              call.turns_sinks ? turned(kept.sink_queries, own_sinks, call.sink_angles) : q;
          View<float, 2> lse;
          if (keep)
            lse = {kept.lse.view<3>().row(b, h).data() + first, {group, count}, {tokens, 1}};
          const View<float, 3> rows = head_rows(out, b, h, group, first, count);
          pairs += kernels::forward(problem(call, q, sink_q, first, kept.keys, kept.values,
                                            kept.sink_keys, kept.sink_values, b, kv),
                                    rows, lse);
          if (keep) {
            copy_rows(rows, head_rows(kept.out.view<4>(), b, h, group, first, count));
          }
        }
      }
    }
    return pairs;
  }

  /// One token: it takes the slot of the key that has just left its window, and then sees all that
  /// the ring holds, in whatever order.
  i64 decode(const Chunk& in, const Call& call, State& state, View<float, 4> out) const {
    const i64 d = shape_.head_dim, group = shape_.group(), position = call.position;
    Tensor &keys = state["keys"], &values = state["values"];
    Tensor &sink_keys = state["sink_keys"], &sink_values = state["sink_values"];
    const i64 ring = keys.shape()[2], held = std::min(position + 1, params_.window);
    const Call seen{position, 1, position + 1 - held, held, call.turns_sinks, {}, {}};
    const Rope none(std::nullopt, d);
    i64 pairs = 0;
#pragma omp parallel for collapse(2) schedule(static) reduction(+ : pairs) if (worth_threads(*this, in, position))
    for (i64 b = 0; b < in.batch(); ++b) {
      for (i64 kv = 0; kv < shape_.kv_heads; ++kv) {
        const i64 h = kv * group;
        gather_into(in.k, b, kv, 0, 1, rope_, call.angles, 0, keys, b, kv, position % ring);
        gather_into(in.v, b, kv, 0, 1, none, call.angles, 0, values, b, kv, position % ring);
        if (position < sink_keys.shape()[2]) {
          gather_into(in.k, b, kv, 0, 1, rope_, call.angles, 0, sink_keys, b, kv, position);
          gather_into(in.v, b, kv, 0, 1, none, call.angles, 0, sink_values, b, kv, position);
        }
        Floats q(static_cast<std::size_t>(group * d)), sink_q(call.turns_sinks ? q.size() : 0);
        const View<float, 3> rows_q(q.data(), {group, 1, d});
        const View<float, 3> rows_sink_q(call.turns_sinks ? sink_q.data() : q.data(),
                                         {group, 1, d});
        gather_group(in.q, b, h, 0, rope_, call.angles, 0, rows_q);
        if (call.turns_sinks) {
          gather_group(in.q, b, h, 0, rope_, call.sink_angles, 0, rows_sink_q);
        }
        pairs += kernels::forward(
            problem(seen, rows_q, rows_sink_q, 0, keys, values, sink_keys, sink_values, b, kv),
            head_rows(out, b, h, group, 0, 1), {});
      }
    }
    return pairs;
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
