// Intervals and tests of statistics.h.
#include "metrics/statistics.h"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <numeric>

#include "core/error.h"

namespace longreach::metrics {
namespace {

double normal_quantile(double probability) {
  return boost::math::quantile(boost::math::normal(), probability);
}

/// P(X <= k) of n fair coins.
double fair_coin_cdf(i64 n, i64 k) {
  const boost::math::binomial coins(static_cast<double>(n), 0.5);
  return boost::math::cdf(coins, static_cast<double>(k));
}

/// The share of resamples of n units that an expanded percentile interval cuts off each end.
double expanded_tail(double confidence, i64 units) {
  if (confidence >= 1 || units < 2) return 0;
  const auto n = static_cast<double>(units);
  const double t = boost::math::quantile(
      boost::math::complement(boost::math::students_t(n - 1), (1 - confidence) / 2));
  return boost::math::cdf(boost::math::normal(), -std::sqrt(n / (n - 1)) * t);
}

/// The interval of `resamples` results of draw(), each of so many units.
template <class Draw>
Interval percentiles(double confidence, i64 resamples, i64 units, const Draw& draw) {
  check(resamples > 0, "a bootstrap has resamples");
  std::vector<double> results(static_cast<std::size_t>(resamples));
  for (double& result : results) result = draw();
  return percentile_interval(std::move(results), confidence, units);
}

/// Mean of as many values as there are, drawn with replacement.
double resampled_mean(std::span<const double> values, Rng& rng) {
  const i64 n = static_cast<i64>(values.size());
  double sum = 0;
  for (i64 i = 0; i < n; ++i) sum += values[static_cast<std::size_t>(rng.below(n))];
  return sum / static_cast<double>(n);
}

/// Up to as many differences, all ways to give them signs are gone through.
constexpr std::size_t kExactFlips = 16;

/// Up to as many values a set, the null distribution of U is counted out.
constexpr std::size_t kExactValues = 40;

/// P(U = 0), P(U = 1), ... P(U = m n), where U counts the pairs (a, b) with a > b and all orders of
/// m values of a and n of b are as likely. The largest value is one of a's with m / (m + n), which
/// adds n to U; otherwise it adds nothing.
std::vector<double> mann_whitney_null(std::size_t m, std::size_t n) {
  std::vector<std::vector<double>> fewer(n + 1, {1.0});  // of one value of a less, by b's number
  for (std::size_t i = 1; i <= m; ++i) {
    std::vector<std::vector<double>> now{{1.0}};
    for (std::size_t j = 1; j <= n; ++j) {
      const double from_a = static_cast<double>(i) / static_cast<double>(i + j);
      std::vector<double> p(i * j + 1);
      for (std::size_t u = 0; u < fewer[j].size(); ++u) p[u + j] += from_a * fewer[j][u];
      for (std::size_t u = 0; u < now[j - 1].size(); ++u) p[u] += (1 - from_a) * now[j - 1][u];
      now.push_back(std::move(p));
    }
    fewer = std::move(now);
  }
  return fewer[n];
}

/// The deviation of U, less for values that are equal.
double mann_whitney_deviation(std::vector<double> all, double m, double n) {
  std::sort(all.begin(), all.end());
  double ties = 0;
  for (auto first = all.begin(); first != all.end();) {
    const auto last = std::upper_bound(first, all.end(), *first);
    const auto equal = static_cast<double>(last - first);
    ties += equal * equal * equal - equal;
    first = last;
  }
  const double count = m + n;
  return std::sqrt(m * n / 12 * (count + 1 - ties / (count * (count - 1))));
}

/// Indices that sort the values.
std::vector<std::size_t> ascending(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  return order;
}

}  // namespace

Interval wilson(i64 successes, i64 trials, double confidence) {
  check(trials > 0 && 0 <= successes && successes <= trials, "a proportion of trials");
  const double n = static_cast<double>(trials), share = static_cast<double>(successes) / n;
  const double z = normal_quantile(1 - (1 - confidence) / 2);
  const double centre = (share + z * z / (2 * n)) / (1 + z * z / n);
  const double half =
      z / (1 + z * z / n) * std::sqrt(share * (1 - share) / n + z * z / (4 * n * n));
  // At 0 and n successes the bound is exactly 0 or 1; rounding must not say otherwise.
  return {successes == 0 ? 0 : std::max(0.0, centre - half),
          successes == trials ? 1 : std::min(1.0, centre + half)};
}

Interval percentile_interval(std::vector<double> results, double confidence, i64 units) {
  check(!results.empty() && units > 0, "percentiles are of results");
  std::sort(results.begin(), results.end());
  const double tail = expanded_tail(confidence, units) * static_cast<double>(results.size());
  const auto cut = std::min(static_cast<std::size_t>(tail), (results.size() - 1) / 2);
  return {results[cut], results[results.size() - 1 - cut]};
}

Interval bootstrap_mean(std::span<const double> units, double confidence, i64 resamples, Rng rng) {
  check(!units.empty(), "a bootstrap has units");
  return percentiles(confidence, resamples, std::ssize(units),
                     [&] { return resampled_mean(units, rng); });
}

Interval bootstrap_ratio(std::span<const double> numerators, std::span<const double> denominators,
                         double confidence, i64 resamples, Rng rng) {
  check(!numerators.empty() && numerators.size() == denominators.size(), "ratios pair up");
  const i64 n = static_cast<i64>(numerators.size());
  return percentiles(confidence, resamples, n, [&] {
    double numerator = 0, denominator = 0;
    for (i64 i = 0; i < n; ++i) {
      const auto unit = static_cast<std::size_t>(rng.below(n));
      numerator += numerators[unit];
      denominator += denominators[unit];
    }
    return numerator / denominator;
  });
}

Interval median_interval(std::vector<double> values, double confidence) {
  check(!values.empty(), "a median has values");
  std::sort(values.begin(), values.end());
  const i64 n = static_cast<i64>(values.size());
  // Between the (cut + 1)-th smallest and largest lies the median unless at most `cut` values fall
  // on one side of it: the widest cut whose two tails still fit in 1 - confidence.
  i64 cut = 0;
  while (cut + 1 < (n + 1) / 2 && 2 * fair_coin_cdf(n, cut + 1) <= 1 - confidence) ++cut;
  return {values[static_cast<std::size_t>(cut)], values[static_cast<std::size_t>(n - 1 - cut)]};
}

double median(std::vector<double> values) {
  check(!values.empty(), "a median has values");
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return std::midpoint(*std::max_element(values.begin(), middle), *middle);
}

double mean(std::span<const double> values) {
  check(!values.empty(), "a mean has values");
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double standard_error(std::span<const double> values) {
  if (values.size() < 2) return 0;
  const double centre = mean(values), n = static_cast<double>(values.size());
  double squares = 0;
  for (const double value : values) squares += (value - centre) * (value - centre);
  return std::sqrt(squares / (n - 1) / n);
}

double mcnemar_exact(i64 b, i64 c) {
  check(b >= 0 && c >= 0, "discordant pairs are counted");
  if (b == c) return 1;  // includes no discordant pair at all
  return std::min(1.0, 2 * fair_coin_cdf(b + c, std::min(b, c)));
}

double sign_flip_p(std::span<const double> differences, i64 resamples, Rng rng) {
  check(!differences.empty() && resamples > 0, "signs are flipped of differences");
  double observed = 0, farthest = 0;
  for (const double difference : differences) {
    observed += difference;
    farthest += std::abs(difference);
  }
  // Sums that are equal but for the order of rounding are as far.
  const double reached = std::abs(observed) - 1e-12 * farthest;
  const auto as_far = [&](const auto& flipped) {
    double sum = 0;
    for (std::size_t i = 0; i < differences.size(); ++i) {
      sum += flipped(i) ? -differences[i] : differences[i];
    }
    return std::abs(sum) >= reached;
  };
  i64 found = 0;
  if (differences.size() <= kExactFlips) {
    const std::uint64_t ways = std::uint64_t{1} << differences.size();
    for (std::uint64_t way = 0; way < ways; ++way) {
      found += as_far([way](std::size_t i) { return (way >> i & 1) != 0; });
    }
    return static_cast<double>(found) / static_cast<double>(ways);
  }
  for (i64 r = 0; r < resamples; ++r) {
    found += as_far([&rng](std::size_t) { return rng.below(2) == 1; });
  }
  return static_cast<double>(found + 1) / static_cast<double>(resamples + 1);
}

double mann_whitney(std::span<const double> a, std::span<const double> b) {
  check(!a.empty() && !b.empty(), "two sets of values are compared");
  const auto m = static_cast<double>(a.size()), n = static_cast<double>(b.size());
  double u = 0;  // a tie counts half
  bool tied = false;
  for (const double x : a) {
    for (const double y : b) {
      u += x > y ? 1 : x == y ? 0.5 : 0;
      tied = tied || x == y;
    }
  }
  const double smaller = std::min(u, m * n - u);
  // Ties within one set do not touch U.
  if (!tied && a.size() <= kExactValues && b.size() <= kExactValues) {
    const std::vector<double> null = mann_whitney_null(a.size(), b.size());
    const auto end = null.begin() + static_cast<std::ptrdiff_t>(smaller) + 1;
    return std::min(1.0, 2 * std::accumulate(null.begin(), end, 0.0));
  }
  std::vector<double> all(a.begin(), a.end());
  all.insert(all.end(), b.begin(), b.end());
  const double deviation = mann_whitney_deviation(std::move(all), m, n);
  const double distance = m * n / 2 - smaller - 0.5;  // of which half a step is rounding
  if (deviation == 0 || distance <= 0) return 1;
  return 2 * boost::math::cdf(boost::math::normal(), -distance / deviation);
}

Ratio hodges_lehmann_ratio(std::span<const double> a, std::span<const double> b,
                           double confidence) {
  check(!a.empty() && !b.empty(), "two sets of values are compared");
  std::vector<double> quotients;
  for (const double x : a) {
    for (const double y : b) {
      check(x > 0 && y > 0, "ratios are of positive values");
      quotients.push_back(x / y);
    }
  }
  std::sort(quotients.begin(), quotients.end());
  // The test rejects U = 0 ... cut - 1 and as many at the other end.
  std::size_t cut = 0;
  const double tail = (1 - confidence) / 2;
  if (a.size() <= kExactValues && b.size() <= kExactValues) {
    const std::vector<double> null = mann_whitney_null(a.size(), b.size());
    for (double sum = null[0]; sum <= tail; sum += null[cut]) ++cut;
  } else {
    const auto m = static_cast<double>(a.size()), n = static_cast<double>(b.size());
    const double bound =
        m * n / 2 + normal_quantile(tail) * std::sqrt(m * n * (m + n + 1) / 12) - 0.5;
    cut = bound < 0 ? 0 : static_cast<std::size_t>(bound) + 1;
  }
  const std::size_t low = cut == 0 ? 0 : cut - 1;
  return {.value = median(quotients),
          .interval = {quotients[low], quotients[quotients.size() - 1 - low]},
          .reached = cut > 0};
}

std::vector<double> holm(std::span<const double> p) {
  const std::vector<std::size_t> order = ascending(p);
  std::vector<double> adjusted(p.size());
  double largest = 0;
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    const double scaled = static_cast<double>(p.size() - rank) * p[order[rank]];
    largest = std::max(largest, std::min(1.0, scaled));
    adjusted[order[rank]] = largest;
  }
  return adjusted;
}

std::vector<double> benjamini_hochberg(std::span<const double> p) {
  const std::vector<std::size_t> order = ascending(p);
  std::vector<double> adjusted(p.size());
  double smallest = 1;
  for (std::size_t rank = order.size(); rank > 0; --rank) {
    const std::size_t i = order[rank - 1];
    smallest = std::min(smallest, p[i] * static_cast<double>(p.size()) / static_cast<double>(rank));
    adjusted[i] = smallest;
  }
  return adjusted;
}

std::vector<double> never_rising(std::span<const double> values, std::span<const double> weights) {
  check(values.size() == weights.size(), "every value has a weight");
  struct Pool {
    double mean, weight;
    std::size_t count;
  };
  std::vector<Pool> pools;
  for (std::size_t i = 0; i < values.size(); ++i) {
    Pool last{values[i], weights[i], 1};
    while (!pools.empty() && pools.back().mean < last.mean) {
      const Pool& before = pools.back();
      const double weight = before.weight + last.weight;
      last = {(before.mean * before.weight + last.mean * last.weight) / weight, weight,
              before.count + last.count};
      pools.pop_back();
    }
    pools.push_back(last);
  }
  std::vector<double> fit;
  for (const Pool& pool : pools) fit.insert(fit.end(), pool.count, pool.mean);
  return fit;
}

double minimum_detectable_effect(double standard_error, double confidence, double power) {
  return (normal_quantile(1 - (1 - confidence) / 2) + normal_quantile(power)) * standard_error;
}

}  // namespace longreach::metrics
