// Tests metrics/statistics.cpp against values worked out by hand.
#include "metrics/statistics.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

namespace longreach::metrics {
namespace {

TEST_CASE("Wilson's interval of all successes is n / (n + z^2) to 1") {
  // z = 1.959964, z^2 = 3.841459: 10 / 13.841459 = 0.722467; 100 / 103.841459 = 0.963006.
  CHECK(wilson(10, 10, 0.95).low == Approx(0.722467).epsilon(1e-5));
  CHECK(wilson(100, 100, 0.95).low == Approx(0.963006).epsilon(1e-5));
  CHECK(wilson(10, 10, 0.95).high == 1);
  CHECK(wilson(0, 10, 0.95).low == 0);
  CHECK(wilson(0, 10, 0.95).high == Approx(1 - 0.722467).epsilon(1e-5));
}

TEST_CASE("Wilson's bounds solve (p - share)^2 = z^2 p (1 - p) / n") {
  const Interval interval = wilson(3, 8, 0.9);
  const double z = 1.6448536269514722, share = 3.0 / 8;
  for (const double p : {interval.low, interval.high}) {
    CHECK((p - share) * (p - share) == Approx(z * z * p * (1 - p) / 8).epsilon(1e-9));
  }
  CHECK(interval.low < share);
  CHECK(interval.high > share);
}

TEST_CASE("Mean and standard error are the textbook's") {
  const std::vector<double> values{2, 4, 4, 4, 5, 5, 7, 9};  // mean 5, squares 32
  CHECK(mean(values) == 5);
  CHECK(standard_error(values) == Approx(std::sqrt(32.0 / 7 / 8)));
  CHECK(standard_error(std::vector<double>{3}) == 0);
}

TEST_CASE("The median of an even number of values is the mean of the middle two") {
  CHECK(median({3, 1, 2}) == 2);
  CHECK(median({4, 1, 3, 2}) == 2.5);
  CHECK(median({7}) == 7);
}

TEST_CASE("The median's interval takes the order statistics that the binomial allows") {
  // n = 9, fair coins: P(X <= 1) = 10/512 = 0.0195, P(X <= 2) = 46/512 = 0.0898. At 0.95 each tail
  // may hold 0.025, so one value is cut off each end: the 2nd and the 8th.
  const std::vector<double> values{9, 8, 7, 6, 5, 4, 3, 2, 1};
  CHECK(median_interval(values, 0.95).low == 2);
  CHECK(median_interval(values, 0.95).high == 8);
  CHECK(median_interval(values, 0.8).low == 3);  // tails of 0.1 allow two
  CHECK(median_interval(values, 0.8).high == 7);
  // n = 6: P(X <= 0) = 1/64 = 0.0156 fits, P(X <= 1) = 7/64 does not: the whole range.
  CHECK(median_interval({1, 2, 3, 4, 5, 6}, 0.95).low == 1);
  CHECK(median_interval({1, 2, 3, 4, 5, 6}, 0.95).high == 6);
  CHECK(median_interval({4}, 0.95).low == 4);
  // Never crosses itself, however low the confidence.
  CHECK(median_interval({1, 2, 3}, 0.01).low <= median_interval({1, 2, 3}, 0.01).high);
}

TEST_CASE("McNemar's exact p is twice the fair coin's tail, at most 1") {
  CHECK(mcnemar_exact(0, 5) == Approx(2.0 / 32));
  CHECK(mcnemar_exact(5, 0) == Approx(2.0 / 32));
  CHECK(mcnemar_exact(2, 8) == Approx(2 * (1 + 10 + 45) / 1024.0));
  CHECK(mcnemar_exact(1, 2) == Approx(1));  // 2 (1 + 3) / 8
  CHECK(mcnemar_exact(0, 0) == 1);
  CHECK(mcnemar_exact(4, 4) == 1);
}

TEST_CASE("Holm's adjusted p multiply by the hypotheses left and never fall") {
  // Sorted .01 .03 .04 .2: times 4 3 2 1 = .04 .09 .08 -> .09 (not below the one before), .2.
  const std::vector<double> adjusted = holm(std::vector<double>{0.04, 0.01, 0.2, 0.03});
  CHECK(adjusted[0] == Approx(0.09));
  CHECK(adjusted[1] == Approx(0.04));
  CHECK(adjusted[2] == Approx(0.2));
  CHECK(adjusted[3] == Approx(0.09));
  CHECK(holm(std::vector<double>{0.6, 0.7})[0] == 1);
  CHECK(holm(std::vector<double>{0.3})[0] == Approx(0.3));
  CHECK(holm({}).empty());
}

TEST_CASE("Benjamini and Hochberg's own example has four discoveries at .05") {
  // Their 1995 paper's fifteen p, here unsorted at both ends.
  const std::vector<double> p{1,      0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344,
                              0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 0.0001};
  const std::vector<double> adjusted = benjamini_hochberg(p);
  CHECK(std::count_if(adjusted.begin(), adjusted.end(), [](double q) { return q <= 0.05; }) == 4);
  CHECK(adjusted[14] == Approx(0.0001 * 15));
  CHECK(adjusted[1] == Approx(0.0004 * 15 / 2));
  CHECK(adjusted[3] == Approx(0.0095 * 15 / 4));
  // The sixth's 0.0278 x 15/6 = 0.0695 falls to the seventh's 0.0298 x 15/7.
  CHECK(adjusted[5] == Approx(0.0298 * 15 / 7));
  CHECK(adjusted[6] == Approx(0.0298 * 15 / 7));
  CHECK(adjusted[0] == 1);
  CHECK(benjamini_hochberg({}).empty());
}

/// Two-sided p of a normal deviate.
double two_sided(double z) { return std::erfc(z / std::sqrt(2.0)); }

TEST_CASE("Mann and Whitney's p counts the orders of untied values") {
  using Values = std::vector<double>;
  CHECK(mann_whitney(Values{1, 2, 3}, Values{4, 5, 6}) == Approx(2.0 / 20));
  CHECK(mann_whitney(Values{1, 2, 4}, Values{3, 5, 6}) == Approx(4.0 / 20));
  CHECK(mann_whitney(Values{5, 3, 6}, Values{2, 1, 4}) == Approx(4.0 / 20));
  CHECK(mann_whitney(Values{1, 4}, Values{2, 3}) == 1);                       // 2 x 4/6
  CHECK(mann_whitney(Values{1, 1, 1}, Values{4, 5, 6}) == Approx(2.0 / 20));  // U is untied
  // Hollander and Wolfe's (1973) permeability of membranes: U = 35 of 50, one-sided p 0.1272.
  const Values term{0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46};
  CHECK(mann_whitney(term, Values{1.15, 0.88, 0.90, 0.74, 1.21}) ==
        Approx(2 * 0.1272).epsilon(2e-4));
}

TEST_CASE("Mann and Whitney's p of ties or many values is the corrected normal's") {
  using Values = std::vector<double>;
  // U = 1 of 6 with three 2s: variance 6/12 (6 - 24/20) = 2.4, distance 3 - 1 - 1/2.
  CHECK(mann_whitney(Values{1, 2, 2}, Values{2, 3}) == Approx(two_sided(1.5 / std::sqrt(2.4))));
  CHECK(mann_whitney(Values{2, 3}, Values{1, 2, 2}) == Approx(two_sided(1.5 / std::sqrt(2.4))));
  CHECK(mann_whitney(Values{7, 7}, Values{7, 7}) == 1);
  Values even, odd;  // U = 41 x 40 / 2 = 820 where 840.5 is the middle
  for (int i = 0; i < 41; ++i) even.push_back(2 * i), odd.push_back(2 * i + 1);
  CHECK(mann_whitney(even, odd) == Approx(two_sided(20 / std::sqrt(41 * 41 * 83 / 12.0))));
}

TEST_CASE("The ratio of two sets is the median quotient, between those that the test allows") {
  using Values = std::vector<double>;
  const Ratio few = hodges_lehmann_ratio(Values{2, 4}, Values{1, 1}, 0.95);
  CHECK(few.value == 3);
  CHECK(few.interval.low == 2);
  CHECK(few.interval.high == 4);
  CHECK_FALSE(few.reached);
  // Of 252 orders 1, 1, 2, 3 have U = 0, 1, 2, 3: at .95 three may be cut, of 7/252 > 1/40 not
  // four.
  const Values a{2, 3, 4, 5, 6}, b{1, 10, 100, 1000, 10000};
  const Ratio ratio = hodges_lehmann_ratio(a, b, 0.95);
  CHECK(ratio.value == Approx(0.04));
  CHECK(ratio.interval.low == Approx(4e-4));
  CHECK(ratio.interval.high == Approx(4));
  CHECK(ratio.reached);
  // Turned round it is the inverse.
  const Ratio inverse = hodges_lehmann_ratio(b, a, 0.95);
  CHECK(inverse.value == Approx(25));
  CHECK(inverse.interval.low == Approx(0.25));
  CHECK(inverse.interval.high == Approx(2500));
}

TEST_CASE("Where the test finds a difference the ratio's interval leaves out 1, and only there") {
  int found = 0;
  for (i64 repetition = 0; repetition < 400; ++repetition) {
    Rng rng = Rng(9).fork(repetition);
    std::vector<double> a(repetition % 2 == 0 ? 9 : 50), b(11);
    for (double& x : a) x = std::exp(0.3 * rng.normal() + 0.3);
    for (double& x : b) x = std::exp(0.3 * rng.normal());
    const Ratio ratio = hodges_lehmann_ratio(a, b, 0.95);
    const bool differs = mann_whitney(a, b) <= 0.05;
    found += differs;
    CHECK(differs == (ratio.interval.low > 1 || ratio.interval.high < 1));
  }
  CHECK(found > 100);
  CHECK(found < 350);
}

TEST_CASE("The nearest never rising values pool what rises by weight") {
  using Values = std::vector<double>;
  const auto near = [](const Values& a, const Values& b) {
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] == Approx(b[i]));
  };
  near(never_rising(Values{3, 2, 2, 1}, Values{1, 1, 1, 1}), {3, 2, 2, 1});
  // 1 and 3 pool to (1 + 2 x 3) / 3, which then meets the 2 before it: (2 + 7) / 4.
  near(never_rising(Values{5, 2, 1, 3, 0}, Values{1, 1, 1, 2, 7}), {5, 2.25, 2.25, 2.25, 0});
  near(never_rising(Values{1, 2, 3}, Values{1, 1, 1}), {2, 2, 2});
  CHECK(never_rising(Values{}, Values{}).empty());
}

TEST_CASE("The minimum detectable effect is 2.8 standard errors at 0.95 and 0.8") {
  CHECK(minimum_detectable_effect(0.5, 0.95) == Approx(0.5 * (1.959964 + 0.841621)).epsilon(1e-5));
  CHECK(minimum_detectable_effect(2, 0.95, 0.9) == Approx(2 * (1.959964 + 1.281552)).epsilon(1e-5));
}

TEST_CASE("The bootstrap of two values has the binomial's distribution") {
  // Resampled means of {0, 1} are 0, 0.5, 1 with 1/4, 1/2, 1/4. Student's quantile for one degree
  // of freedom is tan(pi c / 2): at 0.2 the tails are Phi(-sqrt(2) 0.3249) = 0.323, so both bounds
  // are 0.5; at 0.36 Phi(-sqrt(2) 0.6345) = 0.185 of either is cut, where plain percentiles cut
  // 0.32.
  const std::vector<double> values{0, 1};
  for (const double confidence : {0.36, 0.95}) {
    CHECK(bootstrap_mean(values, confidence, 2000, Rng(1)).low == 0);
    CHECK(bootstrap_mean(values, confidence, 2000, Rng(1)).high == 1);
  }
  CHECK(bootstrap_mean(values, 0.2, 2000, Rng(1)).low == 0.5);
  CHECK(bootstrap_mean(values, 0.2, 2000, Rng(1)).high == 0.5);
}

TEST_CASE("Percentiles are expanded by Student's quantile and the bias of a variance") {
  std::vector<double> results(1000);
  std::iota(results.begin(), results.end(), 0.0);
  std::reverse(results.begin(), results.end());
  // t for 4 degrees at 0.9 is 2.131847, times sqrt(5/4) = 2.383477: 0.00857 a tail.
  CHECK(percentile_interval(results, 0.9, 5).low == 8);
  CHECK(percentile_interval(results, 0.9, 5).high == 991);
  // Of many units it is the normal's 0.05, of one or with all confidence nothing.
  CHECK(percentile_interval(results, 0.9, 1000000).low == 49);
  CHECK(percentile_interval(results, 0.9, 1).high == 999);
  CHECK(percentile_interval(results, 1, 5).low == 0);
}

TEST_CASE("Bootstraps of equal units are points, and equal streams give equal intervals") {
  const std::vector<double> equal(7, 3.5), mixed{1, 5, 2, 8, 3};
  CHECK(bootstrap_mean(equal, 0.95, 100, Rng(1)).low == 3.5);
  CHECK(bootstrap_mean(equal, 0.95, 100, Rng(1)).high == 3.5);
  CHECK(bootstrap_mean(std::vector<double>{2}, 0.95, 100, Rng(1)).high == 2);
  CHECK(bootstrap_mean(mixed, 0.9, 500, Rng(2)).low == bootstrap_mean(mixed, 0.9, 500, Rng(2)).low);
}

TEST_CASE("The bootstrap's 90% interval covers the true mean about nine times in ten") {
  // 300 repetitions have a deviation of 1.7 points; three are allowed, and a point for 300
  // resamples.
  int covered = 0;
  for (i64 repetition = 0; repetition < 300; ++repetition) {
    Rng rng = Rng(100).fork(repetition);
    std::vector<double> values(40);
    for (double& value : values) value = 7 + 2 * rng.normal();
    const Interval interval = bootstrap_mean(values, 0.9, 300, rng.fork("resamples"));
    covered += interval.low <= 7 && 7 <= interval.high;
  }
  CHECK(covered > 300 * (0.89 - 0.052));
  CHECK(covered < 300 * (0.9 + 0.052));
}

TEST_CASE("A ratio is bootstrapped whole, not as a mean of ratios") {
  // Every unit's ratio is 2, so is every resample's, though units differ in size.
  const std::vector<double> numerators{2, 20, 200}, denominators{1, 10, 100};
  CHECK(bootstrap_ratio(numerators, denominators, 0.95, 200, Rng(1)).low == Approx(2));
  CHECK(bootstrap_ratio(numerators, denominators, 0.95, 200, Rng(1)).high == Approx(2));
  // With equal sizes it is the mean's.
  const std::vector<double> values{1, 5, 2, 8, 3}, ones(5, 1.0);
  CHECK(bootstrap_ratio(values, ones, 0.9, 500, Rng(3)).low ==
        bootstrap_mean(values, 0.9, 500, Rng(3)).low);
}

TEST_CASE("The p of sign flips counts the ways that are as far from 0") {
  using Values = std::vector<double>;
  const auto p = [](const Values& differences) { return sign_flip_p(differences, 99, Rng(1)); };
  CHECK(p({0, 0, 0}) == 1);
  CHECK(p({5}) == 1);
  CHECK(p({-1, 2}) == 1);  // 1 of 3 1 1 3
  CHECK(p({1, 1}) == 0.5);
  // Sums of +-1 +-2 +-4 are the odd numbers to 7, each once: 5 and 7 on either side are 4 of 8.
  CHECK(p({-1, 2, 4}) == 0.5);
  CHECK(p({1, 2, 4}) == 0.25);
  CHECK(p({-1, -2, -4}) == 0.25);
  // 0.1 + 0.2 - 0.1, which rounding leaves above 0.2, is as far as the 0.2 of other orders: only
  // two of 4 2 0 2 2 0 2 4 tenths, the zeros, are nearer.
  CHECK(p({0.1, 0.2, -0.1}) == 0.75);
  CHECK(p(Values(16, 1)) == std::exp2(-15));
}

TEST_CASE("Of more than 16 differences random signs are drawn, and what was found is one of them") {
  // Binomial: 20 of one sign have p 2 / 2^20, which none of 99 draws meets; 13 of 20 have
  // 2 x 0.131588, of which 10000 draws miss by 0.0044.
  CHECK(sign_flip_p(std::vector<double>(20, 1), 99, Rng(1)) == Approx(0.01));
  std::vector<double> mixed(20, 1);
  std::fill_n(mixed.begin(), 7, -1);
  CHECK(std::abs(sign_flip_p(mixed, 10000, Rng(2)) - 0.263176) < 0.0132);
}

}  // namespace
}  // namespace longreach::metrics
