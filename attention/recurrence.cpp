// Linear recurrences: what the blocks of recurrence_block.h are made from, and their order.
#include "attention/recurrence.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "attention/inspection.h"
#include "attention/recurrence_block.h"
#include "attention/rows.h"
#include "attention/segments.h"
#include "attention/tasks.h"
#include "core/vector_math.h"

namespace longreach::attention {
namespace {

float sigmoid(float x) { return 1 / (1 + std::exp(-x)); }

/// Fills blocks from a chunk and hands their gradients back.
class Loader {
 public:
  Loader(const RecurrenceRule& rule, const Shape& shape, const Rope& rope,
         const std::optional<FeatureMap>& map, std::span<const float> decay_bias, const Chunk& in,
         i64 position)
      : rule_(rule),
        shape_(shape),
        rope_(rope),
        map_(map),
        decay_bias_(decay_bias),
        in_(in),
        angles_(rope.angles(position, in.tokens())) {}

  void load(const Piece& piece, i64 b, i64 kv, RecurrenceBlock& work) const {
    work.start(piece.rows);
    if (map_) {
      gather_queries(piece, b, kv, work.unmapped);
      map_->map(work.unmapped.data(), shape_.group() * piece.rows, work.q.data());
      gather_keys(piece, b, kv, work.unmapped);
      map_->map(work.unmapped.data(), piece.rows, work.k.data());
    } else {
      gather_queries(piece, b, kv, work.q);
      gather_keys(piece, b, kv, work.k);
      prepare(work.q, true);
      prepare(work.k, false);
    }
    gather(in_.v, b, kv, piece.first, piece.rows, none_, angles_, piece.first, work.v.data());
    for (i64 t = 0; t < piece.rows; ++t) {
      if (rule_.delta) work.strength[t] = sigmoid(in_.projected(b, piece.first + t, kv));
      if (rule_.decay != Decay::none) fill_kept(b, piece.first + t, kv, t, work);
    }
    work.decay();
  }

  /// Adds a block's gradients to the chunk's, and to those of the stream's decay biases.
  void hand_back(const Piece& piece, i64 b, i64 kv, RecurrenceBlock& work, const ChunkGrad& grad,
                 double* d_decay_bias) const {
    const i64 d = shape_.head_dim, count = piece.rows * d;
    undo_prepare(piece, b, kv, work);
    for (i64 g = 0; g < shape_.group(); ++g) {
      hand_over(&work.d_q[g * count], piece.rows, rope_, angles_, piece.first, grad.q, b,
                kv * shape_.group() + g, piece.first);
    }
    hand_over(work.d_k.data(), piece.rows, rope_, angles_, piece.first, grad.k, b, kv, piece.first);
    hand_over(work.d_v.data(), piece.rows, none_, angles_, piece.first, grad.v, b, kv, piece.first);
    for (i64 t = 0; t < piece.rows; ++t) {
      const i64 token = piece.first + t;
      if (rule_.delta) {
        const float w = work.strength[t];
        grad.projected(b, token, kv) += work.d_strength[t] * w * (1 - w);
      }
      if (shares(rule_, shape_) == 0) continue;
      // Of log a_t, which rows of S may share.
      float* d_log = &work.d_kept_log[t * d];
      const i64 each = rule_.decay == Decay::by_head ? 1 : d;
      if (each == 1) d_log[0] = std::accumulate(d_log, d_log + d, 0.0f);
      sigmoid_power_backward(&work.logits[t * each], power(), kLeast, &work.kept[t * d], d_log,
                             each);
      add_scaled(1, d_log, &grad.projected(b, token, strengths(rule_, shape_) + kv * each), each);
      for (i64 i = 0; i < each; ++i) d_decay_bias[kv * each + i] += d_log[i];
    }
  }

 private:
  static constexpr float kLeast = static_cast<float>(kLeastLog);
  float power() const { return static_cast<float>(1 / rule_.temperature); }

  /// a_t [D] of one token, and the x_t + c that it comes from.
  void fill_kept(i64 b, i64 token, i64 kv, i64 t, RecurrenceBlock& work) const {
    const i64 d = shape_.head_dim;
    float* to = &work.kept[t * d];
    if (rule_.decay == Decay::fixed) {
      std::fill_n(to, d, 1 - std::exp2(-5.0f - static_cast<float>(kv)));
      return;
    }
    const i64 each = shares(rule_, shape_) / shape_.kv_heads, first = kv * each;
    float* x = &work.logits[t * each];
    std::copy_n(&in_.projected(b, token, strengths(rule_, shape_) + first), each, x);
    add_scaled(1, &decay_bias_[first], x, each);
    sigmoid_power(x, power(), kLeast, to, each);
    if (each == 1) std::fill(to + 1, to + d, to[0]);
  }

  /// Turned rows [G, C, D] and [C, D].
  void gather_queries(const Piece& piece, i64 b, i64 kv, Scratch& rows) const {
    const i64 count = piece.rows * shape_.head_dim;
    rows.resize(static_cast<std::size_t>(shape_.group() * count));
    for (i64 g = 0; g < shape_.group(); ++g) {
      gather(in_.q, b, kv * shape_.group() + g, piece.first, piece.rows, rope_, angles_,
             piece.first, &rows[g * count]);
    }
  }
  void gather_keys(const Piece& piece, i64 b, i64 kv, Scratch& rows) const {
    rows.resize(static_cast<std::size_t>(piece.rows * shape_.head_dim));
    gather(in_.k, b, kv, piece.first, piece.rows, rope_, angles_, piece.first, rows.data());
  }

  float query_scale() const { return 1 / std::sqrt(static_cast<float>(shape_.head_dim)); }

  static float length(const float* row, i64 d) {
    return std::sqrt(dot(row, row, d) + static_cast<float>(kUnitEpsilon));
  }

  /// Turned rows become what meets the matrix where no feature map makes it.
  void prepare(Scratch& x, bool query) const {
    const i64 d = shape_.head_dim;
    if (rule_.unit) {
      for (i64 i = 0; i < std::ssize(x); i += d) scale(1 / length(&x[i], d), &x[i], d);
    } else if (query) {
      scale(query_scale(), x.data(), std::ssize(x));
    }
  }

  void undo_prepare(const Piece& piece, i64 b, i64 kv, RecurrenceBlock& work) const {
    const i64 d = shape_.head_dim;
    if (map_) {
      const auto undo_map = [&](const Scratch& rows, const Scratch& features, Scratch& grad) {
        Scratch d_rows(rows.size());
        map_->backward(rows.data(), features.data(), grad.data(), std::ssize(rows) / d,
                       d_rows.data());
        grad = std::move(d_rows);
      };
      gather_queries(piece, b, kv, work.unmapped);
      undo_map(work.unmapped, work.q, work.d_q);
      gather_keys(piece, b, kv, work.unmapped);
      return undo_map(work.unmapped, work.k, work.d_k);
    }
    if (!rule_.unit) return scale(query_scale(), work.d_q.data(), std::ssize(work.d_q));
    // Turning keeps lengths, so that those of the rows as they came will do.
    const auto undo = [d](const float* row, const float* unit, float* grad) {
      add_scaled(-dot(unit, grad, d), unit, grad, d);
      scale(1 / length(row, d), grad, d);
    };
    for (i64 t = 0; t < piece.rows; ++t) {
      undo(in_.k.row(b, piece.first + t, kv).data(), &work.k[t * d], &work.d_k[t * d]);
      for (i64 g = 0; g < shape_.group(); ++g) {
        const i64 at = (g * piece.rows + t) * d;
        undo(in_.q.row(b, piece.first + t, kv * shape_.group() + g).data(), &work.q[at],
             &work.d_q[at]);
      }
    }
  }

  const RecurrenceRule& rule_;
  const Shape& shape_;
  const Rope& rope_;
  const std::optional<FeatureMap>& map_;
  const std::span<const float> decay_bias_;
  const Rope none_{std::nullopt, shape_.head_dim};
  const Chunk& in_;
  const Rope::Angles angles_;
};

Matrices matrices_of(State& state, bool normalized, i64 b, i64 kv) {
  return {state["memory"].view<4>().row(b, kv, 0).data(),
          normalized ? state["normalizer"].view<3>().row(b, kv).data() : nullptr};
}

}  // namespace

Recurrence::Recurrence(const RecurrenceRule& rule, const Shape& shape)
    : rule_(rule), shape_(shape), rope_(rule.rope, shape.head_dim) {
  validate(shape);
  check(!rule.features || rule.decay == Decay::none, "normalizers do not fade");
  if (rule.features) map_.emplace(*rule.features, shape.head_dim);
}

std::vector<ProjectionSpec> Recurrence::projections() const {
  std::vector<ProjectionSpec> specs;
  if (rule_.delta) specs.push_back({"write_strength", strengths(rule_, shape_)});
  if (shares(rule_, shape_) > 0) specs.push_back({"decay", shares(rule_, shape_)});
  return specs;
}

std::vector<WeightSpec> Recurrence::weights() const {
  if (shares(rule_, shape_) == 0) return {};
  return {
      {"decay_bias", {shares(rule_, shape_)}, static_cast<float>(rule_.decay_initial), 1, false}};
}

State Recurrence::initial_state(i64 batch, i64) const {
  const i64 h = shape_.kv_heads, d = shape_.head_dim;
  State state{0, {{"memory", Tensor({batch, h, key_size(), d})}}, {}};
  if (map_) state.tensors.push_back({"normalizer", Tensor({batch, h, key_size()})});
  return state;
}

i64 Recurrence::state_bytes(i64) const {
  const i64 d = shape_.head_dim;
  return shape_.kv_heads * key_size() * (d + (map_ ? 1 : 0)) * bytes_of(Element::f32);
}

void Recurrence::forward(std::span<const float> weights, const Chunk& in, State& state,
                         View<float, 4> out, Tape* tape) const {
  const i64 d = shape_.head_dim, group = shape_.group();
  if (tape != nullptr) {
    *tape = {state.position, {}};
    for (const NamedTensor& named : state.tensors) tape->tensors.push_back(named.tensor);
  }
  const std::vector<Piece> pieces = cut_at_segments(state.position, in.tokens(), rule_.block);
  const Loader loader(rule_, shape_, rope_, map_, weights, in, state.position);
  i64 read = 0, written = 0;
#pragma omp parallel for collapse(2) schedule(static) reduction(+ : read, written) if (worth_threads(*this, in, state.position))
  for (i64 b = 0; b < in.batch(); ++b) {
    for (i64 kv = 0; kv < shape_.kv_heads; ++kv) {
      const Matrices m = matrices_of(state, map_.has_value(), b, kv);
      RecurrenceBlock work(rule_, shape_, key_size());
      for (const Piece& piece : pieces) {
        loader.load(piece, b, kv, work);
        work.attend(m);
        work.advance(m);
        read += group * piece.rows;
        written += piece.rows;
        for (i64 r = 0; r < group * piece.rows; ++r) {
          const float inverse = 1 / work.divisor[r];
          float* to = out.row(b, piece.first + r % piece.rows, kv * group + r / piece.rows).data();
          for (i64 i = 0; i < d; ++i) to[i] = work.out[r * d + i] * inverse;
        }
      }
    }
  }
  state.position += in.tokens();
  state.activity += {.tokens = in.tokens(),
                     .memory_reads = read / (in.batch() * shape_.query_heads),
                     .compressions = written / (in.batch() * shape_.kv_heads)};
}

void Recurrence::backward(std::span<const float> weights, const Chunk& in, const Tape& tape,
                          View<const float, 4> d_out, State& d_state, const ChunkGrad& grad,
                          std::span<float> d_weights) const {
  const i64 d = shape_.head_dim, group = shape_.group();
  const std::vector<Piece> pieces = cut_at_segments(tape.position, in.tokens(), rule_.block);
  const Loader loader(rule_, shape_, rope_, map_, weights, in, tape.position);
  const i64 biases = std::ssize(weights);
  std::vector<double> d_bias(static_cast<std::size_t>(in.batch() * biases));
#pragma omp parallel for collapse(2) schedule(static) if (worth_threads(*this, in, tape.position))
  for (i64 b = 0; b < in.batch(); ++b) {
    for (i64 kv = 0; kv < shape_.kv_heads; ++kv) {
      // The matrices before each block, made again from those before the chunk.
      const i64 f = key_size(), floats = f * (d + 1);
      Scratch before(static_cast<std::size_t>(std::ssize(pieces) * floats));
      const auto at = [&](std::size_t i) {
        float* s = &before[static_cast<i64>(i) * floats];
        return Matrices{s, map_ ? s + f * d : nullptr};
      };
      std::copy_n(tape.tensors[0].view<4>().row(b, kv, 0).data(), f * d, at(0).s);
      if (map_) std::ranges::copy(tape.tensors[1].view<3>().row(b, kv), at(0).z);
      RecurrenceBlock work(rule_, shape_, key_size());
      for (std::size_t i = 1; i < pieces.size(); ++i) {
        std::copy_n(at(i - 1).s, floats, at(i).s);  // z lies behind S
        loader.load(pieces[i - 1], b, kv, work);
        work.write(at(i - 1));
        work.advance(at(i));
      }
      const Matrices d_m = matrices_of(d_state, map_.has_value(), b, kv);
      for (std::size_t i = pieces.size(); i-- > 0;) {
        const Piece& piece = pieces[i];
        loader.load(piece, b, kv, work);
        work.attend(at(i));
        Scratch d_rows(static_cast<std::size_t>(group * piece.rows * d));
        for (i64 r = 0; r < group * piece.rows; ++r) {
          std::ranges::copy(d_out.row(b, piece.first + r % piece.rows, kv * group + r / piece.rows),
                            &d_rows[r * d]);
        }
        work.undo(at(i), d_rows.data(), d_m);
        loader.hand_back(piece, b, kv, work, grad, d_bias.data() + b * biases);
      }
    }
  }
  add_over_streams(d_bias, in.batch(), d_weights);
  d_state.position = tape.position;
}

Cost Recurrence::cost(i64, i64 tokens) const {
  const double d = static_cast<double>(shape_.head_dim), f = static_cast<double>(key_size());
  const auto reads = static_cast<double>(tokens * shape_.query_heads);
  const auto writes = static_cast<double>(tokens * shape_.kv_heads);
  Cost cost;
  cost.activity = {.tokens = tokens, .memory_reads = tokens, .compressions = tokens};
  cost.flops = reads * 2 * f * d + writes * (rule_.delta ? 4 : 2) * f * d;
  if (rule_.decay != Decay::none) cost.flops += writes * f * d;
  if (map_) cost.flops += reads * (2 * f + d) + writes * f + (reads + writes) * map_->flops();
  cost.bytes_moved = writes * 2 * f * d * static_cast<double>(sizeof(float));
  return cost;
}

std::vector<double> Recurrence::reference(std::span<const double> weights,
                                          const ReferenceStream& in) const {
  return reference_recurrence(shape_, rule_, weights, in, rope_, map_);
}

std::vector<Observation> Recurrence::inspect(std::span<const float>, const Chunk&,
                                             const State& before) const {
  return memory_observations(before["memory"].view<4>());
}

}  // namespace longreach::attention
