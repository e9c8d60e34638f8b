// How often the intervals of metrics/statistics.cpp cover the truth, and its tests err: counted out
// where that can be done, else by simulation.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "metrics/statistics.h"

namespace longreach::metrics {
namespace {

/// P(X = k) of n trials.
double binomial(i64 n, i64 k, double p) {
  const auto count = static_cast<double>(n), successes = static_cast<double>(k);
  const double ways =
      std::lgamma(count + 1) - std::lgamma(successes + 1) - std::lgamma(count - successes + 1);
  return std::exp(ways + successes * std::log(p) + (count - successes) * std::log1p(-p));
}

TEST_CASE("Wilson's interval covers 0.95 of the time on average, and never far less") {
  // Brown, Cai and DasGupta (2001): the mean over p is close to nominal; near 0 and 1 it dips to
  // about 0.83.
  for (const i64 n : {5, 20, 100}) {
    double sum = 0, least = 1;
    constexpr int kSteps = 500;
    for (int step = 0; step < kSteps; ++step) {
      const double p = (step + 0.5) / kSteps;
      double covered = 0;
      for (i64 k = 0; k <= n; ++k) {
        const Interval interval = wilson(k, n, 0.95);
        if (interval.low <= p && p <= interval.high) covered += binomial(n, k, p);
      }
      sum += covered / kSteps;
      least = std::min(least, covered);
    }
    INFO(n << ": mean " << sum << ", least " << least);
    CHECK(std::abs(sum - 0.95) < 0.01);
    CHECK(least > 0.82);
  }
}

TEST_CASE("The exact McNemar test errs in at most alpha of cases, for any number of pairs") {
  for (i64 discordant = 1; discordant <= 60; ++discordant) {
    double errs = 0;
    for (i64 b = 0; b <= discordant; ++b) {
      if (mcnemar_exact(b, discordant - b) <= 0.05) errs += binomial(discordant, b, 0.5);
    }
    INFO(discordant);
    CHECK(errs <= 0.05);
    // And it can find something from six on.
    CHECK((errs > 0) == (discordant >= 6));
  }
}

/// Runs `experiment` with streams of its own; the share of those that it calls true.
template <class Experiment>
double share(int repetitions, std::uint64_t seed, const Experiment& experiment) {
  int found = 0;
  for (i64 i = 0; i < repetitions; ++i) found += experiment(Rng(seed).fork(i));
  return static_cast<double>(found) / repetitions;
}

/// Three deviations of a share in that many repetitions.
double noise(double p, int repetitions) { return 3 * std::sqrt(p * (1 - p) / repetitions); }

std::vector<double> normals(int count, Rng& rng) {
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& value : values) value = rng.normal();
  return values;
}

TEST_CASE("Mann and Whitney's test errs in at most alpha of cases, with ties and without") {
  constexpr int kRepetitions = 2000;
  const auto errs = [&](int m, int n, bool tied) {
    return share(kRepetitions, 21, [&](Rng rng) {
      std::vector<double> a = normals(m, rng), b = normals(n, rng);
      if (tied) {
        for (std::vector<double>* values : {&a, &b}) {
          for (double& value : *values) value = std::round(2 * value);
        }
      }
      return mann_whitney(a, b) <= 0.05;
    });
  };
  for (const bool tied : {false, true}) {
    for (const auto& [m, n] : {std::pair{8, 10}, std::pair{45, 60}}) {
      const double rate = errs(m, n, tied);
      INFO(m << " against " << n << (tied ? " tied: " : ": ") << rate);
      CHECK(rate <= 0.05 + noise(0.05, kRepetitions));
      CHECK(rate >= 0.04 - noise(0.04, kRepetitions));  // exact tests attain a little less
    }
  }
}

TEST_CASE("Sign flips err in at most alpha of cases, however few or heavy-tailed the differences") {
  constexpr int kRepetitions = 3000;
  for (const bool skewed : {false, true}) {
    for (const int n : {3, 6, 12, 30}) {
      const double rate = share(kRepetitions, 27, [&](Rng rng) {
        std::vector<double> differences = normals(n, rng);
        if (skewed) {  // of two sets that are skewed alike
          const std::vector<double> others = normals(n, rng);
          for (std::size_t i = 0; i < differences.size(); ++i) {
            differences[i] = std::exp(1.5 * differences[i]) - std::exp(1.5 * others[i]);
          }
        }
        return sign_flip_p(differences, 400, rng.fork("flips")) <= 0.05;
      });
      // Multiples of 2 / 2^n: at n = 3 none is below alpha, at 6 only 2/64.
      const double exact = n == 3 ? 0 : n == 6 ? 2 / 64.0 : 0.05;
      INFO(n << (skewed ? " skewed: " : " normal: ") << rate);
      CHECK(rate <= exact + noise(exact, kRepetitions));
      CHECK(rate >= exact - 0.003 - noise(exact, kRepetitions));
    }
  }
}

TEST_CASE("The ratio's interval covers the true ratio at least as often as it says") {
  constexpr int kRepetitions = 1000;
  for (const auto& [m, n] : {std::pair{9, 10}, std::pair{45, 50}}) {
    const double covered = share(kRepetitions, 22, [&, m = m, n = n](Rng rng) {
      std::vector<double> a = normals(m, rng), b = normals(n, rng);
      for (double& value : a) value = 3 * std::exp(0.2 * value);
      for (double& value : b) value = std::exp(0.2 * value);
      const Interval interval = hodges_lehmann_ratio(a, b, 0.95).interval;
      return interval.low <= 3 && 3 <= interval.high;
    });
    INFO(m << " against " << n << ": " << covered);
    CHECK(covered >= 0.95 - noise(0.95, kRepetitions));
    CHECK(covered <= 0.965 + noise(0.965, kRepetitions));
  }
}

TEST_CASE("The bootstrap covers the mean of few units as far as their range allows") {
  // Of n symmetric values the range holds the mean unless all lie on one side: 1 - 2^(1-n), which
  // is .5 and .875 for the first two. Plain percentiles cover .49, .82, .87, .94.
  constexpr int kRepetitions = 1000;
  for (const int n : {2, 4, 8, 30}) {
    const double covered = share(kRepetitions, 28, [&](Rng rng) {
      const std::vector<double> values = normals(n, rng);
      const Interval interval = bootstrap_mean(values, 0.95, 1000, rng.fork("resamples"));
      return interval.low <= 0 && 0 <= interval.high;
    });
    const double range = 1 - std::exp2(1 - n);
    INFO(n << ": " << covered);
    CHECK(covered >= std::min(range, 0.95) - 0.01 - noise(0.95, kRepetitions));
    CHECK(covered <= std::min(range, 0.97) + noise(range, kRepetitions));
  }
}

TEST_CASE("The bootstrap of a ratio covers the true one nearly as often as it says") {
  // Blocks of 1 to 9 tokens with a loss of 2 a token on average.
  constexpr int kRepetitions = 600;
  const double covered = share(kRepetitions, 23, [](Rng rng) {
    std::vector<double> nats(30), tokens(30);
    for (std::size_t i = 0; i < 30; ++i) {
      tokens[i] = 1 + static_cast<double>(rng.below(9));
      nats[i] = tokens[i] * (2 + 0.5 * rng.normal());
    }
    const Interval interval = bootstrap_ratio(nats, tokens, 0.9, 300, rng.fork("resamples"));
    return interval.low <= 2 && 2 <= interval.high;
  });
  INFO(covered);
  CHECK(covered >= 0.89 - noise(0.89, kRepetitions));
  CHECK(covered <= 0.9 + noise(0.9, kRepetitions));
}

TEST_CASE("The median's interval covers as its order statistics say, whatever the distribution") {
  // Of 9 the 2nd and 8th: 1 - 2 x 10/512.
  constexpr int kRepetitions = 3000;
  const double covered = share(kRepetitions, 24, [](Rng rng) {
    std::vector<double> values = normals(9, rng);
    for (double& value : values) value = std::exp(2 * value);  // median 1, mean 7.4
    const Interval interval = median_interval(values, 0.95);
    return interval.low <= 1 && 1 <= interval.high;
  });
  CHECK(std::abs(covered - (1 - 20 / 512.0)) < noise(0.961, kRepetitions));
}

/// Ten hypotheses that are true, with even p, before ten that are clearly false.
std::vector<double> twenty(Rng& rng) {
  std::vector<double> p(20, 1e-9);
  for (std::size_t i = 0; i < 10; ++i) p[i] = rng.uniform();
  return p;
}

TEST_CASE("Holm's family-wise rate is at most alpha, and close to it beside false hypotheses") {
  // Once the false ones are rejected, the least of ten is held against alpha / 10:
  // 1 - (1 - 0.005)^10 = 0.0489.
  constexpr int kRepetitions = 4000;
  const double rate = share(kRepetitions, 25, [](Rng rng) {
    const std::vector<double> adjusted = holm(twenty(rng));
    return std::any_of(adjusted.begin(), adjusted.begin() + 10, [](double p) { return p <= 0.05; });
  });
  CHECK(std::abs(rate - 0.0489) < noise(0.0489, kRepetitions));
}

TEST_CASE("Benjamini and Hochberg's false discovery rate is q times the share of true hypotheses") {
  // Equal to it for independent p (their 1995 theorem): 0.2 x 10/20.
  constexpr int kRepetitions = 4000;
  double rate = 0, squares = 0;
  for (i64 i = 0; i < kRepetitions; ++i) {
    Rng rng = Rng(26).fork(i);
    const std::vector<double> adjusted = benjamini_hochberg(twenty(rng));
    const auto wrong =
        std::count_if(adjusted.begin(), adjusted.begin() + 10, [](double q) { return q <= 0.2; });
    const double proportion = static_cast<double>(wrong) / static_cast<double>(wrong + 10);
    rate += proportion / kRepetitions;
    squares += proportion * proportion / kRepetitions;
  }
  CHECK(std::abs(rate - 0.1) < 3 * std::sqrt((squares - rate * rate) / kRepetitions));
}

}  // namespace
}  // namespace longreach::metrics
