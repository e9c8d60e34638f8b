// Fills a measurement with a value and its interval.
#pragma once

#include <string_view>
#include <vector>

#include "core/random.h"
#include "core/record.h"
#include "metrics/metric.h"

namespace longreach::metrics {

/// Independent units, each with an amount and a size: nats and tokens of a block, say. Their mean
/// is sum(amounts) / sum(sizes).
struct Units {
  std::string_view name;  ///< "blocks", for ci_method
  std::vector<double> amounts, sizes;

  void add(double amount, double size = 1) {
    amounts.push_back(amount);
    sizes.push_back(size);
  }
  i64 count() const { return static_cast<i64>(amounts.size()); }
};

/// The share of successes with its Wilson interval. trials > 0.
void set_share(Measurement&, i64 successes, i64 trials, const Statistics&);

/// The mean of the units, its standard error (linearised for unequal sizes) and its expanded
/// percentile bootstrap interval over units; one unit alone gets no interval, which ci_method says.
/// At least one unit, sizes positive.
void set_mean(Measurement&, const Units&, const Statistics&, const Rng&);

/// The same for amounts between 0 and their size. When every unit scores 0, or every unit its size,
/// resampling would claim certainty: then the interval is Wilson's with units as trials, which
/// bounds the share of units that would score otherwise and so, cautiously, the mean.
void set_bounded_mean(Measurement&, const Units&, const Statistics&, const Rng&);

/// sum(amounts) / sum(sizes) where sizes are differences of either sign, with its expanded
/// percentile bootstrap over units. Where the sizes are not clearly positive such a ratio means
/// nothing: it has a value only when their mean is at least `least` and their sum positive in every
/// resample; else `ci_method` says why there is none.
void set_ratio(Measurement&, const Units&, double least, const Statistics&, const Rng&);

/// Turns a mean log into the exponential of it: value and interval ends, and the standard error by
/// the delta method.
void exponentiate(Measurement&);

/// A value known exactly: n = 1, no interval.
void set_exact(Measurement&, double value);

}  // namespace longreach::metrics
