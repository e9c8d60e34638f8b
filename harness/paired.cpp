// What two cells found of the same samples, or of the same work timed.
#include "harness/paired.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/error.h"
#include "metrics/blocks.h"
#include "metrics/clusters.h"
#include "metrics/estimate.h"
#include "metrics/statistics.h"

namespace longreach::harness {
namespace {

struct Pairs {
  metrics::Units differences{"samples", {}, {}};  ///< of a cluster: their sum, and how many
  std::vector<SampleRecord> samples;              ///< the cell's that found one to pair with
  i64 better = 0, worse = 0;
  bool bounded = true;  ///< all scores are between 0 and 1
  bool binary = true;   ///< all scores are 0 or 1, and samples independent
};

/// Samples may repeat; the n-th occurrence of a hash pairs with the n-th.
Pairs pair_up(const std::vector<Measured::Scored>& cell,
              const std::vector<Measured::Scored>& baseline) {
  std::map<std::string, std::vector<double>> reference;
  for (const auto& [sample, value] : baseline) reference[sample->sample_sha].push_back(value);
  std::map<std::string, std::size_t> used;
  Pairs pairs;
  metrics::ClusteredUnits units(pairs.differences);
  for (const auto& [sample, value] : cell) {
    const auto found = reference.find(sample->sample_sha);
    if (found == reference.end()) continue;
    std::size_t& next = used[sample->sample_sha];
    if (next == found->second.size()) continue;
    const double base = found->second[next++];
    units.add(sample->cluster, value - base);
    pairs.samples.push_back(*sample);
    pairs.better += value > base;
    pairs.worse += value < base;
    const auto bit = [](double x) { return x == 0 || x == 1; };
    const auto share = [](double x) { return 0 <= x && x <= 1; };
    pairs.bounded = pairs.bounded && share(value) && share(base);
    pairs.binary = pairs.binary && bit(value) && bit(base);
  }
  pairs.binary = pairs.binary && pairs.differences.count() == std::ssize(pairs.samples);
  return pairs;
}

/// What a comparison takes over from the measurement that it is of.
Measurement comparison_of(const Measurement& of, std::string_view kind) {
  Measurement m;
  m.metric = fmt::format("{}_{}", of.metric, kind);
  m.unit = of.unit;
  m.higher_is_better = of.higher_is_better;
  m.protocol = of.protocol;
  m.data_sha = of.data_sha;
  return m;
}

/// Resampling differences that are all alike would claim certainty. Where none can be beyond 1,
/// Wilson's bound says how many more units may be of another kind.
void set_difference(Measurement& m, const Pairs& pairs, const StatisticsChoice& choice,
                    const Rng& rng) {
  const metrics::Units& units = pairs.differences;
  const metrics::Statistics statistics{choice.confidence, choice.bootstrap};
  metrics::set_mean(m, units, statistics, rng.fork("interval"));
  m.ci_method = "paired " + m.ci_method;
  bool alike = true;
  for (std::size_t i = 0; i < units.amounts.size(); ++i) {
    // Differences of decimals are alike but for rounding.
    alike = alike && std::abs(units.amounts[i] / units.sizes[i] - *m.value) < 1e-9;
  }
  if (!alike || !pairs.bounded) return;
  const double others = metrics::wilson(0, units.count(), choice.confidence).high;
  m.ci_low = *m.value - (1 + *m.value) * others;
  m.ci_high = *m.value + (1 - *m.value) * others;
  m.ci_method =
      fmt::format("wilson {} over {} {}, all alike", choice.confidence, units.count(), units.name);
}

/// The repetitions of a timing: samples without a hash.
std::vector<double> repetitions(const Measured& cell, const std::string& score) {
  std::vector<double> values;
  for (const auto& [sample, value] : cell.scored(score)) {
    if (sample->sample_sha.empty() && value > 0) values.push_back(value);
  }
  return values;
}

}  // namespace

std::optional<Measurement> paired_difference(const Measured& cell, const Measured& base,
                                             const std::string& score, std::optional<double> depth,
                                             std::string_view against,
                                             const StatisticsChoice& choice, Rng rng) {
  const auto chosen = [&](const Measured& measured) {
    std::vector<Measured::Scored> samples = measured.scored(score);
    std::erase_if(samples, [&](const Measured::Scored& one) {
      return one.sample->sample_sha.empty() || (depth && one.sample->depth != depth);
    });
    return samples;
  };
  const Pairs pairs = pair_up(chosen(cell), chosen(base));
  if (pairs.differences.count() < 2) return std::nullopt;
  Measurement m = comparison_of(*cell.of(score), "difference");
  if (depth) {
    m.depth = depth;
    rng = rng.fork(fmt::format("depth {}", *depth));
  }
  m.data_sha = metrics::set_sha(pairs.samples);
  set_difference(m, pairs, choice, rng);
  m.p_value = pairs.binary ? metrics::mcnemar_exact(pairs.better, pairs.worse)
                           : metrics::sign_flip_p(pairs.differences.amounts, choice.bootstrap,
                                                  rng.fork("p"));
  if (*m.standard_error > 0) {
    m.detectable = metrics::minimum_detectable_effect(*m.standard_error, choice.confidence);
  }
  m.ci_method +=
      fmt::format(", against {}; {}", against, pairs.binary ? "exact McNemar" : "sign flips");
  return m;
}

std::optional<Measurement> time_ratio(const Measured& cell, const Measured& base,
                                      const std::string& score, std::string_view against,
                                      const StatisticsChoice& choice) {
  const Measurement& of = *cell.of(score);
  if (!is_time(of.unit)) return std::nullopt;
  const std::vector<double> own = repetitions(cell, score), other = repetitions(base, score);
  if (own.size() < 2 || other.size() < 2) return std::nullopt;
  Measurement m = comparison_of(of, "ratio");
  m.unit = "1";
  m.n = std::ssize(own);
  const metrics::Ratio found = metrics::hodges_lehmann_ratio(own, other, choice.confidence);
  m.value = found.value;
  m.ci_low = found.interval.low;
  m.ci_high = found.interval.high;
  m.p_value = metrics::mann_whitney(own, other);
  m.ci_method = fmt::format(
      "{} over {} and {} repetitions, against {}; Mann-Whitney",
      found.reached ? fmt::format("Hodges-Lehmann {}", choice.confidence) : "range of quotients",
      own.size(), other.size(), against);
  return m;
}

bool is_time(std::string_view unit) {
  const std::string_view of = unit.substr(0, unit.find('/'));
  return of == "s" || of == "ms" || of == "us" || of == "ns";
}

}  // namespace longreach::harness
