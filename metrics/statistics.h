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

/// Expanded percentile interval (Hesterberg 2015, doi 10.1080/00031305.2015.1089789) of the results
/// of resamples of `units` independent units: off both ends it cuts Phi(-sqrt(n / (n - 1)) t) of
/// them, t being Student's quantile for n - 1 degrees of freedom, in place of (1 - confidence) / 2.
/// Plain percentiles of few units are too narrow by both. No resample leaves the range of the
/// units, so it covers the middle of what is symmetric at most 1 - 2^(1-n) of the time: .5 at n =
/// 2, .875 at n = 4. At least one result and one unit, of which nothing is cut; infinite results
/// are as good as others.
Interval percentile_interval(std::vector<double> results, double confidence, i64 units);

/// Expanded percentile bootstrap of the mean over independent units. n > 0.
Interval bootstrap_mean(std::span<const double> units, double confidence, i64 resamples, Rng rng);

/// Expanded percentile bootstrap of sum(numerators) / sum(denominators) over independent units, for
/// means of units of unequal size (tokens in documents). Sizes equal, n > 0, denominators positive.
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

/// Two-sided p that paired differences are as often of either sign: the share of ways to give them
/// signs whose sum is at least as far from 0 (Fisher 1935, The Design of Experiments, section 21).
/// All 2^n ways up to n = 16, which needs no luck; else `resamples` random ones, the one found
/// among them (Phipson & Smyth 2010). At least 2 / 2^n, so fewer than 6 find nothing at .05. n > 0.
double sign_flip_p(std::span<const double> differences, i64 resamples, Rng rng);

/// Two-sided p that two independent sets of values come from one distribution (Mann & Whitney
/// 1947): exact where no value of one equals one of the other and neither set has more than 40,
/// else normal with corrections for continuity and ties. Neither may be empty.
double mann_whitney(std::span<const double> a, std::span<const double> b);

struct Ratio {
  double value = 1;
  Interval interval;
  bool reached = true;  ///< whether the interval has the confidence asked for
};

/// How many times larger values of `a` are than values of `b`: the median of all quotients a / b,
/// which is Hodges and Lehmann's (1963) shift of the logarithms, and the interval of the ratios
/// that mann_whitney() does not reject: it leaves out 1 where the test finds a difference. Where
/// too few values can reach the confidence, smallest to largest quotient. Values positive, n > 0.
Ratio hodges_lehmann_ratio(std::span<const double> a, std::span<const double> b, double confidence);

/// Holm's step-down adjusted p, in the order given.
std::vector<double> holm(std::span<const double> p);

/// Benjamini and Hochberg's (1995) step-up adjusted p, in the order given: those below q are
/// discoveries of which a share of at most q is expected to be false.
std::vector<double> benjamini_hochberg(std::span<const double> p);

/// The never rising values that are nearest to `values` in weighted squares: pools adjacent
/// violators (Ayer et al. 1955). Sizes equal, weights positive.
std::vector<double> never_rising(std::span<const double> values, std::span<const double> weights);

/// Smallest true difference of a paired mean that a two-sided test of level 1 - confidence finds
/// with the given power: (z_{1-alpha/2} + z_{power}) * standard_error.
double minimum_detectable_effect(double standard_error, double confidence, double power = 0.8);

}  // namespace longreach::metrics
