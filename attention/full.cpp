// Causal softmax attention over everything before (Vaswani et al. 2017), with rotary positions.
#include <algorithm>
#include <cmath>

#include "attention/inspection.h"
#include "attention/kernels/softmax.h"
#include "attention/reference.h"
#include "attention/rows.h"
#include "attention/tasks.h"

namespace longreach::attention {
namespace {

/// State: the turned keys and the values of all tokens so far, [B, Hkv, capacity, D] each.
class Full final : public Backend {
 public:
  struct Params {
    Element cache = Element::f32;
    std::optional<ScaledRopeParams> rope = ScaledRopeParams{};
    void fields(Fields& f) {
      f("cache", cache, "how keys and values are stored");
      f("rope", rope, "rotary positions on queries and keys");
    }
  };

  Full(const Params& params, const Shape& shape)
      : shape_(shape), cache_(params.cache), rope_(params.rope, shape.head_dim) {
    validate(shape);
  }

  const Shape& shape() const override { return shape_; }
  bool appends() const override { return true; }
  double state_rounding() const override { return rounding_of(cache_); }

  State initial_state(i64 batch, i64 capacity) const override {
    const std::vector<i64> cache{batch, shape_.kv_heads, capacity, shape_.head_dim};
    return {0, {{"keys", Tensor(cache, cache_)}, {"values", Tensor(cache, cache_)}}, {}};
  }

  i64 state_bytes(i64 capacity) const override {
    return 2 * shape_.kv_heads * capacity * shape_.head_dim * bytes_of(cache_);
  }

  void forward(std::span<const float>, const Chunk& in, State& state, View<float, 4> out,
               Tape* tape) const override {
    const i64 tokens = in.tokens(), position = state.position, d = shape_.head_dim;
    Tensor &keys = state["keys"], &values = state["values"];
    check(position + tokens <= keys.shape()[2], "a full-attention stream outgrew its capacity");
    const Rope::Angles angles = rope_.angles(position, tokens);
    append_to_caches(in, position, rope_, angles, keys, values, worth_threads(*this, in, position));
    i64 pairs = 0;
    if (tape == nullptr) {
      pairs = tokens > kernels::kFewRows ? read(in, position, angles, keys, values, out, nullptr)
                                         : decode(in, position, angles, keys, values, out);
    } else {
      const std::vector<i64> rows{in.batch(), shape_.query_heads, tokens, d};
      *tape = {position,
               {Tensor::unset(rows), Tensor::unset({rows[0], rows[1], tokens}),
                Tensor::unset({rows[0], tokens, rows[1], d}), filled_rows(keys, position + tokens),
                filled_rows(values, position + tokens)}};
      pairs = read(in, position, angles, keys, values, out, tape);
    }
    state.position += tokens;
    state.activity.tokens += tokens;
    state.activity.keys_scored += pairs / (in.batch() * shape_.query_heads);
  }

  void backward(std::span<const float>, const Chunk& in, const Tape& tape,
                View<const float, 4> d_out, State& d_state, const ChunkGrad& grad,
                std::span<float>) const override {
    const i64 tokens = in.tokens(), position = tape.position, d = shape_.head_dim;
    const i64 group = shape_.group(), items = in.batch() * shape_.kv_heads;
    const auto d_keys = d_state["keys"].view<4>(), d_values = d_state["values"].view<4>();
    // Long streams of few heads are split by keys as well; how often may depend neither on the
    // threads at hand nor on the other streams.
    const i64 shares =
        std::clamp<i64>((position + tokens) / 512, 1, std::max<i64>(1, kTasks / shape_.kv_heads));
    std::vector<Floats> d_queries(static_cast<std::size_t>(items * shares));
#pragma omp parallel for collapse(2) schedule(dynamic, 1) if (worth_threads(*this, in, position))
    for (i64 item = 0; item < items; ++item) {
      for (i64 share = 0; share < shares; ++share) {
        const i64 b = item / shape_.kv_heads, kv = item % shape_.kv_heads, h = kv * group;
        Floats& dq = d_queries[item * shares + share];
        dq.resize(static_cast<std::size_t>(group * tokens * d));
        kernels::backward(
            problem(rows_by_head(tape.tensors[kQueries].view<4>(), b, h, group, 0, tokens),
                    position, tape.tensors[kKeys], tape.tensors[kValues], b, kv),
            head_rows(tape.tensors[kOut].view<4>(), b, h, group, 0, tokens),
            lse_rows(tape.tensors[kLse].view<3>(), b, h, group, 0, tokens),
            head_rows(d_out, b, h, group, 0, tokens),
            {.queries = View<float, 3>(dq.data(), {group, tokens, d}),
             .sink_queries = {},
             .recent_keys = d_keys.row(b, kv, 0).data(),
             .recent_values = d_values.row(b, kv, 0).data()},
            {share, shares});
      }
    }
    const Rope::Angles angles = rope_.angles(position, tokens);
    const Rope none(std::nullopt, d);
#pragma omp parallel for schedule(static) if (worth_threads(*this, in, position))
    for (i64 item = 0; item < items; ++item) {
      const i64 b = item / shape_.kv_heads, kv = item % shape_.kv_heads;
      for (i64 share = 0; share < shares; ++share) {
        float* dq = d_queries[item * shares + share].data();
        for (i64 g = 0; g < group; ++g, dq += tokens * d) {
          hand_over(dq, tokens, rope_, angles, 0, grad.q, b, kv * group + g, 0);
        }
      }
      float* dk = d_keys.row(b, kv, position).data();
      hand_over(dk, tokens, rope_, angles, 0, grad.k, b, kv, 0);
      hand_over(d_values.row(b, kv, position).data(), tokens, none, angles, 0, grad.v, b, kv, 0);
    }
    d_state.position = position;
  }

  Cost cost(i64 position, i64 tokens) const override {
    const i64 pairs = triangle(position + tokens) - triangle(position);
    return softmax_cost(shape_, tokens, pairs, cache_);
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

  std::vector<Observation> inspect(std::span<const float>, const Chunk& in,
                                   const State& before) const override {
    const i64 position = before.position, tokens = in.tokens(), d = shape_.head_dim;
    const i64 end = position + tokens;
    const Rope::Angles angles = rope_.angles(position, tokens);
    Tensor keys = before["keys"];
    check(end <= keys.shape()[2], "a full-attention stream outgrew its capacity");
    SoftmaxObserver observer(shape_, in.batch(), tokens);
#pragma omp parallel for collapse(2) schedule(static)
    for (i64 b = 0; b < in.batch(); ++b) {
      for (i64 kv = 0; kv < shape_.kv_heads; ++kv) {
        gather_into(in.k, b, kv, 0, tokens, rope_, angles, 0, keys, b, kv, position);
        const Floats held = rows_as_floats(keys, b, kv, end);
        Floats queries(static_cast<std::size_t>(tokens * d));
        for (i64 h = kv * shape_.group(); h < (kv + 1) * shape_.group(); ++h) {
          gather(in.q, b, h, 0, tokens, rope_, angles, 0, queries.data());
          std::vector<ScoredKey> seen;
          for (i64 t = 0; t < tokens; ++t) {
            seen.clear();
            for (i64 j = 0; j <= position + t; ++j) {
              seen.push_back({score_of(row_of(queries, t, d), row_of(held, j, d)), position + t - j,
                              j < kSinks});
            }
            observer.add(b, h, seen);
          }
        }
      }
    }
    return observer.found();
  }

 private:
  static constexpr i64 kKeysPerTask = 8192;  ///< decoding
  static constexpr i64 kTasks = 8;           ///< of one stream's backward pass, at least
  static i64 triangle(i64 n) { return n * (n + 1) / 2; }

  kernels::Problem problem(View<const float, 3> q, i64 position, const Tensor& keys,
                           const Tensor& values, i64 b, i64 kv) const {
    return {.queries = q,
            .sink_queries = {},
            .position = position,
            .recent = {cache_row(keys, b, kv, 0), cache_row(values, b, kv, 0), keys.element(), 0,
                       position + q.extent(1)}};
  }

  // The tape: turned queries [B, Hq, T, D], log-sum-exp [B, Hq, T], outputs [B, T, Hq, D], and the
  // caches as far as they are filled.
  enum : std::size_t { kQueries, kLse, kOut, kKeys, kValues };

  /// Many queries, by blocks of them; fills the first three of a tape when there is one. Returns
  /// the pairs scored.
  i64 read(const Chunk& in, i64 position, const Rope::Angles& angles, const Tensor& keys,
           const Tensor& values, View<float, 4> out, Tape* tape) const {
    const i64 tokens = in.tokens(), d = shape_.head_dim, group = shape_.group();
    const i64 step = rows_per_task(shape_.kv_heads, tokens), blocks = (tokens + step - 1) / step;
    i64 pairs = 0;
#pragma omp parallel for collapse(3) schedule(dynamic, 1) reduction(+ : pairs) if (worth_threads(*this, in, position))
    for (i64 b = 0; b < in.batch(); ++b) {
      for (i64 kv = 0; kv < shape_.kv_heads; ++kv) {
        for (i64 block = blocks - 1; block >= 0; --block) {  // the longest first
          const i64 first = block * step, count = std::min(step, tokens - first), h = kv * group;
          Scratch own(static_cast<std::size_t>(tape == nullptr ? group * count * d : 0));
          const View<float, 3> q = tape == nullptr ? View<float, 3>(own.data(), {group, count, d})
                                                   : rows_by_head(tape->tensors[kQueries].view<4>(),
                                                                  b, h, group, first, count);
          View<float, 2> lse;
          if (tape != nullptr) {
            lse = lse_rows(tape->tensors[kLse].view<3>(), b, h, group, first, count);
          }
          gather_group(in.q, b, h, first, rope_, angles, first, q);
          const View<float, 3> rows = head_rows(out, b, h, group, first, count);
          pairs += kernels::forward(problem(q, position + first, keys, values, b, kv), rows, lse);
          if (tape == nullptr) continue;
          copy_rows(rows, head_rows(tape->tensors[kOut].view<4>(), b, h, group, first, count));
        }
      }
    }
    return pairs;
  }

  /// Few queries, by runs of keys.
  i64 decode(const Chunk& in, i64 position, const Rope::Angles& angles, const Tensor& keys,
             const Tensor& values, View<float, 4> out) const {
    const i64 tokens = in.tokens(), d = shape_.head_dim, group = shape_.group();
    const i64 items = in.batch() * shape_.kv_heads, end = position + tokens;
    const i64 runs = (end + kKeysPerTask - 1) / kKeysPerTask;
    Scratch queries(static_cast<std::size_t>(items * group * tokens * d));
    std::vector<kernels::Partial> parts(static_cast<std::size_t>(items * runs));
    const auto problem_of = [&](i64 item) {
      const View<const float, 3> q(&queries[item * group * tokens * d], {group, tokens, d});
      return problem(q, position, keys, values, item / shape_.kv_heads, item % shape_.kv_heads);
    };
    for (i64 item = 0; item < items; ++item) {
      const i64 h = item % shape_.kv_heads * group;
      gather_group(in.q, item / shape_.kv_heads, h, 0, rope_, angles, 0,
                   {&queries[item * group * tokens * d], {group, tokens, d}});
    }
#pragma omp parallel for collapse(2) schedule(dynamic, 1) if (worth_threads(*this, in, position))
    for (i64 item = 0; item < items; ++item) {
      for (i64 run = 0; run < runs; ++run) {
        const kernels::Span keys_of{run * kKeysPerTask, std::min(end, (run + 1) * kKeysPerTask)};
        parts[item * runs + run] = kernels::attend_part(problem_of(item), keys_of, false);
      }
    }
    i64 pairs = 0;
    for (i64 item = 0; item < items; ++item) {
      const i64 h = item % shape_.kv_heads * group;
      pairs += kernels::merge(problem_of(item), &parts[item * runs], runs,
                              head_rows(out, item / shape_.kv_heads, h, group, 0, tokens), {});
    }
    return pairs;
  }

  Shape shape_;
  Element cache_;
  Rope rope_;
};

const Registered<AttentionRegistry, Full> registered{
    "full", "causal softmax attention over all tokens before (Vaswani et al. 2017)"};

}  // namespace
}  // namespace longreach::attention
