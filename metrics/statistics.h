// Intervals and tests. Distribution tables come from Boost.Math.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "core/random.h"
#include "core/tensor.h"

namespace longreach::metrics {

struct Interval {
  double low = 0, high = 0;
};

/// Wilson score interval of a proportion (Wilson 1927). trials > 0.
Interval wilson(i64 successes, i64 trials, double confidence);

/// Percentile bootstrap of the mean over independent units. n > 0.
Interval bootstrap_mean(std::span<const double> units, double confidence, i64 resamples, Rng rng);

/// Percentile bootstrap of sum(numerators) / sum(denominators) over independent units, for means of
/// units of unequal size (tokens in documents). Sizes equal, n > 0, denominators positive.
Interval bootstrap_ratio(std::span<const double> numerators, std::span<const double> denominators,
                         double confidence, i64 resamples, Rng rng);

/// Distribution-free interval of the median from order statistics (binomial; conservative). n > 0;
/// where even smallest to largest covers less than asked (n < 6 at 0.95), that is what it gives.
Interval median_interval(std::vector<double> values, double confidence);
double median(std::vector<double> values);

double mean(std::span<const double> values);
/// Standard error of the mean; 0 for n < 2.
double standard_error(std::span<const double> values);

/// Two-sided exact McNemar: p of b against c discordant pairs under a fair coin.
double mcnemar_exact(i64 b, i64 c);

/// Two-sided paired bootstrap p of mean(differences) = 0: 2 min(share <= 0, share >= 0) of the
/// resampled means, at least 1 / (resamples + 1).
double paired_bootstrap_p(std::span<const double> differences, i64 resamples, Rng rng);

/// Holm's step-down adjusted p, in the order given.
std::vector<double> holm(std::span<const double> p);

/// Smallest true difference of a paired mean that a two-sided test of level 1 - confidence finds
/// with the given power: (z_{1-alpha/2} + z_{power}) * standard_error.
double minimum_detectable_effect(double standard_error, double confidence, double power = 0.8);

}  // namespace longreach::metrics
