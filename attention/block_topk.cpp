// Softmax attention over the blocks of keys that a token finds best by a summary of each, exact
// inside them, with a window and sinks (Quest, Tang et al. 2024, arXiv 2406.10774; InfLLM, Xiao et
// al. 2024, arXiv 2402.04617).
#include <algorithm>

#include "attention/reference.h"
#include "attention/rows.h"
#include "attention/selected_blocks.h"
#include "attention/tasks.h"

namespace longreach {
template <>
struct EnumNames<attention::Summary> {
  static constexpr std::array<std::string_view, 2> names{"mean", "bounds"};
};
}  // namespace longreach

namespace longreach::attention {
namespace {

/// What a token sees is said at BlockRule; one softmax goes over all of it. The score of a block is
/// the sum over the group's query heads of q . summary, so that they share their choice:
///   mean    the mean of the block's turned keys
///   bounds  for each channel the larger of q max k and q min k (Quest): relu(q) . max +
///           min(q, 0) . min, no less than q . k of any of its keys
/// No gradient flows through the choice.
///
/// State: the turned keys and the values of all tokens so far, [B, Hkv, capacity, D] each, and a
/// summary of each complete block, [B, Hkv, capacity / block, D] floats (bounds: 2 D). It grows
/// with the stream; what a token reads of it does not, but for the summaries.
class BlockTopK final : public Backend {
 public:
  struct Params {
    BlockTopKRule rule;
    std::optional<ScaledRopeParams> rope = ScaledRopeParams{};
    void fields(Fields& f) {
      rule.blocks.fields(f);
      f("summary", rule.summary, "what a block is scored by");
      f("cache", rule.cache, "how keys and values are stored");
      f("rope", rope, "rotary positions on queries and keys");
    }
  };

  BlockTopK(const Params& params, const Shape& shape)
      : rule_(params.rule),
        blocks_(params.rule.blocks),
        shape_(shape),
        rope_(params.rope, shape.head_dim) {
    validate(shape);
  }

  const Shape& shape() const override { return shape_; }
  bool appends() const override { return true; }
  std::vector<std::string> statistics() const override { return {"summaries"}; }
  double state_rounding() const override { return rounding_of(rule_.cache); }

  State initial_state(i64 batch, i64 capacity) const override {
    const std::vector<i64> cache{batch, shape_.kv_heads, capacity, shape_.head_dim};
    const std::vector<i64> summaries{batch, shape_.kv_heads, capacity / blocks_.block, width()};
    return {0,
            {{"keys", Tensor(cache, rule_.cache)},
             {"values", Tensor(cache, rule_.cache)},
             {"summaries", Tensor(summaries)}},
            {}};
  }

  i64 state_bytes(i64 capacity) const override {
    return shape_.kv_heads * (2 * capacity * shape_.head_dim * bytes_of(rule_.cache) +
                              capacity / blocks_.block * width() * bytes_of(Element::f32));
  }

  void forward(std::span<const float>, const Chunk& in, State& state, View<float, 4> out,
               Tape* tape) const override {
    const i64 tokens = in.tokens(), position = state.position, d = shape_.head_dim;
    check(position + tokens <= state["keys"].shape()[2],
          "a block_topk stream outgrew its capacity");
    const Rope::Angles angles = rope_.angles(position, tokens);
    append(in, angles, state);
    const i64 chosen = blocks_.chosen_size(position + tokens);
    if (tape != nullptr) {
      *tape = {position, unfilled(in.batch(), shape_.kv_heads, tokens, chosen)};
      tape->tensors.push_back(Tensor::unset({in.batch(), tokens, shape_.query_heads, d}));
      for (const char* name : {"keys", "values"}) {
        tape->tensors.push_back(filled_rows(state[name], position + tokens));
      }
    }
    const i64 group = shape_.group(), step = rows_per_task(shape_.kv_heads, tokens);
    const i64 runs = (tokens + step - 1) / step;
    i64 pairs = 0, scored = 0;
#pragma omp parallel for collapse(3) schedule(dynamic, 1) reduction(+ : pairs, scored) if (worth_threads(*this, in, position))
    for (i64 b = 0; b < in.batch(); ++b) {
      for (i64 kv = 0; kv < shape_.kv_heads; ++kv) {
        for (i64 n = 0; n < runs; ++n) {
          const i64 first = n * step, count = std::min(step, tokens - first), h = kv * group;
          std::vector<Tensor> own;
          if (tape == nullptr) own = unfilled(1, 1, count, chosen);
          const Run<float> run = tape != nullptr ? run_of(tape->tensors, b, kv, first, count)
                                                 : run_of(own, 0, 0, 0, count);
          gather_group(in.q, b, h, first, rope_, angles, first, run.queries);
          scored += choose(run.queries, position + first, state["summaries"], b, kv, run.chosen);
          const View<float, 3> rows = head_rows(out, b, h, group, first, count);
          pairs += attend_selected(
              blocks_, selected(run, position + first, state["keys"], state["values"], b, kv), rows,
              run.lse);
          if (tape == nullptr) continue;
          copy_rows(rows, head_rows(tape->tensors[kOut].view<4>(), b, h, group, first, count));
        }
      }
    }
    state.position += tokens;
    state.activity += {.tokens = tokens,
                       .keys_scored = pairs / (in.batch() * shape_.query_heads),
                       .summaries_scored = scored / (in.batch() * shape_.kv_heads)};
  }

  void backward(std::span<const float>, const Chunk& in, const Tape& tape,
                View<const float, 4> d_out, State& d_state, const ChunkGrad& grad,
                std::span<float>) const override {
    const i64 tokens = in.tokens(), position = tape.position, d = shape_.head_dim;
    const i64 group = shape_.group(), step = rows_per_task(shape_.kv_heads, tokens);
    const Rope::Angles angles = rope_.angles(position, tokens);
    const Rope none(std::nullopt, d);
#pragma omp parallel for collapse(2) schedule(dynamic, 1) if (worth_threads(*this, in, position))
    for (i64 b = 0; b < in.batch(); ++b) {
      for (i64 kv = 0; kv < shape_.kv_heads; ++kv) {
        const i64 h = kv * group;
        float* d_keys = d_state["keys"].view<4>().row(b, kv, 0).data();
        float* d_values = d_state["values"].view<4>().row(b, kv, 0).data();
        Floats d_queries(static_cast<std::size_t>(group * std::min(step, tokens) * d));
        for (i64 first = 0; first < tokens; first += step) {
          const i64 count = std::min(step, tokens - first);
          const Run<const float> run = run_of(tape.tensors, b, kv, first, count);
          undo_selected(
              blocks_,
              selected(run, position + first, tape.tensors[kKeys], tape.tensors[kValues], b, kv),
              head_rows(tape.tensors[kOut].view<4>(), b, h, group, first, count), run.lse,
              head_rows(d_out, b, h, group, first, count), {d_queries.data(), {group, count, d}},
              d_keys, d_values);
          for (i64 g = 0; g < group; ++g) {
            hand_over(&d_queries[g * count * d], count, rope_, angles, first, grad.q, b, h + g,
                      first);
          }
        }
        hand_over(d_keys + position * d, tokens, rope_, angles, 0, grad.k, b, kv, 0);
        hand_over(d_values + position * d, tokens, none, angles, 0, grad.v, b, kv, 0);
      }
    }
    d_state.position = position;
  }

  Cost cost(i64 position, i64 tokens) const override {
    const i64 end = position + tokens;
    const i64 pairs = blocks_.pairs_before(end) - blocks_.pairs_before(position);
    Cost cost = softmax_cost(shape_, tokens, pairs, rule_.cache);
    cost.activity.summaries_scored = blocks_.scored_before(end) - blocks_.scored_before(position);
    // Scoring is one product for the whole group; a key takes an operation a number to summarise.
    const auto numbers = static_cast<double>(shape_.kv_heads * width());
    const auto scored = static_cast<double>(cost.activity.summaries_scored);
    cost.flops += numbers * (2 * scored + static_cast<double>(tokens));
    cost.bytes_moved += numbers * scored * static_cast<double>(bytes_of(Element::f32));
    return cost;
  }

  std::vector<double> reference(std::span<const double>, const ReferenceStream& in) const override {
    return reference_block_topk(shape_, rule_, in, rope_);
  }

 private:
  // The tape: turned queries [B, Hq, T, D], log-sum-exp [B, Hq, T], chosen blocks [B, Hkv, T, top]
  // (none where no token chooses), outputs [B, T, Hq, D], and the caches as far as they are filled.
  enum : std::size_t { kQueries, kLse, kChosen, kOut, kKeys, kValues };

  /// What runs fill, of a tape or of a run alone.
  std::vector<Tensor> unfilled(i64 batch, i64 kv_heads, i64 tokens, i64 chosen) const {
    const i64 heads = kv_heads * shape_.group();
    std::vector<Tensor> tensors(kOut);
    tensors[kQueries] = Tensor::unset({batch, heads, tokens, shape_.head_dim});
    tensors[kLse] = Tensor::unset({batch, heads, tokens});
    tensors[kChosen] = Tensor::unset({batch, kv_heads, tokens, chosen});
    return tensors;
  }

  /// Rows of consecutive tokens for one stream and key/value head.
  template <class T>
  struct Run {
    View<T, 3> queries;  ///< [G, R, D]
    View<T, 2> lse;      ///< [G, R]
    T* chosen;           ///< [R, top]
  };
  template <class Tensors,
            class T = std::conditional_t<std::is_const_v<Tensors>, const float, float>>
  Run<T> run_of(Tensors& tape, i64 b, i64 kv, i64 first, i64 count) const {
    const i64 group = shape_.group(), h = kv * group;
    const std::vector<i64>& n = tape[kChosen].shape();
    return {rows_by_head(tape[kQueries].template view<4>(), b, h, group, first, count),
            lse_rows(tape[kLse].template view<3>(), b, h, group, first, count),
            tape[kChosen].flat().data() + ((b * n[1] + kv) * n[2] + first) * n[3]};
  }

  template <class T>
  static SelectedRun selected(const Run<T>& run, i64 position, const Tensor& keys,
                              const Tensor& values, i64 b, i64 kv) {
    return {run.queries,
            position,
            {cache_row(keys, b, kv, 0), cache_row(values, b, kv, 0), keys.element(), 0,
             position + run.queries.extent(1)},
            run.chosen};
  }

  /// Numbers of a summary: the mean; or maxima, then minima.
  i64 width() const { return (rule_.summary == Summary::bounds ? 2 : 1) * shape_.head_dim; }

  float* summary(Tensor& summaries, i64 b, i64 kv, i64 block) const {
    const std::vector<i64>& n = summaries.shape();
    return summaries.flat().data() + ((b * n[1] + kv) * n[2] + block) * n[3];
  }

  /// Keys and values of the chunk, and the summaries of the blocks that it completes.
  void append(const Chunk& in, const Rope::Angles& angles, State& state) const {
    const i64 position = state.position, end = position + in.tokens(), d = shape_.head_dim;
    const bool threads = worth_threads(*this, in, position);
    append_to_caches(in, position, rope_, angles, state["keys"], state["values"], threads);
#pragma omp parallel for collapse(2) schedule(static) if (threads)
    for (i64 b = 0; b < in.batch(); ++b) {
      for (i64 kv = 0; kv < shape_.kv_heads; ++kv) {
        Scratch keys(static_cast<std::size_t>(blocks_.block * d));
        for (i64 c = position / blocks_.block; c < end / blocks_.block; ++c) {
          load_rows(state["keys"], b, kv, c * blocks_.block, blocks_.block, keys.data());
          summarise(keys.data(), summary(state["summaries"], b, kv, c));
        }
      }
    }
  }

  void summarise(const float* keys, float* to) const {
    const i64 d = shape_.head_dim;
    for (i64 i = 0; i < d; ++i) {
      double sum = 0;
      float most = keys[i], least = keys[i];
      for (i64 j = 0; j < blocks_.block; ++j) {
        const float key = keys[j * d + i];
        sum += static_cast<double>(key);
        most = std::max(most, key);
        least = std::min(least, key);
      }
      to[i] = rule_.summary == Summary::bounds
                  ? most
                  : static_cast<float>(sum / static_cast<double>(blocks_.block));
      if (rule_.summary == Summary::bounds) to[d + i] = least;
    }
  }

  /// Chooses for the rows at `position` and after; returns the pairs of rows and blocks scored.
  i64 choose(View<const float, 3> queries, i64 position, Tensor& summaries, i64 b, i64 kv,
             float* chosen) const {
    const i64 rows = queries.extent(1), first = blocks_.first_choosing(position, rows);
    if (first == rows) return 0;
    const Floats probes = probes_of(queries);
    Scratch scores;
    i64 scored = 0;
    for (i64 row = first; row < rows;) {  // the rows of one block after the other
      const i64 c = (position + row) / blocks_.block, candidates = blocks_.candidates(c);
      const i64 count = std::min(rows, (c + 1) * blocks_.block - position) - row;
      // A product of one row sums in another order, and the choice must not depend on how many
      // tokens a call brings: a row on its own takes another with it.
      const i64 height = std::max<i64>(2, count);
      scores.resize(static_cast<std::size_t>(height * candidates));
      multiply_nt(Matrix(&probes[row * width()], height, width()),
                  Matrix(summary(summaries, b, kv, blocks_.sinks), candidates, width()),
                  MutableMatrix(scores.data(), height, candidates), Into::overwrite);
      for (i64 i = 0; i < count; ++i) {
        choose_blocks(blocks_, c, &scores[i * candidates], chosen + (row + i) * blocks_.top);
      }
      scored += count * candidates;
      row += count;
    }
    return scored;
  }

  /// What summaries are multiplied with, summed over the group: queries, or their positive and
  /// their negative parts. [R + 1, width]: the last row is of no token.
  Floats probes_of(View<const float, 3> queries) const {
    const i64 rows = queries.extent(1), d = shape_.head_dim;
    Floats probes(static_cast<std::size_t>((rows + 1) * width()));
    for (i64 g = 0; g < queries.extent(0); ++g) {
      for (i64 row = 0; row < rows; ++row) {
        const float* from = queries.row(g, row).data();
        float* to = &probes[row * width()];
        for (i64 i = 0; i < d; ++i) {
          to[i] += rule_.summary == Summary::bounds ? std::max(from[i], 0.0f) : from[i];
          if (rule_.summary == Summary::bounds) to[d + i] += std::min(from[i], 0.0f);
        }
      }
    }
    return probes;
  }

  BlockTopKRule rule_;
  BlockRule blocks_;
  Shape shape_;
  Rope rope_;
};

const Registered<AttentionRegistry, BlockTopK> registered{
    "block_topk",
    "softmax over the blocks of keys with the best summaries, a window and sinks (arXiv "
    "2406.10774)"};

}  // namespace
}  // namespace longreach::attention
