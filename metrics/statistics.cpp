// Intervals and tests of statistics.h.
#include "metrics/statistics.h"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/normal.hpp>
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

/// Calls draw() `resamples` times and cuts the same number of results off both ends.
template <class Draw>
Interval percentiles(double confidence, i64 resamples, const Draw& draw) {
  check(resamples > 0, "a bootstrap has resamples");
  std::vector<double> results(static_cast<std::size_t>(resamples));
  for (double& result : results) result = draw();
  std::sort(results.begin(), results.end());
  const double tail = (1 - confidence) / 2 * static_cast<double>(resamples);
  const auto cut = std::min(static_cast<std::size_t>(tail), (results.size() - 1) / 2);
  return {results[cut], results[results.size() - 1 - cut]};
}

/// Mean of as many values as there are, drawn with replacement.
double resampled_mean(std::span<const double> values, Rng& rng) {
  const i64 n = static_cast<i64>(values.size());
  double sum = 0;
  for (i64 i = 0; i < n; ++i) sum += values[static_cast<std::size_t>(rng.below(n))];
  return sum / static_cast<double>(n);
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

Interval bootstrap_mean(std::span<const double> units, double confidence, i64 resamples, Rng rng) {
  check(!units.empty(), "a bootstrap has units");
  return percentiles(confidence, resamples, [&] { return resampled_mean(units, rng); });
}

Interval bootstrap_ratio(std::span<const double> numerators, std::span<const double> denominators,
                         double confidence, i64 resamples, Rng rng) {
  check(!numerators.empty() && numerators.size() == denominators.size(), "ratios pair up");
  const i64 n = static_cast<i64>(numerators.size());
  return percentiles(confidence, resamples, [&] {
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

double paired_bootstrap_p(std::span<const double> differences, i64 resamples, Rng rng) {
  check(!differences.empty() && resamples > 0, "a bootstrap has units and resamples");
  i64 not_above = 0, not_below = 0;
  for (i64 r = 0; r < resamples; ++r) {
    const double resampled = resampled_mean(differences, rng);
    not_above += resampled <= 0;
    not_below += resampled >= 0;
  }
  const double n = static_cast<double>(resamples);
  const double p = 2 * static_cast<double>(std::min(not_above, not_below)) / n;
  return std::clamp(p, 1 / (n + 1), 1.0);
}

std::vector<double> holm(std::span<const double> p) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p[a] < p[b]; });
  std::vector<double> adjusted(p.size());
  double largest = 0;
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    const double scaled = static_cast<double>(p.size() - rank) * p[order[rank]];
    largest = std::max(largest, std::min(1.0, scaled));
    adjusted[order[rank]] = largest;
  }
  return adjusted;
}

double minimum_detectable_effect(double standard_error, double confidence, double power) {
  return (normal_quantile(1 - (1 - confidence) / 2) + normal_quantile(power)) * standard_error;
}

}  // namespace longreach::metrics
