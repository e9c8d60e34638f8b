// Matrix products against the triple loop in float64, strided and over threads.
#include "core/linalg.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <omp.h>
#include <vector>

#include "core/random.h"

using namespace longreach;

namespace {

/// A rows x columns matrix inside rows that are `stride` long.
struct Padded {
  Padded(i64 r, i64 c, i64 s, std::uint64_t seed)
      : values(static_cast<std::size_t>(r * s)), rows(r), columns(c), stride(s) {
    Rng rng(seed);
    for (float& x : values) x = static_cast<float>(rng.normal());
  }
  double at(i64 i, i64 j) const { return values[static_cast<std::size_t>(i * stride + j)]; }
  operator Matrix() const { return {values.data(), rows, columns, stride}; }
  operator MutableMatrix() { return {values.data(), rows, columns, stride}; }
  Floats values;
  i64 rows, columns, stride;
};

/// Operands of all three products of one size, C being m x n and k the depth.
struct Operands {
  Operands(i64 m_, i64 n_, i64 k_)
      : m(m_),
        n(n_),
        k(k_),
        a(m, k, k + 3, 1),
        b(k, n, n + 1, 2),
        bt(n, k, k + 2, 3),
        at(k, m, m, 4),
        before(m, n, n + 5, 5) {}
  i64 m, n, k;
  Padded a, b, bt, at, before;
};

/// C = A B, C = A B^T and C += A^T B.
struct Results {
  explicit Results(const Operands& x) : nn(x.before), nt(x.before), tn(x.before) {}
  bool operator==(const Results& other) const {
    return nn.values == other.nn.values && nt.values == other.nt.values &&
           tn.values == other.tn.values;
  }
  Padded nn, nt, tn;
};

Results alone(const Operands& x) {
  Results c(x);
  multiply(x.a, x.b, c.nn, Into::overwrite);
  multiply_nt(x.a, x.bt, c.nt, Into::overwrite);
  multiply_tn(x.at, x.b, c.tn, Into::add);
  return c;
}

Results together(const Operands& x, int threads) {
  Results c(x);
  const int before = omp_get_max_threads();
  omp_set_num_threads(threads);
  parallel_multiply(x.a, x.b, c.nn, Into::overwrite);
  parallel_multiply_nt(x.a, x.bt, c.nt, Into::overwrite);
  parallel_multiply_tn(x.at, x.b, c.tn, Into::add);
  omp_set_num_threads(before);
  return c;
}

/// The largest difference from the triple loop in float64.
double worst_error(const Operands& x, const Results& c) {
  double worst = 0;
  for (i64 i = 0; i < x.m; ++i) {
    std::vector<double> nn(static_cast<std::size_t>(x.n)), nt(nn), tn(nn);
    for (i64 l = 0; l < x.k; ++l) {
      for (i64 j = 0; j < x.n; ++j) {
        const std::size_t to = static_cast<std::size_t>(j);
        nn[to] += x.a.at(i, l) * x.b.at(l, j);
        tn[to] += x.at.at(l, i) * x.b.at(l, j);
      }
    }
    for (i64 j = 0; j < x.n; ++j) {
      const std::size_t to = static_cast<std::size_t>(j);
      for (i64 l = 0; l < x.k; ++l) nt[to] += x.a.at(i, l) * x.bt.at(j, l);
      tn[to] += x.before.at(i, j);
      worst = std::max({worst, std::abs(nn[to] - c.nn.at(i, j)), std::abs(nt[to] - c.nt.at(i, j)),
                        std::abs(tn[to] - c.tn.at(i, j))});
    }
  }
  return worst;
}

/// Whether what lies between the rows of C is what it was.
bool keeps_the_gaps(const Operands& x, const Results& c) {
  for (const Padded* product : {&c.nn, &c.nt, &c.tn}) {
    for (i64 i = 0; i < x.m; ++i) {
      for (i64 j = x.n; j < product->stride; ++j) {
        if (product->at(i, j) != x.before.at(i, j)) return false;
      }
    }
  }
  return true;
}

}  // namespace

TEST_CASE("Products agree with the triple loop for random shapes and strides") {
  Rng rng(11);
  for (int trial = 0; trial < 30; ++trial) {
    const i64 m = 1 + rng.below(70), n = 1 + rng.below(70), k = 1 + rng.below(70);
    INFO("trial " << trial << ": " << m << " x " << k << " x " << n);
    const Operands x(m, n, k);
    // Sums of at most 70 products of order 1, each rounded to 2^-24 of a sum of order 10.
    REQUIRE(worst_error(x, alone(x)) < 1e-4);
    REQUIRE(worst_error(x, together(x, 3)) < 1e-4);
  }
}

TEST_CASE("Products of one row, one column or one step agree with the triple loop") {
  for (const i64 other : {1, 9, 40}) {
    CAPTURE(other);
    for (const Operands& x : {Operands(1, other, 300), Operands(other, 1, 300),
                              Operands(other, 40, 1), Operands(1, 300, other)}) {
      CAPTURE(x.m, x.n, x.k);
      REQUIRE(worst_error(x, alone(x)) < 3e-4);  // sums of 300 products of order 1
      REQUIRE(worst_error(x, together(x, 2)) < 3e-4);
    }
  }
}

TEST_CASE("Products leave what lies between the strided rows of C alone") {
  for (const i64 n : {1, 4, 16, 37}) {
    CAPTURE(n);
    const Operands x(13, n, 9);
    CHECK(keeps_the_gaps(x, alone(x)));
    CHECK(keeps_the_gaps(x, together(x, 2)));
  }
}

TEST_CASE("Products deeper than a block agree with the triple loop") {
  const Operands x(37, 530, 541);
  CHECK(worst_error(x, alone(x)) < 5e-4);  // sums of 541 products of order 1
}

TEST_CASE("Products of more columns than are packed at a time agree with the triple loop") {
  // 2^20 numbers of B are packed at a time, in columns by the 128: of this depth two times 128 and
  // 44 more.
  const Operands x(37, 300, 8200);
  const Results one = alone(x);
  // Sums of 8200 products of order 1 reach 90 and a few deviations of it, and are rounded 8200
  // times to 2^-24 of that: 3e-6 * sqrt(8200) is one deviation of the error. A column's block that
  // is missed would be off by 90.
  CHECK(worst_error(x, one) < 3e-3);
  CHECK(keeps_the_gaps(x, one));
  for (const int threads : {1, 2, 3, 7}) {
    INFO(threads << " threads");
    CHECK(together(x, threads) == one);
  }
}

TEST_CASE("Every product has the same bits alone and over 1 to 7 threads") {
  for (const Operands& x : {Operands(101, 77, 300), Operands(1, 409, 601)}) {
    const Results one = alone(x);
    for (const int threads : {1, 2, 3, 7}) {
      INFO(x.m << " rows, " << threads << " threads");
      CHECK(together(x, threads) == one);
    }
  }
}

TEST_CASE("A row that is shared among threads meets every row of B") {
  const Operands x(1, 409, 601);  // 5e5 FLOP, enough to wake threads
  CHECK(worst_error(x, together(x, 3)) < 5e-4);
}
