// One block of a linear recurrence, forward above backward.
#include "attention/recurrence_block.h"

#include <algorithm>
#include <cmath>

#include "core/vector_math.h"

namespace longreach::attention {
namespace {

/// x = a * b, y += a * b.
void times(const float* a, const float* b, float* x, i64 n) {
  for (i64 i = 0; i < n; ++i) x[i] = a[i] * b[i];
}
void add_times(const float* a, const float* b, float* y, i64 n) {
  for (i64 i = 0; i < n; ++i) y[i] += a[i] * b[i];
}

}  // namespace

RecurrenceBlock::RecurrenceBlock(const RecurrenceRule& rule, const Shape& shape, i64 f)
    : rule_(rule),
      group_(shape.group()),
      f_(f),
      d_(shape.head_dim),
      decays_(rule.decay != Decay::none) {}

void RecurrenceBlock::start(i64 rows) {
  rows_ = rows;
  q.resize(key_size(group_ * rows));
  k.resize(key_size(rows));
  v.resize(value_size(rows));
  for (Scratch* x : {&kept, &logits, &product_}) x->resize(key_size(decays_ ? rows : 0));
  strength.resize(static_cast<std::size_t>(rule_.delta ? rows : 0));
}

void RecurrenceBlock::decay() {
  const i64 count = rows_ * f_;
  falling_q_ = q;
  falling_k_ = rising_k_ = last_k_ = k;
  if (!decays_) return;
  std::copy_n(kept.begin(), f_, product_.begin());
  for (i64 i = f_; i < count; ++i) product_[i] = product_[i - f_] * kept[i];
  for (i64 g = 0; g < group_; ++g) {
    times(&q[g * count], product_.data(), &falling_q_[g * count], count);
  }
  times(k.data(), product_.data(), falling_k_.data(), count);
  for (i64 i = 0; i < count; ++i) rising_k_[i] = k[i] / product_[i];
  for (i64 t = 0; t < rows_; ++t) times(&rising_k_[t * f_], last(), &last_k_[t * f_], f_);
}

void RecurrenceBlock::write(const Matrices& before) {
  u_ = v;
  if (!rule_.delta) return;
  // What is new in the values, then the triangular system from its first row on.
  news_ = v;
  Scratch known(value_size(rows_));
  multiply(keys(falling_k_, rows_), memory(before), mutable_values(known, rows_), Into::overwrite);
  add_scaled(-1, known.data(), news_.data(), rows_ * d_);
  likeness_.resize(static_cast<std::size_t>(rows_ * rows_));
  multiply_nt(keys(falling_k_, rows_), keys(rising_k_, rows_),
              MutableMatrix(likeness_.data(), rows_, rows_), Into::overwrite);
  clear_after(Up::to_before, likeness_.data(), rows_);
  for (i64 t = 0; t < rows_; ++t) {
    float* row = &u_[t * d_];
    std::copy_n(&news_[t * d_], d_, row);
    for (i64 j = 0; j < t; ++j) add_scaled(-likeness_[t * rows_ + j], &u_[j * d_], row, d_);
    scale(strength[t], row, d_);
  }
}

void RecurrenceBlock::attend(const Matrices& before) {
  write(before);
  const i64 rows = group_ * rows_;
  pairs_.resize(static_cast<std::size_t>(rows * rows_));
  multiply_nt(keys(falling_q_, rows), keys(rising_k_, rows_),
              MutableMatrix(pairs_.data(), rows, rows_), Into::overwrite);
  clear_after(Up::to_itself, pairs_.data(), rows);
  out.resize(value_size(rows));
  multiply(keys(falling_q_, rows), memory(before), mutable_values(out, rows), Into::overwrite);
  multiply(Matrix(pairs_.data(), rows, rows_), values(u_, rows_), mutable_values(out, rows),
           Into::add);
  divisor.resize(static_cast<std::size_t>(rows));
  for (i64 r = 0; r < rows; ++r) {
    if (normalized()) {
      float sum = dot(&falling_q_[r * f_], before.z, f_);
      for (i64 j = 0; j < rows_; ++j) sum += pairs_[r * rows_ + j];
      divisor[r] = sum;
    } else {
      const float mean = dot(&out[r * d_], &out[r * d_], d_) / static_cast<float>(d_);
      divisor[r] = std::sqrt(mean + static_cast<float>(kRmsEpsilon));
    }
  }
}

void RecurrenceBlock::advance(const Matrices& m) const {
  if (decays_) {
    for (i64 i = 0; i < f_; ++i) scale(last()[i], m.s + i * d_, d_);
  }
  multiply_tn(keys(last_k_, rows_), values(u_, rows_), mutable_memory(m), Into::add);
  if (!normalized()) return;
  for (i64 t = 0; t < rows_; ++t) add_scaled(1, &k[t * f_], m.z, f_);
}

void RecurrenceBlock::undo(const Matrices& before, const float* d_out, const Matrices& d) {
  const i64 rows = group_ * rows_, count = rows_ * f_;
  undo_division(d_out, rows);
  Scratch d_pairs(static_cast<std::size_t>(rows * rows_));
  multiply_nt(values(d_read_, rows), values(u_, rows_), MutableMatrix(d_pairs.data(), rows, rows_),
              Into::overwrite);
  for (i64 r = 0; r < rows; ++r) {
    for (i64 j = 0; j < rows_; ++j) d_pairs[r * rows_ + j] += d_divisor_[r];
  }
  clear_after(Up::to_itself, d_pairs.data(), rows);

  Scratch d_u(value_size(rows_)), d_last_k(key_size(rows_)), d_rising(key_size(rows_));
  Scratch d_falling_q(key_size(rows));
  const Matrix d_s = memory(d), d_pairs_matrix(d_pairs.data(), rows, rows_);
  multiply_tn(Matrix(pairs_.data(), rows, rows_), values(d_read_, rows), mutable_values(d_u, rows_),
              Into::overwrite);
  multiply(keys(last_k_, rows_), d_s, mutable_values(d_u, rows_), Into::add);
  multiply(d_pairs_matrix, keys(rising_k_, rows_), mutable_keys(d_falling_q, rows),
           Into::overwrite);
  multiply_nt(values(d_read_, rows), memory(before), mutable_keys(d_falling_q, rows), Into::add);
  multiply_tn(d_pairs_matrix, keys(falling_q_, rows), mutable_keys(d_rising, rows_),
              Into::overwrite);
  multiply_nt(values(u_, rows_), d_s, mutable_keys(d_last_k, rows_), Into::overwrite);

  d_k.assign(key_size(rows_), 0.0f);
  if (normalized()) {  // the sum of keys, which the queries' divisor reads
    for (i64 t = 0; t < rows_; ++t) add_scaled(1, d.z, &d_k[t * f_], f_);
    for (i64 r = 0; r < rows; ++r) {
      add_scaled(d_divisor_[r], before.z, &d_falling_q[r * f_], f_);
      add_scaled(d_divisor_[r], &falling_q_[r * f_], d.z, f_);
    }
  }
  Scratch d_log(key_size(decays_ ? rows_ : 0), 0.0f);  // of b_t
  if (decays_) undo_last(before, d, d_last_k, d_rising, &d_log[count - f_]);
  if (!decays_) add_scaled(1, d_last_k.data(), d_rising.data(), count);
  multiply_tn(keys(falling_q_, rows), values(d_read_, rows), mutable_memory(d), Into::add);
  if (rule_.delta) {
    undo_write(before, d, d_u, d_rising, d_log);
  } else {
    d_v = d_u;
  }
  finish(d_falling_q, d_rising, d_log);
}

void RecurrenceBlock::clear_after(Up up, float* numbers, i64 rows) const {
  for (i64 r = 0; r < rows; ++r) {
    const i64 kept_ones = r % rows_ + (up == Up::to_itself ? 1 : 0);
    std::fill(numbers + r * rows_ + kept_ones, numbers + (r + 1) * rows_, 0.0f);
  }
}

void RecurrenceBlock::undo_division(const float* d_out, i64 rows) {
  d_read_.resize(value_size(rows));
  d_divisor_.assign(static_cast<std::size_t>(rows), 0.0f);
  for (i64 r = 0; r < rows; ++r) {
    const float inverse = 1 / divisor[r];
    const float* from = d_out + r * d_;
    float* to = &d_read_[r * d_];
    const float along = dot(from, &out[r * d_], d_) * inverse * inverse;
    for (i64 i = 0; i < d_; ++i) to[i] = from[i] * inverse;
    if (normalized()) {
      d_divisor_[r] = -along;
    } else {
      add_scaled(-along * inverse / static_cast<float>(d_), &out[r * d_], to, d_);
    }
  }
}

/// S' = diag(b_C) S + last_k^T u, last_k = rising_k b_C, towards S, rising_k and log b_C.
void RecurrenceBlock::undo_last(const Matrices& before, const Matrices& d, const Scratch& d_last_k,
                                Scratch& d_rising, float* d_log) const {
  for (i64 i = 0; i < f_; ++i) {
    float* row = d.s + i * d_;
    d_log[i] += last()[i] * dot(row, before.s + i * d_, d_);
    scale(last()[i], row, d_);
  }
  for (i64 t = 0; t < rows_; ++t) {
    add_times(&d_last_k[t * f_], &last_k_[t * f_], d_log, f_);
    add_times(&d_last_k[t * f_], last(), &d_rising[t * f_], f_);
  }
}

void RecurrenceBlock::undo_write(const Matrices& before, const Matrices& d, Scratch& d_u,
                                 Scratch& d_rising, Scratch& d_log) {
  // The transposed system, from its last row on; d_u becomes the gradient of strength x news_.
  for (i64 t = rows_ - 1; t >= 0; --t) {
    for (i64 s = t + 1; s < rows_; ++s) {
      add_scaled(-strength[s] * likeness_[s * rows_ + t], &d_u[s * d_], &d_u[t * d_], d_);
    }
  }
  Scratch d_likeness(likeness_.size());
  multiply_nt(values(d_u, rows_), values(u_, rows_), MutableMatrix(d_likeness.data(), rows_, rows_),
              Into::overwrite);
  clear_after(Up::to_before, d_likeness.data(), rows_);
  d_strength.resize(strength.size());
  for (i64 t = 0; t < rows_; ++t) {
    d_strength[t] = dot(&d_u[t * d_], &news_[t * d_], d_) -
                    dot(&d_likeness[t * rows_], &likeness_[t * rows_], rows_);
    scale(-strength[t], &d_likeness[t * rows_], rows_);
    scale(strength[t], &d_u[t * d_], d_);
  }
  d_v = d_u;
  Scratch d_falling(key_size(rows_));
  multiply_nt(values(d_u, rows_), memory(before), mutable_keys(d_falling, rows_), Into::overwrite);
  scale(-1, d_falling.data(), rows_ * f_);
  const Matrix d_alike(d_likeness.data(), rows_, rows_);
  multiply(d_alike, keys(rising_k_, rows_), mutable_keys(d_falling, rows_), Into::add);
  multiply_tn(d_alike, keys(falling_k_, rows_), mutable_keys(d_rising, rows_), Into::add);
  scale(-1, d_u.data(), rows_ * d_);
  multiply_tn(keys(falling_k_, rows_), values(d_u, rows_), mutable_memory(d), Into::add);
  const i64 count = rows_ * f_;
  if (!decays_) return add_scaled(1, d_falling.data(), d_k.data(), count);
  add_times(d_falling.data(), product_.data(), d_k.data(), count);
  add_times(d_falling.data(), falling_k_.data(), d_log.data(), count);
}

/// From q b_t and k / b_t to q, k and the shares.
void RecurrenceBlock::finish(Scratch& d_falling_q, Scratch& d_rising, Scratch& d_log) {
  const i64 count = rows_ * f_;
  d_q = d_falling_q;
  if (!decays_) return add_scaled(1, d_rising.data(), d_k.data(), count);
  for (i64 g = 0; g < group_; ++g) {
    add_times(&d_falling_q[g * count], &falling_q_[g * count], d_log.data(), count);
    times(&d_falling_q[g * count], product_.data(), &d_q[g * count], count);
  }
  for (i64 i = 0; i < count; ++i) {
    d_k[i] += d_rising[i] / product_[i];
    d_log[i] -= d_rising[i] * rising_k_[i];
  }
  // b_t is the product_ of the shares up to t.
  for (i64 i = count - f_; i-- > 0;) d_log[i] += d_log[i + f_];
  d_kept_log = std::move(d_log);
}

}  // namespace longreach::attention
