// Tests metrics/estimate.cpp.
#include "metrics/estimate.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "metrics/statistics.h"

namespace longreach::metrics {
namespace {

const Statistics kStatistics{0.95, 500};
const Rng kRng(3);

TEST_CASE("A mean of units of unequal size is the ratio of their sums") {
  Measurement m;
  set_mean(m, {"blocks", {1, 2, 6}, {1, 1, 4}}, kStatistics, kRng);
  CHECK(*m.value == Approx(9.0 / 6));
  CHECK(m.n == 3);
  // Residuals (1 - 1.5, 2 - 1.5, 6 - 6) / 2 = -.25, .25, 0: deviation .25, over sqrt(3).
  CHECK(*m.standard_error == Approx(0.25 / std::sqrt(3.0)));
  CHECK(*m.ci_low >= 1);
  CHECK(*m.ci_high <= 2);
  CHECK(m.ci_method == "bootstrap 0.95 over 3 blocks, 500 resamples");
}

TEST_CASE("With units of equal size the standard error is that of their mean") {
  const std::vector<double> values{1, 4, 4, 9};
  Units units{"samples", {}, {}};
  for (const double value : values) units.add(value);
  Measurement m;
  set_mean(m, units, kStatistics, kRng);
  CHECK(*m.standard_error == Approx(standard_error(values)));
}

TEST_CASE("A single unit gets a value but no interval") {
  Measurement m;
  set_mean(m, {"blocks", {3}, {2}}, kStatistics, kRng);
  CHECK(*m.value == 1.5);
  CHECK(m.n == 1);
  CHECK_FALSE(m.standard_error);
  CHECK_FALSE(m.ci_low);
  CHECK_FALSE(m.ci_high);
  CHECK(m.ci_method == "no interval; blocks: 1");
}

TEST_CASE("Samples that all score alike do not make a certain result") {
  Measurement all, none;
  set_bounded_mean(all, {"samples", {5, 5, 5}, {5, 5, 5}}, kStatistics, kRng);
  set_bounded_mean(none, {"samples", {0, 0, 0}, {5, 5, 5}}, kStatistics, kRng);
  CHECK(*all.value == 1);
  CHECK(*all.ci_low == Approx(wilson(3, 3, 0.95).low));
  CHECK(*all.ci_high == 1);
  CHECK(*none.value == 0);
  CHECK(*none.ci_low == 0);
  CHECK(*none.ci_high == Approx(wilson(0, 3, 0.95).high));
  CHECK(none.ci_method == "wilson 0.95 over 3 samples, all alike");
}

TEST_CASE("A bounded mean of differing samples is a bootstrap") {
  Measurement m;
  set_bounded_mean(m, {"samples", {0, 5, 5, 0}, {5, 5, 5, 5}}, kStatistics, kRng);
  CHECK(*m.value == 0.5);
  CHECK(m.ci_method == "bootstrap 0.95 over 4 samples, 500 resamples");
}

TEST_CASE("A share has Wilson's interval, and no standard error at its ends") {
  Measurement half, all;
  set_share(half, 2, 4, kStatistics);
  set_share(all, 10, 10, kStatistics);
  CHECK(*half.value == 0.5);
  CHECK(*half.standard_error == Approx(0.25));  // sqrt(.5 * .5 / 4)
  CHECK(*all.ci_low == Approx(0.7225).margin(5e-4));
  CHECK_FALSE(all.standard_error);
}

TEST_CASE("A ratio of differences has a value only where what it is a share of is clearly there") {
  Measurement clear, once, noise, little, lone;
  set_ratio(clear, {"blocks", {1, -1, 2, 0}, {2, 1, 3, 2}}, 0.001, kStatistics, kRng);
  CHECK(*clear.value == Approx(2.0 / 8));
  CHECK(clear.n == 4);
  CHECK(clear.ci_method == "bootstrap 0.95 over 4 blocks, 500 resamples");
  CHECK((*clear.ci_low < 0.25 && 0.25 < *clear.ci_high));
  // All drawn from the second and third: a sum below 0, though the mean is 1.
  set_ratio(once, {"blocks", {1, 1, 1, 1}, {6, -1, -1, 0}}, 0.001, kStatistics, kRng);
  set_ratio(noise, {"blocks", {1, 1, 1}, {-1, 0, 1}}, 0.001, kStatistics, kRng);
  set_ratio(little, {"blocks", {1, 1, 1}, {1e-4, 2e-4, 1e-4}}, 0.001, kStatistics, kRng);
  set_ratio(lone, {"blocks", {1}, {1}}, 0.001, kStatistics, kRng);
  for (const Measurement& m : {once, noise, little, lone}) {
    CHECK_FALSE(m.value);
    CHECK_FALSE(m.ci_low);
    CHECK_FALSE(m.standard_error);
    CHECK(m.n > 0);
    CHECK(m.ci_method.starts_with("no value: what it is a share of is not clearly above 0"));
  }
}

TEST_CASE("Exponentiating moves value and ends, and the error by the slope") {
  Measurement m;
  m.value = 1;
  m.standard_error = 0.1;
  m.ci_low = 0;
  m.ci_high = 2;
  exponentiate(m);
  CHECK(*m.value == Approx(std::exp(1.0)));
  CHECK(*m.standard_error == Approx(0.1 * std::exp(1.0)));
  CHECK(*m.ci_low == 1);
  CHECK(*m.ci_high == Approx(std::exp(2.0)));
}

}  // namespace
}  // namespace longreach::metrics
