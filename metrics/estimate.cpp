// The estimates of estimate.h.
#include "metrics/estimate.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "metrics/statistics.h"

namespace longreach::metrics {
namespace {

double sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

/// Of a ratio of sums: the standard error of the mean of (amount - ratio * size) / mean size.
double ratio_standard_error(const Units& units, double ratio) {
  const double mean_size = sum(units.sizes) / static_cast<double>(units.count());
  std::vector<double> residuals(units.amounts.size());
  for (std::size_t i = 0; i < residuals.size(); ++i) {
    residuals[i] = (units.amounts[i] - ratio * units.sizes[i]) / mean_size;
  }
  return standard_error(residuals);
}

void set_interval(Measurement& m, const Interval& interval, std::string method) {
  m.ci_low = interval.low;
  m.ci_high = interval.high;
  m.ci_method = std::move(method);
}

}  // namespace

void set_share(Measurement& m, i64 successes, i64 trials, const Statistics& statistics) {
  const auto n = static_cast<double>(trials);
  const double share = static_cast<double>(successes) / n;
  m.value = share;
  m.n = trials;
  if (0 < successes && successes < trials) m.standard_error = std::sqrt(share * (1 - share) / n);
  set_interval(m, wilson(successes, trials, statistics.confidence),
               fmt::format("wilson {:g}", statistics.confidence));
}

void set_mean(Measurement& m, const Units& units, const Statistics& statistics, const Rng& rng) {
  check(units.count() > 0 && units.amounts.size() == units.sizes.size(), "a mean has units");
  const double ratio = sum(units.amounts) / sum(units.sizes);
  m.value = ratio;
  m.n = units.count();
  if (units.count() < 2) {
    m.ci_method = fmt::format("no interval; {}: 1", units.name);
    return;
  }
  m.standard_error = ratio_standard_error(units, ratio);
  set_interval(m,
               bootstrap_ratio(units.amounts, units.sizes, statistics.confidence,
                               statistics.bootstrap, rng.fork("bootstrap")),
               fmt::format("bootstrap {:g} over {} {}, {} resamples", statistics.confidence,
                           units.count(), units.name, statistics.bootstrap));
}

void set_bounded_mean(Measurement& m, const Units& units, const Statistics& statistics,
                      const Rng& rng) {
  const bool none =
      std::all_of(units.amounts.begin(), units.amounts.end(), [](double a) { return a == 0; });
  const bool all = units.amounts == units.sizes;
  if (!none && !all) return set_mean(m, units, statistics, rng);
  m.value = all ? 1 : 0;
  m.n = units.count();
  set_interval(m, wilson(all ? units.count() : 0, units.count(), statistics.confidence),
               fmt::format("wilson {:g} over {} {}, all alike", statistics.confidence,
                           units.count(), units.name));
}

void set_ratio(Measurement& m, const Units& units, double least, const Statistics& statistics,
               const Rng& rng) {
  check(units.amounts.size() == units.sizes.size(), "every amount has a size");
  m.n = units.count();
  // The widest interval of the same draws that the ratio's interval is made of: its lower end is
  // the smallest denominator among them.
  const bool positive =
      units.count() >= 2 && mean(units.sizes) >= least &&
      bootstrap_mean(units.sizes, 1, statistics.bootstrap, rng.fork("bootstrap")).low > 0;
  if (positive) {
    set_mean(m, units, statistics, rng);
  } else {
    m.ci_method = fmt::format("no value: what it is a share of is not clearly above 0 over {} {}",
                              units.count(), units.name);
  }
}

void exponentiate(Measurement& m) {
  check(m.value.has_value(), "only a value can be exponentiated");
  m.value = std::exp(*m.value);
  if (m.standard_error) *m.standard_error *= *m.value;
  if (m.ci_low) m.ci_low = std::exp(*m.ci_low);
  if (m.ci_high) m.ci_high = std::exp(*m.ci_high);
}

void set_exact(Measurement& m, double value) {
  m.value = value;
  m.n = 1;
  m.ci_method = "exact";
}

}  // namespace longreach::metrics
