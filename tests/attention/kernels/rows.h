// Rows of random numbers with guards around them, for the tests of kernels that go row by row.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "core/random.h"
#include "core/tensor.h"

namespace longreach::attention::kernels::tests {

/// [rows, D] rows `gap` apart from one another; before, between and behind them stands a guard.
class GuardedRows {
 public:
  static constexpr float kGuard = 12345;

  GuardedRows(i64 rows, i64 d, i64 gap, std::uint64_t seed)
      : rows_(rows), d_(d), stride_(d + gap), numbers_(size(rows * stride_ + 2 * kMargin), kGuard) {
    Rng rng(seed);
    for (i64 r = 0; r < rows; ++r) {
      for (i64 i = 0; i < d; ++i) numbers_[place(r, i)] = static_cast<float>(rng.normal());
    }
  }

  View<float, 2> view() { return {numbers_.data() + kMargin, {rows_, d_}, {stride_, 1}}; }
  View<const float, 2> view() const {
    return {numbers_.data() + kMargin, {rows_, d_}, {stride_, 1}};
  }
  /// Of rows without a gap.
  float* dense() { return numbers_.data() + kMargin; }
  const float* dense() const { return numbers_.data() + kMargin; }

  double at(i64 r, i64 i) const { return numbers_[place(r, i)]; }
  void set(i64 r, i64 i, float value) { numbers_[place(r, i)] = value; }

  /// Whether nothing around the rows was written.
  bool guards_stand() const {
    for (i64 n = 0; n < static_cast<i64>(numbers_.size()); ++n) {
      const i64 r = (n - kMargin) / stride_, i = (n - kMargin) % stride_;
      const bool inside = n >= kMargin && r < rows_ && i < d_;
      if (!inside && numbers_[size(n)] != kGuard) return false;
    }
    return true;
  }
  bool operator==(const GuardedRows& other) const { return numbers_ == other.numbers_; }

 private:
  static constexpr i64 kMargin = 17;  // odd: rows are not aligned
  static std::size_t size(i64 n) { return static_cast<std::size_t>(n); }
  std::size_t place(i64 r, i64 i) const { return size(kMargin + r * stride_ + i); }

  i64 rows_, d_, stride_;
  Floats numbers_;
};

/// The largest error of anything added, in units of the magnitude given with it.
class Worst {
 public:
  void add(double found, double expected, double magnitude) {
    const double error = std::abs(found - expected) / magnitude;
    if (!(error <= error_)) error_ = error;  // a NaN stays
  }
  double error() const { return error_; }

 private:
  double error_ = 0;
};

/// Below, at and above a vector of 4, 8 and 16, with and without a rest.
inline const std::vector<i64> kHeadSizes{2, 6, 8, 20, 32, 40, 128};
/// One row, and more than the 48 that are fetched ahead.
inline const std::vector<i64> kRows{1, 3, 100};

}  // namespace longreach::attention::kernels::tests
