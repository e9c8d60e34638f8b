// Three branches of softmax attention mixed by gates: over compressed blocks of keys, over blocks
// that these choose, and over a window (after NSA, Native Sparse Attention, Yuan et al. 2025, arXiv
// 2502.11089).
// Longer than most files: forward and backward of one mechanism are read side by side.
#include <algorithm>
#include <cmath>

#include "attention/compressed_blocks.h"
#include "attention/reference.h"
#include "attention/rows.h"
#include "attention/selected_blocks.h"
#include "attention/tasks.h"
#include "core/vector_math.h"

namespace longreach::attention {
namespace {

enum Branch : i64 { kCompressed, kSelected, kWindow, kBranches };

/// o = g_1 o_compressed + g_2 o_selected + g_3 o_window for each query head, with gates g =
/// sigmoid(`branch_gates` of the token + `gate_bias`). Keys are turned to their place.
///   compressed  one key and one value for each complete block before the token's own: means of the
///               block's, weighted by softmax(key_pool) and softmax(value_pool); 0 while there is
///               none
///   selected    what a token sees is said at BlockRule; the score of a block is the sum over the
///               group's heads of the weights that its compressed key got. No gradient flows
///               through the choice
///   window      the last `window` tokens
/// NSA compresses overlapping blocks by an MLP, and gives each branch keys and values of its own.
///
/// State: the turned keys and the values of all tokens so far, [B, Hkv, capacity, D] each, and
/// compressed ones of the complete blocks, [B, Hkv, capacity / block, D] each, as the weights of
/// the call made them that completed the block. It grows with the stream.
class CompressSelect final : public Backend {
 public:
  struct Params {
    CompressSelectRule rule;
    std::optional<ScaledRopeParams> rope = ScaledRopeParams{};
    void fields(Fields& f) {
      rule.blocks.fields(f);
      f("window", rule.window, at_least(1, Unit::count), "keys that the window branch sees");
      f("rope", rope, "rotary positions on queries and keys");
    }
  };

  CompressSelect(const Params& params, const Shape& shape)
      : window_(params.rule.window),
        blocks_(params.rule.blocks),
        shape_(shape),
        rope_(params.rope, shape.head_dim) {
    validate(shape);
  }

  const Shape& shape() const override { return shape_; }
  bool appends() const override { return true; }

  std::vector<WeightSpec> weights() const override {
    const std::vector<i64> pool{shape_.kv_heads, blocks_.block};
    return {{.name = "gate_bias", .shape = {i64{kBranches}, shape_.query_heads}, .decays = false},
            {.name = "key_pool", .shape = pool, .decays = false},
            {.name = "value_pool", .shape = pool, .decays = false}};
  }
  std::vector<ProjectionSpec> projections() const override {
    return {{"branch_gates", i64{kBranches} * shape_.query_heads}};
  }

  State initial_state(i64 batch, i64 capacity) const override {
    const std::vector<i64> all{batch, shape_.kv_heads, capacity, shape_.head_dim};
    const std::vector<i64> blocks{batch, shape_.kv_heads, capacity / blocks_.block,
                                  shape_.head_dim};
    return {0,
            {{"keys", Tensor(all)},
             {"values", Tensor(all)},
             {"compressed_keys", Tensor(blocks)},
             {"compressed_values", Tensor(blocks)}},
            {}};
  }

  i64 state_bytes(i64 capacity) const override {
    return 2 * shape_.kv_heads * (capacity + capacity / blocks_.block) * shape_.head_dim *
           bytes_of(Element::f32);
  }

  void forward(std::span<const float> weights, const Chunk& in, State& state, View<float, 4> out,
               Tape* tape) const override {
    const i64 tokens = in.tokens(), position = state.position, group = shape_.group();
    check(position + tokens <= state["keys"].shape()[2],
          "a compress_select stream outgrew its capacity");
    const Rope::Angles angles = rope_.angles(position, tokens);
    append(weights, in, angles, state);
    const i64 step = rows_per_task(shape_.kv_heads, tokens), runs = (tokens + step - 1) / step;
    const i64 chosen = blocks_.chosen_size(position + tokens);
    if (tape != nullptr) {
      *tape = {position, unfilled(in.batch(), shape_.kv_heads, tokens, chosen)};
      append_filled(state, position + tokens, tape->tensors);
    }
    i64 pairs = 0, scored = 0;
#pragma omp parallel for collapse(3) schedule(dynamic, 1) reduction(+ : pairs, scored) if (worth_threads(*this, in, position))
    for (i64 b = 0; b < in.batch(); ++b) {
      for (i64 kv = 0; kv < shape_.kv_heads; ++kv) {
        for (i64 n = 0; n < runs; ++n) {
          const i64 first = n * step, count = std::min(step, tokens - first);
          std::vector<Tensor> own;
          if (tape == nullptr) own = unfilled(1, 1, count, chosen);
          const Run<float> run = tape != nullptr ? run_of(tape->tensors, b, kv, first, count)
                                                 : run_of(own, 0, 0, 0, count);
          const Caches<const float> caches = caches_of(state, b, kv);
          gather_group(in.q, b, kv * group, first, rope_, angles, first, run.queries);
          scored += attend_compressed(blocks_, run.queries, position + first, caches.compressed(),
                                      run.out[kCompressed], run.lse[kCompressed], run.chosen);
          pairs += attend_selected(blocks_, selected(run, position + first, caches),
                                   run.out[kSelected], run.lse[kSelected]);
          pairs += kernels::forward(window_problem(run.queries, position + first, caches),
                                    run.out[kWindow], run.lse[kWindow]);
          mix(weights, in, b, kv, first, run, out);
        }
      }
    }
    state.position += tokens;
    state.activity += {.tokens = tokens,
                       .keys_scored = pairs / (in.batch() * shape_.query_heads),
                       .summaries_scored = scored / (in.batch() * shape_.query_heads)};
  }

  void backward(std::span<const float> weights, const Chunk& in, const Tape& tape,
                View<const float, 4> d_out, State& d_state, const ChunkGrad& grad,
                std::span<float> d_weights) const override {
    const i64 tokens = in.tokens(), position = tape.position, d = shape_.head_dim;
    const i64 group = shape_.group(), step = rows_per_task(shape_.kv_heads, tokens);
    const i64 items = in.batch() * shape_.kv_heads;
    const Rope::Angles angles = rope_.angles(position, tokens);
    const Rope none(std::nullopt, d);
    // Each item's own, summed in their order: no bit depends on the threads.
    std::vector<std::vector<double>> item_weights(static_cast<std::size_t>(items),
                                                  std::vector<double>(d_weights.size()));
#pragma omp parallel for schedule(dynamic, 1) if (worth_threads(*this, in, position))
    for (i64 item = 0; item < items; ++item) {
      const i64 b = item / shape_.kv_heads, kv = item % shape_.kv_heads;
      const Caches<const float> caches = caches_of(tape, b, kv);
      const Caches<float> d_caches = caches_of(d_state, b, kv);
      Floats d_queries(static_cast<std::size_t>(group * std::min(step, tokens) * d));
      for (i64 first = 0; first < tokens; first += step) {
        const i64 count = std::min(step, tokens - first);
        const Run<const float> run = run_of(tape.tensors, b, kv, first, count);
        Floats d_branches[kBranches];
        undo_mix(weights, in, b, kv, first, run, d_out, grad, item_weights[item], d_branches);
        undo_branches(run, position + first, caches, d_branches,
                      {d_queries.data(), {group, count, d}}, d_caches);
        for (i64 g = 0; g < group; ++g) {
          hand_over(&d_queries[g * count * d], count, rope_, angles, first, grad.q, b,
                    kv * group + g, first);
        }
      }
      undo_pools(weights, position, tokens, kv, caches, d_caches, item_weights[item]);
      hand_over(d_caches.keys + position * d, tokens, rope_, angles, 0, grad.k, b, kv, 0);
      hand_over(d_caches.values + position * d, tokens, none, angles, 0, grad.v, b, kv, 0);
    }
    for (const std::vector<double>& own : item_weights) {
      for (std::size_t i = 0; i < own.size(); ++i) d_weights[i] += static_cast<float>(own[i]);
    }
    d_state.position = position;
  }

  Cost cost(i64 position, i64 tokens) const override {
    const i64 end = position + tokens;
    const i64 pairs = blocks_.pairs_before(end) - blocks_.pairs_before(position) +
                      window_pairs_before(end) - window_pairs_before(position);
    const i64 scored = compressed_before(end) - compressed_before(position);
    Cost cost = softmax_cost(shape_, tokens, pairs);
    const Cost compressed = softmax_cost(shape_, 0, scored);
    cost.activity.summaries_scored = scored;
    // The gates mix three rows; a key and a value are each added to a mean.
    const i64 numbers =
        (2 * kBranches * shape_.query_heads + 4 * shape_.kv_heads) * shape_.head_dim;
    cost.flops += compressed.flops + static_cast<double>(numbers * tokens);
    cost.bytes_moved += compressed.bytes_moved;
    return cost;
  }

  std::vector<double> reference(std::span<const double> weights,
                                const ReferenceStream& in) const override {
    return reference_compress_select(shape_, {blocks_, window_}, weights, in, rope_);
  }

 private:
  // The tape: turned queries [B, Hq, T, D]; for each branch outputs [B, Hq, T, D] and log-sum-exp
  // [B, Hq, T]; chosen blocks [B, Hkv, T, top] (none where no token chooses); and the state's
  // tensors as far as they are filled.
  enum : i64 { kQueries, kOut, kLse = kOut + kBranches, kChosen = kLse + kBranches, kKept };

  /// float, or const float of what is const.
  template <class T>
  using NumberOf = std::conditional_t<std::is_const_v<T>, const float, float>;

  std::vector<Tensor> unfilled(i64 batch, i64 kv_heads, i64 tokens, i64 chosen) const {
    const i64 heads = kv_heads * shape_.group();
    std::vector<Tensor> tape(kKept);
    for (i64 i = kQueries; i < kLse; ++i) {
      tape[i] = Tensor::unset({batch, heads, tokens, shape_.head_dim});
    }
    for (i64 i = kLse; i < kChosen; ++i) tape[i] = Tensor::unset({batch, heads, tokens});
    tape[kChosen] = Tensor::unset({batch, kv_heads, tokens, chosen});
    return tape;
  }

  void append_filled(const State& state, i64 tokens, std::vector<Tensor>& tape) const {
    for (const char* name : {"keys", "values"}) tape.push_back(filled_rows(state[name], tokens));
    for (const char* name : {"compressed_keys", "compressed_values"}) {
      tape.push_back(filled_rows(state[name], tokens / blocks_.block));
    }
  }

  /// Consecutive tokens' rows for one stream and key/value head.
  template <class T>
  struct Run {
    View<T, 3> queries;         ///< [G, R, D]
    View<T, 3> out[kBranches];  ///< [G, R, D]
    View<T, 2> lse[kBranches];  ///< [G, R]
    T* chosen;                  ///< [R, top]
    i64 rows() const { return queries.extent(1); }
    operator Run<const float>() const requires(!std::is_const_v<T>) {
      return {queries, {out[0], out[1], out[2]}, {lse[0], lse[1], lse[2]}, chosen};
    }
  };
  template <class Tensors>
  Run<NumberOf<Tensors>> run_of(Tensors& tape, i64 b, i64 kv, i64 first, i64 count) const {
    const i64 group = shape_.group(), h = kv * group;
    Run<NumberOf<Tensors>> run;
    run.queries = rows_by_head(tape[kQueries].template view<4>(), b, h, group, first, count);
    for (i64 i = 0; i < kBranches; ++i) {
      run.out[i] = rows_by_head(tape[kOut + i].template view<4>(), b, h, group, first, count);
      run.lse[i] = lse_rows(tape[kLse + i].template view<3>(), b, h, group, first, count);
    }
    const std::vector<i64>& n = tape[kChosen].shape();
    run.chosen = tape[kChosen].flat().data() + ((b * n[1] + kv) * n[2] + first) * n[3];
    return run;
  }

  /// What one stream and key/value head holds, or its gradient: rows of D each.
  template <class T>
  struct Caches {
    T *keys, *values, *compressed_keys, *compressed_values;
    operator Caches<const float>() const requires(!std::is_const_v<T>) {
      return {keys, values, compressed_keys, compressed_values};
    }
    CompressedBlocks<T> compressed() const { return {compressed_keys, compressed_values}; }
  };
  template <class T>
  static NumberOf<T>* rows(T& tensor, i64 b, i64 kv) {
    const std::vector<i64>& n = tensor.shape();
    return tensor.flat().data() + (b * n[1] + kv) * n[2] * n[3];
  }
  static Caches<float> caches_of(State& state, i64 b, i64 kv) {
    return {rows(state["keys"], b, kv), rows(state["values"], b, kv),
            rows(state["compressed_keys"], b, kv), rows(state["compressed_values"], b, kv)};
  }
  static Caches<const float> caches_of(const Tape& tape, i64 b, i64 kv) {
    const std::vector<Tensor>& kept = tape.tensors;
    return {rows(kept[kKept], b, kv), rows(kept[kKept + 1], b, kv), rows(kept[kKept + 2], b, kv),
            rows(kept[kKept + 3], b, kv)};
  }

  /// Of a head's row of key_pool (0) or value_pool (1).
  Scratch pool(std::span<const float> weights, int which, i64 kv) const {
    return pool_shares(weights.subspan(static_cast<std::size_t>(pool_at(which, kv)),
                                       static_cast<std::size_t>(blocks_.block)));
  }
  i64 pool_at(int which, i64 kv) const {
    return i64{kBranches} * shape_.query_heads + (which * shape_.kv_heads + kv) * blocks_.block;
  }

  /// Keys and values of the chunk, and what they are compressed to in blocks that it completes.
  void append(std::span<const float> weights, const Chunk& in, const Rope::Angles& angles,
              State& state) const {
    const i64 position = state.position, block = blocks_.block, d = shape_.head_dim;
    const bool threads = worth_threads(*this, in, position);
    append_to_caches(in, position, rope_, angles, state["keys"], state["values"], threads);
#pragma omp parallel for collapse(2) schedule(static) if (threads)
    for (i64 b = 0; b < in.batch(); ++b) {
      for (i64 kv = 0; kv < shape_.kv_heads; ++kv) {
        const Caches<float> caches = caches_of(state, b, kv);
        const Scratch key_pool = pool(weights, 0, kv), value_pool = pool(weights, 1, kv);
        for (i64 c = position / block; c < (position + in.tokens()) / block; ++c) {
          const i64 at = c * block * d;
          compress_block(key_pool, caches.keys + at, d, caches.compressed_keys + c * d);
          compress_block(value_pool, caches.values + at, d, caches.compressed_values + c * d);
        }
      }
    }
  }

  /// From the gradients of the blocks that the call compressed to those of their keys, values and
  /// pools; it overwrote what was in their place.
  void undo_pools(std::span<const float> weights, i64 position, i64 tokens, i64 kv,
                  const Caches<const float>& caches, const Caches<float>& d_caches,
                  std::vector<double>& d_weights) const {
    const i64 block = blocks_.block, d = shape_.head_dim;
    const Scratch key_pool = pool(weights, 0, kv), value_pool = pool(weights, 1, kv);
    double* d_key_pool = &d_weights[static_cast<std::size_t>(pool_at(0, kv))];
    double* d_value_pool = &d_weights[static_cast<std::size_t>(pool_at(1, kv))];
    for (i64 c = position / block; c < (position + tokens) / block; ++c) {
      const i64 at = c * block * d;
      undo_compress_block(key_pool, caches.keys + at, d, d_caches.compressed_keys + c * d,
                          d_caches.keys + at, d_key_pool);
      undo_compress_block(value_pool, caches.values + at, d, d_caches.compressed_values + c * d,
                          d_caches.values + at, d_value_pool);
    }
  }

  SelectedRun selected(const Run<const float>& run, i64 position,
                       const Caches<const float>& caches) const {
    return {run.queries,
            position,
            {caches.keys, caches.values, Element::f32, 0, position + run.rows()},
            run.chosen};
  }

  kernels::Problem window_problem(View<const float, 3> queries, i64 position,
                                  const Caches<const float>& caches) const {
    const i64 first = window_start(position), skipped = first * shape_.head_dim;
    return {.queries = queries,
            .sink_queries = {},
            .position = position,
            .recent = {caches.keys + skipped, caches.values + skipped, Element::f32, first,
                       position + queries.extent(1) - first},
            .window = window_};
  }
  i64 window_start(i64 position) const { return std::max<i64>(0, position - window_ + 1); }

  float gate(std::span<const float> weights, const Chunk& in, i64 b, i64 t, i64 branch,
             i64 head) const {
    const i64 i = branch * shape_.query_heads + head;
    return 1 / (1 + std::exp(-(in.projected(b, t, i) + weights[static_cast<std::size_t>(i)])));
  }

  /// Rows `first` on of the chunk's outputs from the run's branches.
  void mix(std::span<const float> weights, const Chunk& in, i64 b, i64 kv, i64 first,
           const Run<const float>& run, View<float, 4> out) const {
    for (i64 g = 0; g < shape_.group(); ++g) {
      const i64 head = kv * shape_.group() + g;
      for (i64 i = 0; i < run.rows(); ++i) {
        const std::span<float> to = out.row(b, first + i, head);
        std::ranges::fill(to, 0.0f);
        for (i64 branch = 0; branch < kBranches; ++branch) {
          add_scaled(gate(weights, in, b, first + i, branch, head),
                     run.out[branch].row(g, i).data(), to.data(), shape_.head_dim);
        }
      }
    }
  }

  /// Gradients of the gates, and of each branch's outputs, [G, R, D].
  void undo_mix(std::span<const float> weights, const Chunk& in, i64 b, i64 kv, i64 first,
                const Run<const float>& run, View<const float, 4> d_out, const ChunkGrad& grad,
                std::vector<double>& d_weights, Floats* d_branches) const {
    const i64 d = shape_.head_dim;
    for (i64 branch = 0; branch < kBranches; ++branch) {
      d_branches[branch].resize(static_cast<std::size_t>(shape_.group() * run.rows() * d));
      for (i64 n = 0; n < shape_.group() * run.rows(); ++n) {
        const i64 g = n / run.rows(), i = n % run.rows(), head = kv * shape_.group() + g;
        const float share = gate(weights, in, b, first + i, branch, head);
        const float* from = d_out.row(b, first + i, head).data();
        const float slope = dot(from, run.out[branch].row(g, i).data(), d) * share * (1 - share);
        const i64 at = branch * shape_.query_heads + head;
        grad.projected(b, first + i, at) += slope;
        d_weights[static_cast<std::size_t>(at)] += static_cast<double>(slope);
        add_scaled(share, from, &d_branches[branch][n * d], d);
      }
    }
  }

  void undo_branches(const Run<const float>& run, i64 position, const Caches<const float>& caches,
                     const Floats* d_branches, View<float, 3> d_queries,
                     const Caches<float>& d_caches) const {
    const i64 group = shape_.group(), d = shape_.head_dim;
    const auto d_out = [&](Branch branch) {
      return View<const float, 3>(d_branches[branch].data(), {group, run.rows(), d});
    };
    undo_compressed(blocks_, run.queries, position, caches.compressed(), run.out[kCompressed],
                    run.lse[kCompressed], d_out(kCompressed), d_queries, d_caches.compressed());
    undo_selected(blocks_, selected(run, position, caches), run.out[kSelected], run.lse[kSelected],
                  d_out(kSelected), d_queries, d_caches.keys, d_caches.values);
    const i64 skipped = window_start(position) * d;
    kernels::backward(window_problem(run.queries, position, caches), run.out[kWindow],
                      run.lse[kWindow], d_out(kWindow),
                      {.queries = d_queries,
                       .sink_queries = {},
                       .recent_keys = d_caches.keys + skipped,
                       .recent_values = d_caches.values + skipped});
  }

  /// Blocks before their own that the first `tokens` tokens have.
  i64 compressed_before(i64 tokens) const {
    const i64 blocks = tokens / blocks_.block, rest = tokens % blocks_.block;
    return blocks_.block * (blocks * (blocks - 1) / 2) + rest * blocks;
  }
  /// Sum of min(t + 1, window).
  i64 window_pairs_before(i64 tokens) const {
    const i64 rising = std::min(tokens, window_);
    return rising * (rising + 1) / 2 + (tokens - rising) * window_;
  }

  i64 window_;
  BlockRule blocks_;
  Shape shape_;
  Rope rope_;
};

const Registered<AttentionRegistry, CompressSelect> registered{
    "compress_select",
    "gated softmaxes over compressed blocks, blocks they choose, and a window (arXiv 2502.11089)"};

}  // namespace
}  // namespace longreach::attention
