// Effective length.
#include "metrics/effective_length.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "core/error.h"
#include "metrics/statistics.h"

namespace longreach::metrics {
namespace {

double mean_of(const Units& units) {
  return std::accumulate(units.amounts.begin(), units.amounts.end(), 0.0) /
         std::accumulate(units.sizes.begin(), units.sizes.end(), 0.0);
}

/// How many lengths, from the shortest on, hold.
std::size_t holding(std::span<const double> means, const LengthThreshold& threshold) {
  const double wanted = threshold.relative ? threshold.value * means.front() : threshold.value;
  const auto lost = std::find_if(means.begin(), means.end(), [&](double mean) {
    return mean < wanted || mean <= threshold.chance;
  });
  return static_cast<std::size_t>(lost - means.begin());
}

/// The units, and one of the opposite kind when they are all alike.
Units drawn_from(const Units& units) {
  const bool none =
      std::all_of(units.amounts.begin(), units.amounts.end(), [](double a) { return a == 0; });
  Units drawn = units;
  if (none) drawn.add(units.sizes.front(), units.sizes.front());
  if (units.amounts == units.sizes) drawn.add(0, units.sizes.front());
  return drawn;
}

/// The mean of `count` units drawn with replacement.
double resampled_mean(const Units& units, i64 count, Rng& rng) {
  double amount = 0, size = 0;
  for (i64 i = 0; i < count; ++i) {
    const auto unit = static_cast<std::size_t>(rng.below(units.count()));
    amount += units.amounts[unit];
    size += units.sizes[unit];
  }
  return amount / size;
}

}  // namespace

EffectiveLength effective_length(std::span<const LengthScores> scores,
                                 const LengthThreshold& threshold, const Statistics& statistics,
                                 Rng rng) {
  check(!scores.empty() && statistics.bootstrap > 0, "an effective length has lengths");
  std::vector<Units> urns;
  std::vector<double> means;
  i64 fewest = scores.front().units.count();
  for (const LengthScores& at : scores) {
    check(at.units.count() > 0, "a length has units");
    fewest = std::min(fewest, at.units.count());
    means.push_back(mean_of(at.units));
    urns.push_back(drawn_from(at.units));
  }
  EffectiveLength found;
  const std::size_t held = holding(means, threshold);
  if (held > 0) found.length = scores[held - 1].length;
  found.censored = held == scores.size();
  std::vector<double> results;
  for (i64 r = 0; r < statistics.bootstrap; ++r) {
    for (std::size_t i = 0; i < urns.size(); ++i) {
      means[i] = resampled_mean(urns[i], scores[i].units.count(), rng);
    }
    results.push_back(static_cast<double>(holding(means, threshold)));
  }
  const Interval held_between =
      percentile_interval(std::move(results), statistics.confidence, fewest);
  const auto length_of = [&](double count) {
    return count > 0 ? scores[static_cast<std::size_t>(count) - 1].length : 0;
  };
  found.low = length_of(held_between.low);
  found.high = length_of(held_between.high);
  return found;
}

}  // namespace longreach::metrics
