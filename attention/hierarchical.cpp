// Memories at several time scales: local softmax inside a segment, and a Fenwick tree of
// compressive memories over the segments before it (log-linear attention, Guo et al. 2025, arXiv
// 2506.04761, which has linear attention's sums in place of normalized reads).
#include <algorithm>
#include <cmath>

#include "attention/fenwick.h"
#include "attention/open_segment.h"
#include "attention/reference.h"
#include "attention/rows.h"
#include "attention/tasks.h"
#include "core/vector_math.h"

namespace longreach::attention {
namespace {

/// Whose the weights of levels are.
enum class LevelWeights { token, head };

}  // namespace
}  // namespace longreach::attention

namespace longreach {
template <>
struct EnumNames<attention::LevelWeights> {
  static constexpr std::array<std::string_view, 2> names{"token", "head"};
};
}  // namespace longreach

namespace longreach::attention {
namespace {

/// A = sum over c of w_c A_c: A_0 the local softmax, A_{1+i} = sigma(q) M_i / (sigma(q) z_i) of the
/// levels that hold something; w = softmax over these of b_c + x_c, with b of the head and x
/// projected from the token. Every segment is in exactly one memory, the recent ones in small ones.
///
/// State: (M, z) of each level, O(log(T / N)) of them until `levels` are reached and that many from
/// there on; and the open segment. `levels: 1` is one memory of everything.
class Hierarchical final : public Backend {
 public:
  struct Params {
    OpenSegment::Params segment{};
    i64 levels = 12;
    LevelWeights level_weights = LevelWeights::token;
    double bias_lr_scale = 10;
    void fields(Fields& f) {
      segment.fields(f);
      f("levels", levels, between(1, 40), "most memories; the last takes what the others cannot");
      f("level_weights", level_weights, "the weights of levels: each token's, or a head's alone");
      f("bias_lr_scale", bias_lr_scale, at_least(0),
        "the learning rate of heads' own level weights over the others'");
    }
  };

  Hierarchical(const Params& params, const Shape& shape)
      : params_(params), shape_(shape), segment_(params.segment, shape), tree_{params.levels} {}

  const Shape& shape() const override { return shape_; }
  double state_rounding() const override { return segment_.rounding(); }

  std::vector<WeightSpec> weights() const override {
    return {{"level_bias", {shape_.query_heads, parts()}, 0, params_.bias_lr_scale, false}};
  }
  std::vector<ProjectionSpec> projections() const override {
    if (params_.level_weights == LevelWeights::head) return {};
    return {{"level_weights", shape_.query_heads * parts()}};
  }

  State initial_state(i64 batch, i64 capacity) const override {
    const i64 h = shape_.kv_heads, f = segment_.features().size(), levels = levels_for(capacity);
    State state{0,
                {{"memories", Tensor({batch, h, levels, f * shape_.head_dim})},
                 {"normalizers", Tensor({batch, h, levels, f})}},
                {}};
    segment_.add_to(state, batch);
    return state;
  }

  i64 state_bytes(i64 capacity) const override {
    const i64 matrix = segment_.features().size() * (shape_.head_dim + 1);
    return shape_.kv_heads *
           (levels_for(capacity) * matrix * bytes_of(Element::f32) + segment_.bytes());
  }

  void forward(std::span<const float> weights, const Chunk& in, State& state, View<float, 4> out,
               Tape* tape) const override {
    check(levels_for(state.position + in.tokens()) <= state["memories"].shape()[2],
          "a hierarchical stream outgrew its capacity");
    const std::vector<Piece> pieces = segment_.cut(state.position, in.tokens());
    if (tape != nullptr) *tape = make_tape(in, state, std::ssize(pieces));
    i64 pairs = 0, reads = 0, writes = 0;
#pragma omp parallel for collapse(2) schedule(static) reduction(+ : pairs, reads, writes) if (worth_threads(*this, in, state.position))
    for (i64 b = 0; b < in.batch(); ++b) {
      for (i64 kv = 0; kv < shape_.kv_heads; ++kv) {
        for (std::size_t n = 0; n < pieces.size(); ++n) {
          const Activity done = forward_piece(weights, in, state, out, tape, n, pieces[n], b, kv);
          pairs += done.keys_scored, reads += done.memory_reads, writes += done.compressions;
        }
        segment_.forget_closed(pieces, b, kv, state);
      }
    }
    state.position += in.tokens();
    const i64 heads = in.batch() * shape_.query_heads;
    state.activity += {.tokens = in.tokens(),
                       .keys_scored = pairs / heads,
                       .memory_reads = reads / heads,
                       .compressions = writes / (in.batch() * shape_.kv_heads)};
  }

  void backward(std::span<const float> weights, const Chunk& in, const Tape& tape,
                View<const float, 4> d_out, State& d_state, const ChunkGrad& grad,
                std::span<float> d_weights) const override {
    const std::vector<Piece> pieces = segment_.cut(tape.position, in.tokens());
    const i64 size = shape_.query_heads * parts();
    std::vector<double> d_bias(static_cast<std::size_t>(in.batch() * size));
#pragma omp parallel for collapse(2) schedule(static) if (worth_threads(*this, in, tape.position))
    for (i64 b = 0; b < in.batch(); ++b) {
      for (i64 kv = 0; kv < shape_.kv_heads; ++kv) {
        for (std::size_t n = pieces.size(); n-- > 0;) {
          undo_piece(weights, in, const_cast<Tape&>(tape), n, pieces[n], b, kv, d_out, d_state,
                     grad, &d_bias[b * size]);
        }
      }
    }
    add_over_streams(d_bias, in.batch(), d_weights);
    d_state.position = tape.position;
  }

  Cost cost(i64 position, i64 tokens) const override {
    const i64 n = segment_.length(), end = position + tokens;
    const auto reads_before = [&](i64 t) {
      return n * tree_.held_before(t / n) + t % n * tree_.held(t / n);
    };
    Cost cost;
    cost.activity = {.tokens = tokens,
                     .keys_scored = segment_.pairs_before(end) - segment_.pairs_before(position),
                     .memory_reads = reads_before(end) - reads_before(position),
                     .compressions = end / n - position / n};
    const double d = static_cast<double>(shape_.head_dim);
    const double f = static_cast<double>(segment_.features().size());
    const double map = segment_.features().flops();
    const double pairs = static_cast<double>(cost.activity.keys_scored);
    const double reads = static_cast<double>(cost.activity.memory_reads);
    const double writes = static_cast<double>(cost.activity.compressions);
    const double merges =
        static_cast<double>(tree_.merged_before(end / n) - tree_.merged_before(position / n));
    const double q = static_cast<double>(shape_.query_heads);
    const double kv = static_cast<double>(shape_.kv_heads);
    const double parts = reads + static_cast<double>(tokens);  // each a weight and a scaled sum
    cost.flops =
        q * (pairs * (4 * d + 1) + reads * (map + 2 * f * d + 2 * f + d) + parts * (2 * d + 2)) +
        kv * (writes * static_cast<double>(n) * (map + 2 * f * d + 2 * f) + merges * f * (d + 1));
    const double row = static_cast<double>(segment_.bytes() / n);
    cost.bytes_moved = kv * ((pairs + static_cast<double>(tokens)) * row +
                             sizeof(float) * (reads + 2 * writes + 2 * merges) * f * (d + 1));
    return cost;
  }

  std::vector<double> reference(std::span<const double> weights,
                                const ReferenceStream& in) const override {
    return reference_hierarchical(shape_, segment_.length(), params_.levels, weights, in,
                                  segment_.rope(), segment_.features());
  }

 private:
  enum : std::size_t { kLocal, kLse, kFirst, kWritten, kKeys, kValues };

  i64 parts() const { return params_.levels + 1; }
  i64 matrix_size() const { return segment_.features().size() * (shape_.head_dim + 1); }
  /// Levels that the segments of so many tokens can reach: one at least.
  i64 levels_for(i64 capacity) const {
    const auto closed = static_cast<std::uint64_t>(capacity / segment_.length());
    return std::clamp<i64>(static_cast<i64>(std::bit_width(closed)), 1, params_.levels);
  }

  Memory memory_of(State& state, i64 b, i64 kv, i64 level) const {
    return {state["memories"].view<4>().row(b, kv, level).data(),
            state["normalizers"].view<4>().row(b, kv, level).data(), segment_.features().size(),
            shape_.head_dim};
  }
  /// (M, z) one after the other.
  Memory memory_at(float* matrix) const {
    const i64 f = segment_.features().size();
    return {matrix, matrix + f * shape_.head_dim, f, shape_.head_dim};
  }

  /// Local outputs and their log-sum-exp; the levels before the call, and after each piece that
  /// closed a segment the one it was written to; the rows of every piece's segment.
  Tape make_tape(const Chunk& in, State& state, i64 pieces) const {
    const i64 batch = in.batch(), h = shape_.kv_heads, size = matrix_size();
    const i64 levels = state["memories"].shape()[2];
    Tape tape{state.position,
              {Tensor::unset({batch, in.tokens(), shape_.query_heads, shape_.head_dim}),
               Tensor::unset({batch, shape_.query_heads, in.tokens()}),
               Tensor::unset({batch, h, levels, size}), Tensor::unset({batch, h, pieces, size}),
               segment_.rows_for(batch * h, pieces), segment_.rows_for(batch * h, pieces)}};
    for (i64 b = 0; b < batch; ++b) {
      for (i64 kv = 0; kv < h; ++kv) {
        for (i64 i = 0; i < levels; ++i) {
          copy(memory_of(state, b, kv, i),
               memory_at(tape.tensors[kFirst].view<4>().row(b, kv, i).data()));
        }
      }
    }
    return tape;
  }
  static void copy(const Memory& from, const Memory& to) {
    std::copy_n(from.matrix, from.f * from.d, to.matrix);
    std::copy_n(from.normalizer, from.f, to.normalizer);
  }
  OpenSegment::Rows rows_in(Tape& tape, i64 b, i64 kv, std::size_t n) const {
    return {&tape.tensors[kKeys], &tape.tensors[kValues], b * shape_.kv_heads + kv,
            static_cast<i64>(n)};
  }

  /// A level that holds something while `piece` is read, from the tape.
  Memory remembered(Tape& tape, const Piece& piece, i64 b, i64 kv, i64 level) const {
    const i64 first = tape.position / segment_.length();
    const i64 written = Fenwick::written_at(piece.segment, level);
    return memory_at(written > first
                         ? tape.tensors[kWritten].view<4>().row(b, kv, written - 1 - first).data()
                         : tape.tensors[kFirst].view<4>().row(b, kv, level).data());
  }

  /// w of one head's rows, [rows, parts], 0 where a level holds nothing.
  Scratch level_weights(std::span<const float> bias, const Chunk& in, const Piece& piece, i64 b,
                        i64 h) const {
    const i64 count = parts();
    Scratch all(static_cast<std::size_t>(piece.rows * count));
    for (i64 r = 0; r < piece.rows; ++r) {
      float* w = &all[r * count];
      float top = -std::numeric_limits<float>::infinity(), sum = 0;
      for (i64 c = 0; c < count; ++c) {
        if (!part_of(piece, c)) continue;
        w[c] = bias[h * count + c];
        if (params_.level_weights == LevelWeights::token)
          w[c] += in.projected(b, piece.first + r, h * count + c);
        top = std::max(top, w[c]);
      }
      for (i64 c = 0; c < count; ++c) {
        w[c] = part_of(piece, c) ? std::exp(w[c] - top) : 0.0f;
        sum += w[c];
      }
      scale(1 / sum, w, count);
    }
    return all;
  }
  bool part_of(const Piece& piece, i64 c) const {
    return c == 0 || tree_.holds(piece.segment, c - 1);
  }

  Activity forward_piece(std::span<const float> bias, const Chunk& in, State& state,
                         View<float, 4> out, Tape* tape, std::size_t n, const Piece& piece, i64 b,
                         i64 kv) const {
    const i64 d = shape_.head_dim, group = shape_.group(), f = segment_.features().size();
    const OpenSegment::Rows held = segment_.held_by(state, b, kv);
    segment_.take(in, piece, b, kv, held);
    if (tape != nullptr) segment_.copy(piece, held, rows_in(*tape, b, kv, n));
    const OpenSegment::Queries queries = segment_.queries_of(in, piece, b, kv, piece.segment > 0);
    Scratch room(static_cast<std::size_t>(tape == nullptr ? group * piece.rows * d : 0));
    const View<float, 3> local =
        tape == nullptr ? View<float, 3>(room.data(), {group, piece.rows, d})
                        : segment_.outputs(tape->tensors[kLocal].view<4>(), piece, b, kv);
    Activity done;
    done.keys_scored = segment_.attend(
        queries, piece, held, local,
        tape == nullptr ? View<float, 2>() : segment_.log_sums(tape->tensors[kLse], piece, b, kv));
    for (i64 g = 0; g < group; ++g) {
      const i64 h = kv * group + g;
      const Scratch weights = level_weights(bias, in, piece, b, h);
      const View<float, 2> to = one_head(out, b, h, piece.first, piece.rows);
      for (i64 r = 0; r < piece.rows; ++r) {
        std::fill_n(to.row(r).data(), d, 0.0f);
        add_scaled(weights[r * parts()], local.row(g, r).data(), to.row(r).data(), d);
      }
      for (i64 level = 0; level < params_.levels; ++level) {
        if (!tree_.holds(piece.segment, level)) continue;
        const Retrieval read(queries.features_of_head(g, f), piece.rows,
                             memory_of(state, b, kv, level));
        for (i64 r = 0; r < piece.rows; ++r) {
          add_scaled(weights[r * parts() + level + 1], &read.values[r * d], to.row(r).data(), d);
        }
        done.memory_reads += piece.rows;
      }
    }
    if (!piece.closes) return done;
    const i64 target = tree_.target(piece.segment);
    const Memory written = memory_of(state, b, kv, target);
    segment_.write(held, Update::linear, in.repeat(b, piece.last()), written);
    for (i64 level = 0; level < target; ++level) {
      const Memory merged = memory_of(state, b, kv, level);
      add_scaled(1, merged.matrix, written.matrix, f * d);
      add_scaled(1, merged.normalizer, written.normalizer, f);
      merged.clear();
    }
    if (tape != nullptr) {
      copy(written,
           memory_at(tape->tensors[kWritten].view<4>().row(b, kv, static_cast<i64>(n)).data()));
    }
    done.compressions = 1;
    return done;
  }

  /// Everything one piece did, backwards. The tape is only read.
  void undo_piece(std::span<const float> bias, const Chunk& in, Tape& tape, std::size_t n,
                  const Piece& piece, i64 b, i64 kv, View<const float, 4> d_out, State& d_state,
                  const ChunkGrad& grad, double* d_bias) const {
    const i64 d = shape_.head_dim, group = shape_.group();
    const OpenSegment::Rows held = rows_in(tape, b, kv, n);
    OpenSegment::KeyGrads grads = segment_.key_grads(piece, n == 0, d_state, b, kv);
    if (piece.closes) {
      const i64 target = tree_.target(piece.segment);
      const Memory d_written = memory_of(d_state, b, kv, target);
      // A linear write does not depend on what it is added to: any memory serves as the one before.
      segment_.write_backward(held, Update::linear, in.repeat(b, piece.last()), d_written,
                              d_written, grads.keys, grads.values);
      for (i64 level = 0; level < target; ++level) {
        copy(d_written, memory_of(d_state, b, kv, level));
      }
    }
    const OpenSegment::Queries queries = segment_.queries_of(in, piece, b, kv, piece.segment > 0);
    Scratch d_local(static_cast<std::size_t>(group * piece.rows * d));
    for (i64 g = 0; g < group; ++g) {
      undo_mix(bias, in, tape, piece, queries, b, kv, g, d_out, d_state,
               &d_local[g * piece.rows * d], grad, d_bias);
    }
    segment_.attend_backward(queries, piece, held,
                             segment_.outputs(tape.tensors[kLocal].view<4>(), piece, b, kv),
                             segment_.log_sums(tape.tensors[kLse], piece, b, kv),
                             View<const float, 3>(d_local.data(), {group, piece.rows, d}),
                             grads.keys, grads.values, b, kv, grad);
    segment_.give(grads, piece, b, kv, grad);
  }

  /// From the gradient of one head's A to those of A_c and w; writes A_0's to d_local [rows, D].
  void undo_mix(std::span<const float> bias, const Chunk& in, Tape& tape, const Piece& piece,
                const OpenSegment::Queries& queries, i64 b, i64 kv, i64 g,
                View<const float, 4> d_out, State& d_state, float* d_local, const ChunkGrad& grad,
                double* d_bias) const {
    const i64 d = shape_.head_dim, f = segment_.features().size(), count = parts();
    const i64 h = kv * shape_.group() + g, rows = piece.rows;
    const Scratch weights = level_weights(bias, in, piece, b, h);
    const View<const float, 2> da = one_head(d_out, b, h, piece.first, rows);
    const View<float, 3> local = segment_.outputs(tape.tensors[kLocal].view<4>(), piece, b, kv);
    // dA . A_c, of every row and part; then d(A_c) = w_c dA.
    Floats along(static_cast<std::size_t>(rows * count));
    const auto take_part = [&](i64 c, i64 r, const float* part, float* d_part) {
      const float w = weights[r * count + c];
      along[r * count + c] = dot(da.row(r).data(), part, d);
      for (i64 i = 0; i < d; ++i) d_part[i] = w * da(r, i);
    };
    for (i64 r = 0; r < rows; ++r) take_part(0, r, local.row(g, r).data(), d_local + r * d);
    for (i64 level = 0; level < params_.levels; ++level) {
      if (!tree_.holds(piece.segment, level)) continue;
      const float* features = queries.features_of_head(g, f);
      const Memory memory = remembered(tape, piece, b, kv, level);
      const Retrieval read(features, rows, memory);
      Scratch d_read(static_cast<std::size_t>(rows * d));
      for (i64 r = 0; r < rows; ++r) take_part(level + 1, r, &read.values[r * d], &d_read[r * d]);
      Floats d_features(static_cast<std::size_t>(rows * f));
      read.backward(features, memory, std::move(d_read), d_features.data(),
                    memory_of(d_state, b, kv, level));
      segment_.features_backward(queries, g, std::move(d_features), piece, b, h, grad);
    }
    for (i64 r = 0; r < rows; ++r) {
      const float mean = dot(&along[r * count], &weights[r * count], count);
      for (i64 c = 0; c < count; ++c) {
        const float d_logit = weights[r * count + c] * (along[r * count + c] - mean);
        d_bias[h * count + c] += d_logit;
        if (params_.level_weights == LevelWeights::token) {
          grad.projected(b, piece.first + r, h * count + c) += d_logit;
        }
      }
    }
  }

  Params params_;
  Shape shape_;
  OpenSegment segment_;
  Fenwick tree_;
};

const Registered<AttentionRegistry, Hierarchical> registered{
    "hierarchical", "local softmax and memories at several time scales (arXiv 2506.04761)"};

}  // namespace
}  // namespace longreach::attention
