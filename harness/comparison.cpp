// Comparisons with the baseline backend, derived from stored samples.
#include "harness/comparison.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/error.h"
#include "harness/measured.h"
#include "metrics/blocks.h"
#include "metrics/clusters.h"
#include "metrics/estimate.h"
#include "metrics/statistics.h"

namespace longreach::harness {
namespace {

/// What a cell and its baseline have in common.
std::string setting(const CellInfo& info) {
  return fmt::format("{}|{}|{}|{}|{}", info.task, info.model, info.context_length.value_or(0),
                     info.seed.value_or(0), info.lr.value_or(0));
}

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
Comparison comparison_of(const Measured& cell, const Measurement& of, std::string_view kind) {
  Comparison made;
  made.derived.cell = cell.info;
  Measurement& m = made.derived.measurement;
  m.metric = fmt::format("{}_{}", of.metric, kind);
  m.unit = of.unit;
  m.higher_is_better = of.higher_is_better;
  m.protocol = of.protocol;
  m.data_sha = of.data_sha;
  made.family = fmt::format("{}|{}|{}", cell.info->task, cell.info->model, m.metric);
  return made;
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

/// Of all samples, or of those at one depth.
std::optional<Comparison> difference(const Measured& cell, const Measured& baseline,
                                     const std::string& score, std::optional<double> depth,
                                     const StatisticsChoice& choice, Rng rng) {
  const auto chosen = [&](const Measured& measured) {
    std::vector<Measured::Scored> samples = measured.scored(score);
    std::erase_if(samples, [&](const Measured::Scored& one) {
      return one.sample->sample_sha.empty() || (depth && one.sample->depth != depth);
    });
    return samples;
  };
  const Pairs pairs = pair_up(chosen(cell), chosen(baseline));
  if (pairs.differences.count() < 2) return std::nullopt;
  Comparison made = comparison_of(cell, *cell.of(score), "difference");
  Measurement& m = made.derived.measurement;
  if (depth) {
    m.depth = depth;
    made.heatmap = true;
    made.family += fmt::format("|{}|{}|{}|{}", cell.info->backend, cell.info->backend_params,
                               cell.info->seed.value_or(0), cell.info->lr.value_or(0));
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
  m.ci_method += fmt::format(", against {}; {}", baseline.info->backend,
                             pairs.binary ? "exact McNemar" : "sign flips");
  return made;
}

/// "ms", "ms/token"
bool is_time(std::string_view unit) {
  const std::string_view of = unit.substr(0, unit.find('/'));
  return of == "s" || of == "ms" || of == "us" || of == "ns";
}

/// A store may hold cells of several machines and builds.
bool timed_alike(const CellInfo& a, const CellInfo& b) {
  return a.machine == b.machine && a.cpu == b.cpu && a.build == b.build && a.flags == b.flags &&
         a.threads == b.threads;
}

/// The repetitions of a timing: samples without a hash.
std::vector<double> repetitions(const Measured& cell, const std::string& score) {
  std::vector<double> values;
  for (const auto& [sample, value] : cell.scored(score)) {
    if (sample->sample_sha.empty() && value > 0) values.push_back(value);
  }
  return values;
}

std::optional<Comparison> ratio(const Measured& cell, const Measured& baseline,
                                const std::string& score, const StatisticsChoice& choice) {
  const Measurement& of = *cell.of(score);
  const Measurement* other = baseline.of(score);
  if (!other || other->protocol != of.protocol || !is_time(of.unit)) return std::nullopt;
  if (!timed_alike(*cell.info, *baseline.info)) return std::nullopt;
  const std::vector<double> own = repetitions(cell, score), base = repetitions(baseline, score);
  if (own.size() < 2 || base.size() < 2) return std::nullopt;
  Comparison made = comparison_of(cell, of, "ratio");
  Measurement& m = made.derived.measurement;
  m.unit = "1";
  m.n = std::ssize(own);
  const metrics::Ratio found = metrics::hodges_lehmann_ratio(own, base, choice.confidence);
  m.value = found.value;
  m.ci_low = found.interval.low;
  m.ci_high = found.interval.high;
  m.p_value = metrics::mann_whitney(own, base);
  m.ci_method = fmt::format(
      "{} over {} and {} repetitions, against {}; Mann-Whitney",
      found.reached ? fmt::format("Hodges-Lehmann {}", choice.confidence) : "range of quotients",
      own.size(), base.size(), baseline.info->backend);
  return made;
}

/// The depths for which a score has a measurement of its own, in order.
std::vector<double> depths_of(const Measured& cell, const std::string& metric) {
  std::vector<double> depths;
  for (const Measurement& m : cell.measurements) {
    if (m.metric == metric && m.depth) depths.push_back(*m.depth);
  }
  std::sort(depths.begin(), depths.end());
  depths.erase(std::unique(depths.begin(), depths.end()), depths.end());
  return depths;
}

void compare(const Measured& cell, const Measured& baseline, const std::string& score,
             const StatisticsChoice& choice, const Rng& rng, std::vector<Comparison>& comparisons) {
  const Measurement* of = cell.of(score);
  if (!of) return;
  const auto add = [&](std::optional<Comparison> made) {
    if (made) comparisons.push_back(std::move(*made));
  };
  add(ratio(cell, baseline, score, choice));
  add(difference(cell, baseline, score, std::nullopt, choice, rng));
  for (const double depth : depths_of(cell, of->metric)) {
    add(difference(cell, baseline, score, depth, choice, rng));
  }
}

void adjust(std::vector<Comparison>& comparisons, Correction correction) {
  std::map<std::string, std::vector<std::size_t>> families;
  for (std::size_t i = 0; i < comparisons.size(); ++i) {
    if (comparisons[i].heatmap || correction == Correction::holm) {
      families[comparisons[i].family].push_back(i);
    }
  }
  for (const auto& [name, members] : families) {
    std::vector<double> p;
    for (const std::size_t i : members) p.push_back(*comparisons[i].derived.measurement.p_value);
    const bool heatmap = comparisons[members.front()].heatmap;
    const std::vector<double> adjusted =
        heatmap ? metrics::benjamini_hochberg(p) : metrics::holm(p);
    for (std::size_t k = 0; k < members.size(); ++k) {
      Measurement& m = comparisons[members[k]].derived.measurement;
      m.p_adjusted = adjusted[k];
      m.ci_method += fmt::format(", {} over {}", heatmap ? "Benjamini-Hochberg" : "Holm", p.size());
    }
  }
}

}  // namespace

std::vector<Comparison> comparisons(std::span<const Measured> cells, const StatisticsChoice& choice,
                                    i64 seed) {
  std::map<std::string, const Measured*> baselines;
  for (const Measured& cell : cells) {
    const CellInfo& info = *cell.info;
    if (info.baseline && info.status == Status::ok) baselines[setting(info)] = &cell;
  }
  const Rng rng = Rng(static_cast<std::uint64_t>(seed)).fork("comparison");
  std::vector<Comparison> made;
  for (const Measured& cell : cells) {
    if (cell.info->baseline || cell.info->status != Status::ok) continue;
    const auto baseline = baselines.find(setting(*cell.info));
    if (baseline == baselines.end()) continue;
    for (const std::string& score : cell.scores()) {
      const Rng own = rng.fork(cell.info->cell_id).fork(score);
      compare(cell, *baseline->second, score, choice, own, made);
    }
  }
  return made;
}

std::vector<Derived> adjusted(std::vector<Comparison> comparisons, Correction correction) {
  adjust(comparisons, correction);
  std::vector<Derived> derived;
  for (Comparison& one : comparisons) derived.push_back(std::move(one.derived));
  return derived;
}

std::vector<Derived> compare_to_baseline(std::span<const Measured> cells,
                                         const StatisticsChoice& choice, i64 seed) {
  return adjusted(comparisons(cells, choice, seed), choice.correction);
}

}  // namespace longreach::harness
