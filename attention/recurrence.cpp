// Linear recurrences in blocks: inside a block of C tokens all pairs meet at once, as in attention
// without a softmax, and only the block as a whole meets the matrix (GLA, arXiv 2312.06635; for the
// delta rule arXiv 2406.06484). With b_t the product of the shares kept in the block up to token t,
//
//   o_t = (q_t b_t) S + sum over j <= t of ((q_t b_t) . (k_j / b_j)) u_j
//   S'  = diag(b_C) S + sum over j of (k_j b_C / b_j) u_j^T
//
// and under the delta rule the u solve a unit triangular system:
//   u_t + w_t sum over j < t of ((k_t b_t) . (k_j / b_j)) u_j = w_t (v_t - (k_t b_t) S).
// Longer than most files: forward and backward of one mechanism are read side by side.
#include "attention/recurrence.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "attention/rows.h"
#include "attention/segments.h"
#include "attention/tasks.h"
#include "core/linalg.h"
#include "core/vector_math.h"

namespace longreach::attention {
namespace {

float sigmoid(float x) { return 1 / (1 + std::exp(-x)); }

/// x = a * b, y += a * b.
void times(const float* a, const float* b, float* x, i64 n) {
  for (i64 i = 0; i < n; ++i) x[i] = a[i] * b[i];
}
void add_times(const float* a, const float* b, float* y, i64 n) {
  for (i64 i = 0; i < n; ++i) y[i] += a[i] * b[i];
}

/// S and z of one stream and head, or their gradient; z is null unless normalized.
struct Matrices {
  float* s;  ///< [D, D]
  float* z;  ///< [D]
};

/// One block of one stream and key/value head; used for one block after the other. Rows of queries
/// are [G, C].
class BlockWork {
 public:
  BlockWork(const RecurrenceRule& rule, const Shape& shape)
      : rule_(rule), n_{0, shape.group(), shape.head_dim}, decays_(rule.decay != Decay::none) {}

  /// Makes room for a block of so many tokens.
  void start(i64 rows) {
    n_.rows = rows;
    q.resize(size(n_.group * rows));
    for (Scratch* x : {&k, &v}) x->resize(size(rows));
    for (Scratch* x : {&kept, &product}) x->resize(size(decays_ ? rows : 0));
    strength.resize(static_cast<std::size_t>(rule_.delta ? rows : 0));
  }

  /// q b_t, k b_t, k / b_t and k b_C / b_t, from q, k and the shares kept.
  void decay() {
    const i64 count = n_.rows * n_.d;
    falling_q = q;
    falling_k = rising_k = last_k = k;
    if (!decays_) return;
    std::copy_n(kept.begin(), n_.d, product.begin());
    for (i64 i = n_.d; i < count; ++i) product[i] = product[i - n_.d] * kept[i];
    for (i64 g = 0; g < n_.group; ++g) {
      times(&q[g * count], product.data(), &falling_q[g * count], count);
    }
    times(k.data(), product.data(), falling_k.data(), count);
    for (i64 i = 0; i < count; ++i) rising_k[i] = k[i] / product[i];
    for (i64 t = 0; t < n_.rows; ++t) times(&rising_k[t * n_.d], last(), &last_k[t * n_.d], n_.d);
  }

  /// u, what the block's tokens write.
  void write(const Matrices& before) {
    u = v;
    if (!rule_.delta) return;
    // What is new in the values, then the triangular system from its first row on.
    news = v;
    Scratch known(size(n_.rows));
    multiply(matrix(falling_k, n_.rows), Matrix(before.s, n_.d, n_.d),
             mutable_matrix(known, n_.rows), Into::overwrite);
    add_scaled(-1, known.data(), news.data(), n_.rows * n_.d);
    likeness.resize(static_cast<std::size_t>(n_.rows * n_.rows));
    multiply_nt(matrix(falling_k, n_.rows), matrix(rising_k, n_.rows),
                MutableMatrix(likeness.data(), n_.rows, n_.rows), Into::overwrite);
    hide_future(likeness.data(), n_.rows, 1);
    for (i64 t = 0; t < n_.rows; ++t) {
      float* row = &u[t * n_.d];
      std::copy_n(&news[t * n_.d], n_.d, row);
      for (i64 j = 0; j < t; ++j) add_scaled(-likeness[t * n_.rows + j], &u[j * n_.d], row, n_.d);
      scale(strength[t], row, n_.d);
    }
  }

  /// u, the pairs of queries and keys, and what queries read, not yet divided.
  void attend(const Matrices& before) {
    write(before);
    const i64 rows = n_.group * n_.rows;
    pairs.resize(static_cast<std::size_t>(rows * n_.rows));
    multiply_nt(matrix(falling_q, rows), matrix(rising_k, n_.rows),
                MutableMatrix(pairs.data(), rows, n_.rows), Into::overwrite);
    hide_future(pairs.data(), rows, 0);
    out.resize(size(rows));
    multiply(matrix(falling_q, rows), Matrix(before.s, n_.d, n_.d), mutable_matrix(out, rows),
             Into::overwrite);
    multiply(Matrix(pairs.data(), rows, n_.rows), matrix(u, n_.rows), mutable_matrix(out, rows),
             Into::add);
    divisor.resize(static_cast<std::size_t>(rows));
    for (i64 r = 0; r < rows; ++r) {
      if (rule_.normalized) {
        float sum = dot(&falling_q[r * n_.d], before.z, n_.d);
        for (i64 j = 0; j < n_.rows; ++j) sum += pairs[r * n_.rows + j];
        divisor[r] = sum;
      } else {
        const float mean = dot(&out[r * n_.d], &out[r * n_.d], n_.d) / static_cast<float>(n_.d);
        divisor[r] = std::sqrt(mean + static_cast<float>(kRmsEpsilon));
      }
    }
  }

  /// The matrices after the block.
  void advance(const Matrices& m) const {
    if (decays_) {
      for (i64 i = 0; i < n_.d; ++i) scale(last()[i], m.s + i * n_.d, n_.d);
    }
    multiply_tn(matrix(last_k, n_.rows), matrix(u, n_.rows), MutableMatrix(m.s, n_.d, n_.d),
                Into::add);
    if (!rule_.normalized) return;
    for (i64 t = 0; t < n_.rows; ++t) add_scaled(1, &k[t * n_.d], m.z, n_.d);
  }

  /// From d_out [G, C, D], the gradient of what attend() divided, to the gradients of q, k, v, the
  /// shares and the strengths; d arrives as that of the matrices after and leaves as of those
  /// before. attend() has run.
  void undo(const Matrices& before, const float* d_out, const Matrices& d) {
    const i64 rows = n_.group * n_.rows, count = n_.rows * n_.d;
    undo_division(d_out, rows);
    Scratch d_pairs(static_cast<std::size_t>(rows * n_.rows));
    multiply_nt(matrix(d_read, rows), matrix(u, n_.rows),
                MutableMatrix(d_pairs.data(), rows, n_.rows), Into::overwrite);
    for (i64 r = 0; r < rows; ++r) {
      for (i64 j = 0; j < n_.rows; ++j) d_pairs[r * n_.rows + j] += d_divisor[r];
    }
    hide_future(d_pairs.data(), rows, 0);

    Scratch d_u(size(n_.rows)), d_last_k(size(n_.rows)), d_rising(size(n_.rows));
    Scratch d_falling_q(size(rows));
    const Matrix d_s(d.s, n_.d, n_.d), d_pairs_matrix(d_pairs.data(), rows, n_.rows);
    multiply_tn(Matrix(pairs.data(), rows, n_.rows), matrix(d_read, rows),
                mutable_matrix(d_u, n_.rows), Into::overwrite);
    multiply(matrix(last_k, n_.rows), d_s, mutable_matrix(d_u, n_.rows), Into::add);
    multiply(d_pairs_matrix, matrix(rising_k, n_.rows), mutable_matrix(d_falling_q, rows),
             Into::overwrite);
    multiply_nt(matrix(d_read, rows), Matrix(before.s, n_.d, n_.d),
                mutable_matrix(d_falling_q, rows), Into::add);
    multiply_tn(d_pairs_matrix, matrix(falling_q, rows), mutable_matrix(d_rising, n_.rows),
                Into::overwrite);
    multiply_nt(matrix(u, n_.rows), d_s, mutable_matrix(d_last_k, n_.rows), Into::overwrite);

    d_k.assign(size(n_.rows), 0.0f);
    if (rule_.normalized) {  // the sum of keys, which the queries' divisor reads
      for (i64 t = 0; t < n_.rows; ++t) add_scaled(1, d.z, &d_k[t * n_.d], n_.d);
      for (i64 r = 0; r < rows; ++r) {
        add_scaled(d_divisor[r], before.z, &d_falling_q[r * n_.d], n_.d);
        add_scaled(d_divisor[r], &falling_q[r * n_.d], d.z, n_.d);
      }
    }
    Scratch d_log(size(decays_ ? n_.rows : 0), 0.0f);  // of b_t
    if (decays_) undo_last(before, d, d_last_k, d_rising, &d_log[count - n_.d]);
    if (!decays_) add_scaled(1, d_last_k.data(), d_rising.data(), count);
    multiply_tn(matrix(falling_q, rows), matrix(d_read, rows), MutableMatrix(d.s, n_.d, n_.d),
                Into::add);
    if (rule_.delta) {
      undo_write(before, d, d_u, d_rising, d_log);
    } else {
      d_v = d_u;
    }
    finish(d_falling_q, d_rising, d_log);
  }

  const float* last() const { return &product[(n_.rows - 1) * n_.d]; }

 private:
  struct Dimensions {
    i64 rows, group, d;  ///< C, G, D
  };
  const RecurrenceRule& rule_;
  Dimensions n_;
  const bool decays_;

 public:
  Scratch q, k, v;   ///< [G, C, D], [C, D], [C, D], as they meet the matrix but for decay
  Scratch kept;      ///< [C, D]: a_t
  Scratch product;   ///< [C, D]: b_t
  Scratch strength;  ///< [C]
  Scratch falling_q, falling_k, rising_k, last_k;
  Scratch u;      ///< [C, D]: what is written
  Scratch pairs;  ///< [G, C, C]
  Scratch out;    ///< [G, C, D], not yet divided by `divisor` [G, C]
  Scratch divisor;
  Scratch d_q, d_k, d_v, d_kept_log, d_strength;  ///< d_kept_log: of log a_t

 private:
  std::size_t size(i64 rows) const { return static_cast<std::size_t>(rows * n_.d); }
  Matrix matrix(const Scratch& x, i64 rows) const { return Matrix(x.data(), rows, n_.d); }
  MutableMatrix mutable_matrix(Scratch& x, i64 rows) const {
    return MutableMatrix(x.data(), rows, n_.d);
  }

  /// Clears pairs [rows, C] of a token with itself or later ones, `own` = 1, or with later ones, 0.
  void hide_future(float* numbers, i64 rows, i64 own) const {
    for (i64 r = 0; r < rows; ++r) {
      const i64 seen = r % n_.rows + 1 - own;
      std::fill(numbers + r * n_.rows + seen, numbers + (r + 1) * n_.rows, 0.0f);
    }
  }

  /// d_read: the gradient before division; d_divisor: that of the divisor of normalized outputs.
  void undo_division(const float* d_out, i64 rows) {
    d_read.resize(size(rows));
    d_divisor.assign(static_cast<std::size_t>(rows), 0.0f);
    for (i64 r = 0; r < rows; ++r) {
      const float inverse = 1 / divisor[r];
      const float* from = d_out + r * n_.d;
      float* to = &d_read[r * n_.d];
      const float along = dot(from, &out[r * n_.d], n_.d) * inverse * inverse;
      for (i64 i = 0; i < n_.d; ++i) to[i] = from[i] * inverse;
      if (rule_.normalized) {
        d_divisor[r] = -along;
      } else {
        add_scaled(-along * inverse / static_cast<float>(n_.d), &out[r * n_.d], to, n_.d);
      }
    }
  }

  /// S' = diag(b_C) S + last_k^T u, last_k = rising_k b_C, towards S, rising_k and log b_C.
  void undo_last(const Matrices& before, const Matrices& d, const Scratch& d_last_k,
                 Scratch& d_rising, float* d_log) const {
    for (i64 i = 0; i < n_.d; ++i) {
      float* row = d.s + i * n_.d;
      d_log[i] += last()[i] * dot(row, before.s + i * n_.d, n_.d);
      scale(last()[i], row, n_.d);
    }
    for (i64 t = 0; t < n_.rows; ++t) {
      add_times(&d_last_k[t * n_.d], &last_k[t * n_.d], d_log, n_.d);
      add_times(&d_last_k[t * n_.d], last(), &d_rising[t * n_.d], n_.d);
    }
  }

  void undo_write(const Matrices& before, const Matrices& d, Scratch& d_u, Scratch& d_rising,
                  Scratch& d_log) {
    // The transposed system, from its last row on; d_u becomes the gradient of strength x news.
    for (i64 t = n_.rows - 1; t >= 0; --t) {
      for (i64 s = t + 1; s < n_.rows; ++s) {
        add_scaled(-strength[s] * likeness[s * n_.rows + t], &d_u[s * n_.d], &d_u[t * n_.d], n_.d);
      }
    }
    Scratch d_likeness(likeness.size());
    multiply_nt(matrix(d_u, n_.rows), matrix(u, n_.rows),
                MutableMatrix(d_likeness.data(), n_.rows, n_.rows), Into::overwrite);
    hide_future(d_likeness.data(), n_.rows, 1);
    d_strength.resize(strength.size());
    for (i64 t = 0; t < n_.rows; ++t) {
      d_strength[t] = dot(&d_u[t * n_.d], &news[t * n_.d], n_.d) -
                      dot(&d_likeness[t * n_.rows], &likeness[t * n_.rows], n_.rows);
      scale(-strength[t], &d_likeness[t * n_.rows], n_.rows);
      scale(strength[t], &d_u[t * n_.d], n_.d);
    }
    d_v = d_u;
    Scratch d_falling(size(n_.rows));
    multiply_nt(matrix(d_u, n_.rows), Matrix(before.s, n_.d, n_.d),
                mutable_matrix(d_falling, n_.rows), Into::overwrite);
    scale(-1, d_falling.data(), n_.rows * n_.d);
    const Matrix d_alike(d_likeness.data(), n_.rows, n_.rows);
    multiply(d_alike, matrix(rising_k, n_.rows), mutable_matrix(d_falling, n_.rows), Into::add);
    multiply_tn(d_alike, matrix(falling_k, n_.rows), mutable_matrix(d_rising, n_.rows), Into::add);
    scale(-1, d_u.data(), n_.rows * n_.d);
    multiply_tn(matrix(falling_k, n_.rows), matrix(d_u, n_.rows), MutableMatrix(d.s, n_.d, n_.d),
                Into::add);
    const i64 count = n_.rows * n_.d;
    if (!decays_) return add_scaled(1, d_falling.data(), d_k.data(), count);
    add_times(d_falling.data(), product.data(), d_k.data(), count);
    add_times(d_falling.data(), falling_k.data(), d_log.data(), count);
  }

  /// From q b_t and k / b_t to q, k and the shares.
  void finish(Scratch& d_falling_q, Scratch& d_rising, Scratch& d_log) {
    const i64 count = n_.rows * n_.d;
    d_q = d_falling_q;
    if (!decays_) return add_scaled(1, d_rising.data(), d_k.data(), count);
    for (i64 g = 0; g < n_.group; ++g) {
      add_times(&d_falling_q[g * count], &falling_q[g * count], d_log.data(), count);
      times(&d_falling_q[g * count], product.data(), &d_q[g * count], count);
    }
    for (i64 i = 0; i < count; ++i) {
      d_k[i] += d_rising[i] / product[i];
      d_log[i] -= d_rising[i] * rising_k[i];
    }
    // b_t is the product of the shares up to t.
    for (i64 i = count - n_.d; i-- > 0;) d_log[i] += d_log[i + n_.d];
    d_kept_log = std::move(d_log);
  }

  Scratch news, likeness;  ///< delta: v - (k b_t) S [C, D]; (k_t b_t) . (k_j / b_j) [C, C]
  Scratch d_read, d_divisor;
};

/// Fills blocks from a chunk and hands their gradients back.
class Loader {
 public:
  Loader(const RecurrenceRule& rule, const Shape& shape, const Rope& rope, const Chunk& in,
         i64 position)
      : rule_(rule),
        shape_(shape),
        rope_(rope),
        in_(in),
        angles_(rope.angles(position, in.tokens())) {}

  void load(const Piece& piece, i64 b, i64 kv, BlockWork& work) const {
    const i64 d = shape_.head_dim, count = piece.rows * d;
    work.start(piece.rows);
    for (i64 g = 0; g < shape_.group(); ++g) {
      gather(in_.q, b, kv * shape_.group() + g, piece.first, piece.rows, rope_, angles_,
             piece.first, &work.q[g * count]);
    }
    gather(in_.k, b, kv, piece.first, piece.rows, rope_, angles_, piece.first, work.k.data());
    gather(in_.v, b, kv, piece.first, piece.rows, none_, angles_, piece.first, work.v.data());
    for (Scratch* x : {&work.q, &work.k}) prepare(*x, x == &work.q);
    for (i64 t = 0; t < piece.rows; ++t) {
      if (rule_.delta) work.strength[t] = sigmoid(in_.projected(b, piece.first + t, kv));
      if (rule_.decay != Decay::none) fill_kept(b, piece.first + t, kv, &work.kept[t * d]);
    }
    work.decay();
  }

  /// Adds a block's gradients to the chunk's.
  void hand_back(const Piece& piece, i64 b, i64 kv, BlockWork& work, const ChunkGrad& grad) const {
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
      const float* x = &in_.projected(b, token, first_share(kv));
      sigmoid_power_backward(x, power(), kLeast, &work.kept[t * d], d_log, each);
      add_scaled(1, d_log, &grad.projected(b, token, first_share(kv)), each);
    }
  }

 private:
  static constexpr float kLeast = static_cast<float>(kLeastLog);
  float power() const { return static_cast<float>(1 / rule_.temperature); }

  /// The first of a head's shares among a token's projections.
  i64 first_share(i64 kv) const {
    return strengths(rule_, shape_) + shares(rule_, shape_) / shape_.kv_heads * kv;
  }

  /// a_t [D].
  void fill_kept(i64 b, i64 token, i64 kv, float* to) const {
    const i64 d = shape_.head_dim;
    if (rule_.decay == Decay::fixed) {
      std::fill_n(to, d, 1 - std::exp2(-5.0f - static_cast<float>(kv)));
      return;
    }
    const i64 each = rule_.decay == Decay::by_head ? 1 : d;
    sigmoid_power(&in_.projected(b, token, first_share(kv)), power(), kLeast, to, each);
    if (each == 1) std::fill(to + 1, to + d, to[0]);
  }

  float query_scale() const { return 1 / std::sqrt(static_cast<float>(shape_.head_dim)); }

  static float length(const float* row, i64 d) {
    return std::sqrt(dot(row, row, d) + static_cast<float>(kUnitEpsilon));
  }

  /// Turned rows become what meets the matrix.
  void prepare(Scratch& x, bool query) const {
    const i64 d = shape_.head_dim;
    if (rule_.normalized) return elu1(x.data(), x.data(), std::ssize(x));
    if (rule_.unit) {
      for (i64 i = 0; i < std::ssize(x); i += d) scale(1 / length(&x[i], d), &x[i], d);
    } else if (query) {
      scale(query_scale(), x.data(), std::ssize(x));
    }
  }

  void undo_prepare(const Piece& piece, i64 b, i64 kv, BlockWork& work) const {
    if (rule_.normalized) {
      elu1_backward(work.q.data(), work.d_q.data(), std::ssize(work.q));
      elu1_backward(work.k.data(), work.d_k.data(), std::ssize(work.k));
      return;
    }
    if (!rule_.unit) return scale(query_scale(), work.d_q.data(), std::ssize(work.d_q));
    // Turning keeps lengths, so that those of the rows as they came will do.
    const i64 d = shape_.head_dim;
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
  const Rope none_{std::nullopt, shape_.head_dim};
  const Chunk& in_;
  const Rope::Angles angles_;
};

Matrices matrices_of(Tensor& memory, Tensor* normalizer, i64 b, i64 kv) {
  const i64 heads = memory.shape()[1], d = memory.shape()[2], at = b * heads + kv;
  return {memory.flat().data() + at * d * d,
          normalizer == nullptr ? nullptr : normalizer->flat().data() + at * d};
}

Matrices matrices_of(State& state, bool normalized, i64 b, i64 kv) {
  return matrices_of(state["memory"], normalized ? &state["normalizer"] : nullptr, b, kv);
}

}  // namespace

Recurrence::Recurrence(const RecurrenceRule& rule, const Shape& shape)
    : rule_(rule), shape_(shape), rope_(rule.rope, shape.head_dim) {
  validate(shape);
}

std::vector<ProjectionSpec> Recurrence::projections() const {
  std::vector<ProjectionSpec> specs;
  if (rule_.delta) specs.push_back({"write_strength", strengths(rule_, shape_)});
  if (shares(rule_, shape_) > 0) specs.push_back({"decay", shares(rule_, shape_)});
  return specs;
}

State Recurrence::initial_state(i64 batch, i64) const {
  const i64 h = shape_.kv_heads, d = shape_.head_dim;
  State state{0, {{"memory", Tensor({batch, h, d, d})}}, {}};
  if (rule_.normalized) state.tensors.push_back({"normalizer", Tensor({batch, h, d})});
  return state;
}

i64 Recurrence::state_bytes(i64) const {
  const i64 d = shape_.head_dim;
  return shape_.kv_heads * d * (d + (rule_.normalized ? 1 : 0)) * bytes_of(Element::f32);
}

void Recurrence::forward(std::span<const float>, const Chunk& in, State& state, View<float, 4> out,
                         Tape* tape) const {
  const i64 d = shape_.head_dim, group = shape_.group();
  if (tape != nullptr) {
    *tape = {state.position, {}};
    for (const NamedTensor& named : state.tensors) tape->tensors.push_back(named.tensor);
  }
  const std::vector<Piece> pieces = cut_at_segments(state.position, in.tokens(), rule_.block);
  const Loader loader(rule_, shape_, rope_, in, state.position);
#pragma omp parallel for collapse(2) schedule(static) if (worth_threads(*this, in, state.position))
  for (i64 b = 0; b < in.batch(); ++b) {
    for (i64 kv = 0; kv < shape_.kv_heads; ++kv) {
      const Matrices m = matrices_of(state, rule_.normalized, b, kv);
      BlockWork work(rule_, shape_);
      for (const Piece& piece : pieces) {
        loader.load(piece, b, kv, work);
        work.attend(m);
        work.advance(m);
        for (i64 r = 0; r < group * piece.rows; ++r) {
          const float inverse = 1 / work.divisor[r];
          float* to = out.row(b, piece.first + r % piece.rows, kv * group + r / piece.rows).data();
          for (i64 i = 0; i < d; ++i) to[i] = work.out[r * d + i] * inverse;
        }
      }
    }
  }
  state.position += in.tokens();
  state.activity += cost(0, in.tokens()).activity;
}

void Recurrence::backward(std::span<const float>, const Chunk& in, const Tape& tape,
                          View<const float, 4> d_out, State& d_state, const ChunkGrad& grad,
                          std::span<float>) const {
  const i64 d = shape_.head_dim, group = shape_.group();
  const std::vector<Piece> pieces = cut_at_segments(tape.position, in.tokens(), rule_.block);
  const Loader loader(rule_, shape_, rope_, in, tape.position);
#pragma omp parallel for collapse(2) schedule(static) if (worth_threads(*this, in, tape.position))
  for (i64 b = 0; b < in.batch(); ++b) {
    for (i64 kv = 0; kv < shape_.kv_heads; ++kv) {
      // The matrices before each block, made again from those before the chunk.
      const i64 floats = d * (d + 1);
      Scratch before(static_cast<std::size_t>(std::ssize(pieces) * floats));
      const auto at = [&](std::size_t i) {
        float* s = &before[static_cast<i64>(i) * floats];
        return Matrices{s, rule_.normalized ? s + d * d : nullptr};
      };
      const i64 from = b * shape_.kv_heads + kv;
      std::copy_n(tape.tensors[0].flat().data() + from * d * d, d * d, at(0).s);
      if (rule_.normalized) std::copy_n(tape.tensors[1].flat().data() + from * d, d, at(0).z);
      BlockWork work(rule_, shape_);
      for (std::size_t i = 1; i < pieces.size(); ++i) {
        std::copy_n(at(i - 1).s, d * d, at(i).s);
        if (rule_.normalized) std::copy_n(at(i - 1).z, d, at(i).z);
        loader.load(pieces[i - 1], b, kv, work);
        work.write(at(i - 1));
        work.advance(at(i));
      }
      const Matrices d_m = matrices_of(d_state, rule_.normalized, b, kv);
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
        loader.hand_back(piece, b, kv, work, grad);
      }
    }
  }
  d_state.position = tape.position;
}

Cost Recurrence::cost(i64, i64 tokens) const {
  const double d = static_cast<double>(shape_.head_dim);
  const auto reads = static_cast<double>(tokens * shape_.query_heads);
  const auto writes = static_cast<double>(tokens * shape_.kv_heads);
  Cost cost;
  cost.activity = {.tokens = tokens, .memory_reads = tokens, .compressions = tokens};
  cost.flops = reads * 2 * d * d + writes * (rule_.delta ? 4 : 2) * d * d;
  if (rule_.decay != Decay::none) cost.flops += writes * d * d;
  if (rule_.normalized) cost.flops += reads * 3 * d + writes * d;
  cost.bytes_moved = writes * 2 * d * d * static_cast<double>(sizeof(float));
  return cost;
}

std::vector<double> Recurrence::reference(std::span<const double>,
                                          const ReferenceStream& in) const {
  return reference_recurrence(shape_, rule_, in, rope_);
}

}  // namespace longreach::attention
