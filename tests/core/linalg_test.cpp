// Matrix products against the triple loop in float64, strided and over threads.
#include "core/linalg.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <omp.h>

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

}  // namespace

TEST_CASE("Products agree with the triple loop for random shapes and strides") {
  Rng rng(11);
  for (int trial = 0; trial < 30; ++trial) {
    const i64 m = 1 + rng.below(70), n = 1 + rng.below(70), k = 1 + rng.below(70);
    INFO("trial " << trial << ": " << m << " x " << k << " x " << n);
    const Padded a(m, k, k + 3, 1), b(k, n, n + 1, 2), bt(n, k, k + 2, 3), at(k, m, m, 4);
    for (const bool parallel : {false, true}) {
      Padded nn(m, n, n + 5, 5), nt(m, n, n, 6), tn(m, n, n, 7);
      const Padded before = tn;
      if (parallel) {
        parallel_multiply(a, b, nn, Into::overwrite);
        parallel_multiply_nt(a, bt, nt, Into::overwrite);
        parallel_multiply_tn(at, b, tn, Into::add);
      } else {
        multiply(a, b, nn, Into::overwrite);
        multiply_nt(a, bt, nt, Into::overwrite);
        multiply_tn(at, b, tn, Into::add);
      }
      double worst = 0;
      for (i64 i = 0; i < m; ++i) {
        for (i64 j = 0; j < n; ++j) {
          double e_nn = 0, e_nt = 0, e_tn = before.at(i, j);
          for (i64 l = 0; l < k; ++l) {
            e_nn += a.at(i, l) * b.at(l, j);
            e_nt += a.at(i, l) * bt.at(j, l);
            e_tn += at.at(l, i) * b.at(l, j);
          }
          worst = std::max({worst, std::abs(e_nn - nn.at(i, j)), std::abs(e_nt - nt.at(i, j)),
                            std::abs(e_tn - tn.at(i, j))});
        }
      }
      REQUIRE(worst < 1e-4);
    }
  }
}

TEST_CASE("A product leaves what lies between strided rows alone") {
  const Padded a(3, 2, 2, 1), b(2, 4, 4, 2);
  Padded c(3, 4, 6, 3);
  const Padded before = c;
  multiply(a, b, c, Into::overwrite);
  for (i64 i = 0; i < 3; ++i) {
    for (i64 j = 4; j < 6; ++j) REQUIRE(c.at(i, j) == before.at(i, j));
  }
}

TEST_CASE("Products deeper and wider than a block agree with the triple loop") {
  const i64 m = 37, n = 530, k = 541;
  const Padded a(m, k, k, 1), b(k, n, n, 2), bt(n, k, k, 3), at(k, m, m, 4);
  Padded nn(m, n, n, 5), nt(m, n, n, 6), tn(m, n, n, 7);
  const Padded before = nn;
  multiply(a, b, nn, Into::add);
  multiply_nt(a, bt, nt, Into::overwrite);
  multiply_tn(at, b, tn, Into::overwrite);
  double worst = 0;
  for (i64 i = 0; i < m; ++i) {
    for (i64 j = 0; j < n; ++j) {
      double e_nn = before.at(i, j), e_nt = 0, e_tn = 0;
      for (i64 l = 0; l < k; ++l) {
        e_nn += a.at(i, l) * b.at(l, j);
        e_nt += a.at(i, l) * bt.at(j, l);
        e_tn += at.at(l, i) * b.at(l, j);
      }
      worst = std::max({worst, std::abs(e_nn - nn.at(i, j)), std::abs(e_nt - nt.at(i, j)),
                        std::abs(e_tn - tn.at(i, j))});
    }
  }
  CHECK(worst < 5e-4);  // sums of 541 products of order 1
}

TEST_CASE("A product has the same bits with any number of threads") {
  const Padded a(101, 300, 300, 1), b(300, 77, 77, 2);
  Padded alone(101, 77, 77, 3), together(101, 77, 77, 4);
  multiply(a, b, alone, Into::overwrite);
  for (const int threads : {1, 2, 3, 7}) {
    INFO(threads << " threads");
    const int before = omp_get_max_threads();
    omp_set_num_threads(threads);
    parallel_multiply(a, b, together, Into::overwrite);
    omp_set_num_threads(before);
    CHECK(alone.values == together.values);
  }
}
