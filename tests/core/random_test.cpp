// Random streams: independence of forks, ranges, and moments.
#include "core/random.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <set>

using namespace longreach;

TEST_CASE("A fork does not depend on how many numbers were drawn before") {
  Rng a(7), b(7);
  for (int i = 0; i < 5; ++i) a.bits();
  REQUIRE(a.fork("data").bits() == b.fork("data").bits());
  REQUIRE(a.fork(3).bits() == b.fork(3).bits());
}

TEST_CASE("Forks of other purposes, other indices and other seeds differ") {
  std::set<std::uint64_t> seen;
  for (const std::uint64_t seed : {0u, 1u, 2u}) {
    const Rng rng(seed);
    seen.insert(Rng(seed).bits());
    for (const char* purpose : {"a", "b", "ab", ""}) seen.insert(rng.fork(purpose).bits());
    for (i64 index = 0; index < 100; ++index) seen.insert(rng.fork(index).bits());
  }
  REQUIRE(seen.size() == 3 * 105);
}

TEST_CASE("Uniform numbers lie from 0 to below 1 with mean 1/2 and variance 1/12") {
  Rng rng(1);
  double sum = 0, squares = 0;
  constexpr int n = 100000;
  for (int i = 0; i < n; ++i) {
    const double x = rng.uniform();
    REQUIRE((x >= 0 && x < 1));
    sum += x;
    squares += x * x;
  }
  const double mean = sum / n;
  REQUIRE(std::abs(mean - 0.5) < 5 / std::sqrt(12.0 * n));  // five standard errors
  REQUIRE(std::abs(squares / n - mean * mean - 1.0 / 12) < 2e-3);
}

TEST_CASE("Normal numbers have mean 0, variance 1 and kurtosis 3") {
  Rng rng(2);
  double sum = 0, squares = 0, fourths = 0;
  constexpr int n = 200000;
  for (int i = 0; i < n; ++i) {
    const double x = rng.normal();
    sum += x;
    squares += x * x;
    fourths += x * x * x * x;
  }
  REQUIRE(std::abs(sum / n) < 5 / std::sqrt(1.0 * n));
  REQUIRE(std::abs(squares / n - 1) < 5 * std::sqrt(2.0 / n));
  REQUIRE(std::abs(fourths / n - 3) < 5 * std::sqrt(96.0 / n));
}

TEST_CASE("below(n) takes every value about equally often") {
  Rng rng(3);
  constexpr int n = 70000;
  std::array<int, 7> counts{};
  for (int i = 0; i < n; ++i) ++counts[static_cast<std::size_t>(rng.below(7))];
  for (const int count : counts) REQUIRE(std::abs(count - n / 7) < 5 * std::sqrt(n / 7.0));
}
