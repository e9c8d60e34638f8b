// One block of a linear recurrence, for one stream and key/value head: inside a block of C tokens
// all pairs meet at once, as in attention without a softmax, and only the block as a whole meets
// the matrix (GLA, arXiv 2312.06635; for the delta rule arXiv 2406.06484). With b_t the product of
// the shares kept in the block up to token t,
//
//   o_t = (q_t b_t) S + sum over j <= t of ((q_t b_t) . (k_j / b_j)) u_j
//   S'  = diag(b_C) S + sum over j of (k_j b_C / b_j) u_j^T
//
// and under the delta rule the u solve a unit triangular system:
//   u_t + w_t sum over j < t of ((k_t b_t) . (k_j / b_j)) u_j = w_t (v_t - (k_t b_t) S).
#pragma once

#include "attention/recurrence.h"
#include "core/linalg.h"

namespace longreach::attention {

/// S and z of one stream and head, or their gradient; z is null without a feature map.
struct Matrices {
  float* s;  ///< [F, D]: keys by values
  float* z;  ///< [F]
};

/// Used for one block after the other: start(), fill q, k, v, and where the rule has them `kept`
/// and `strength`; decay(); then attend() or write(), and advance() or undo(). Rows of queries are
/// [G, C] for the G query heads of the group.
class RecurrenceBlock {
 public:
  /// Keys and queries have F numbers.
  RecurrenceBlock(const RecurrenceRule& rule, const Shape& shape, i64 f);

  /// Makes room for a block of so many tokens.
  void start(i64 rows);
  /// From q, k and the shares kept to how they meet one another and the matrix.
  void decay();
  /// u, from the matrices before the block.
  void write(const Matrices& before);
  /// u, and what queries read: `out` and its divisor.
  void attend(const Matrices& before);
  /// The matrices after the block, in place; write() or attend() has run.
  void advance(const Matrices& m) const;
  /// From d_out [G, C, D], the gradient of out / divisor, to those of q, k, v, the shares and the
  /// strengths; `d` arrives as that of the matrices after and leaves as of those before. attend()
  /// has run.
  void undo(const Matrices& before, const float* d_out, const Matrices& d);

  Scratch q, k, v;   ///< [G, C, F], [C, F], [C, D], as they meet the matrix but for decay
  Scratch kept;      ///< [C, F]: a_t
  Scratch unmapped;  ///< of queries or keys before a feature map, for the caller's use
  Scratch logits;    ///< [C, 1 or F]: what a_t is made from, for the caller's use
  Scratch strength;  ///< [C]: w_t
  Scratch out;       ///< [G, C, D], not yet divided
  Scratch divisor;   ///< [G, C]
  Scratch d_q, d_k, d_v, d_strength;
  Scratch d_kept_log;  ///< [C, F]: of log a_t

 private:
  std::size_t key_size(i64 rows) const { return static_cast<std::size_t>(rows * f_); }
  std::size_t value_size(i64 rows) const { return static_cast<std::size_t>(rows * d_); }
  Matrix keys(const Scratch& x, i64 rows) const { return Matrix(x.data(), rows, f_); }
  Matrix values(const Scratch& x, i64 rows) const { return Matrix(x.data(), rows, d_); }
  Matrix memory(const Matrices& m) const { return Matrix(m.s, f_, d_); }
  MutableMatrix mutable_keys(Scratch& x, i64 rows) const {
    return MutableMatrix(x.data(), rows, f_);
  }
  MutableMatrix mutable_values(Scratch& x, i64 rows) const {
    return MutableMatrix(x.data(), rows, d_);
  }
  MutableMatrix mutable_memory(const Matrices& m) const { return MutableMatrix(m.s, f_, d_); }
  bool normalized() const { return rule_.features.has_value(); }
  const float* last() const { return &product_[(rows_ - 1) * f_]; }  ///< b_C
  /// Of numbers [rows, C], row r of token r mod C: clears all but the first tokens up to it, or up
  /// to the one before it.
  enum class Up { to_itself, to_before };
  void clear_after(Up, float* numbers, i64 rows) const;

  void undo_division(const float* d_out, i64 rows);
  void undo_last(const Matrices& before, const Matrices& d, const Scratch& d_last_k,
                 Scratch& d_rising, float* d_log) const;
  void undo_write(const Matrices& before, const Matrices& d, Scratch& d_u, Scratch& d_rising,
                  Scratch& d_log);
  void finish(Scratch& d_falling_q, Scratch& d_rising, Scratch& d_log);

  const RecurrenceRule& rule_;
  const i64 group_, f_, d_;
  const bool decays_;
  i64 rows_ = 0;
  Scratch product_;                        ///< [C, F]: b_t
  Scratch falling_q_;                      ///< [G, C, F]: q_t b_t
  Scratch falling_k_, rising_k_, last_k_;  ///< [C, F]: k_t b_t, k_t / b_t, k_t b_C / b_t
  Scratch u_;                              ///< [C, D]: what is written
  Scratch pairs_;                          ///< [G, C, C]: (q_t b_t) . (k_j / b_j)
  Scratch news_, likeness_;     ///< delta: v_t - (k_t b_t) S [C, D]; (k_t b_t) . (k_j / b_j) [C, C]
  Scratch d_read_, d_divisor_;  ///< of `out`, and of the divisor of normalized outputs
};

}  // namespace longreach::attention
