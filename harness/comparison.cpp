// Comparisons with the baseline backend, derived from stored samples.
#include "harness/comparison.h"

#include <algorithm>
#include <map>

#include "core/error.h"
#include "harness/measured.h"
#include "metrics/statistics.h"

namespace longreach::harness {
namespace {

/// What a cell and its baseline have in common.
std::string setting(const CellInfo& info) {
  return fmt::format("{}|{}|{}|{}|{}", info.task, info.model, info.context_length.value_or(0),
                     info.seed.value_or(0), info.lr.value_or(0));
}

struct Pairs {
  std::vector<double> differences;  ///< one a cluster
  i64 better = 0, worse = 0;
  bool binary = true;  ///< all scores are 0 or 1, and samples independent
};

/// Samples may repeat; the n-th occurrence of a hash pairs with the n-th.
Pairs pair_up(const std::vector<Measured::Scored>& cell,
              const std::vector<Measured::Scored>& baseline) {
  std::map<std::string, std::vector<double>> reference;
  for (const auto& [sample, value] : baseline) reference[sample->sample_sha].push_back(value);
  std::map<std::string, std::size_t> used, cluster_of;
  std::vector<i64> sizes;
  Pairs pairs;
  for (const auto& [sample, value] : cell) {
    const auto found = reference.find(sample->sample_sha);
    if (found == reference.end()) continue;
    std::size_t& next = used[sample->sample_sha];
    if (next == found->second.size()) continue;
    const double base = found->second[next++];
    std::size_t unit = sizes.size();
    if (!sample->cluster.empty()) unit = cluster_of.emplace(sample->cluster, unit).first->second;
    if (unit == sizes.size()) {
      sizes.push_back(0);
      pairs.differences.push_back(0);
    }
    ++sizes[unit];
    pairs.differences[unit] += value - base;
    pairs.better += value > base;
    pairs.worse += value < base;
    const auto bit = [](double x) { return x == 0 || x == 1; };
    pairs.binary = pairs.binary && bit(value) && bit(base) && sizes[unit] == 1;
  }
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    pairs.differences[i] /= static_cast<double>(sizes[i]);
  }
  return pairs;
}

/// One test with the family that it is adjusted in.
struct Comparison {
  Record record;
  std::string family;
  bool heatmap = false;
};

/// What a comparison takes over from the measurement that it is of.
Comparison comparison_of(const Measured& cell, const Measurement& of, std::string_view kind) {
  Comparison made;
  made.record.cell = cell.info;
  Measurement& m = made.record.measurement;
  m.metric = fmt::format("{}_{}", of.metric, kind);
  m.unit = of.unit;
  m.higher_is_better = of.higher_is_better;
  m.protocol = of.protocol;
  m.data_sha = of.data_sha;
  made.family = fmt::format("{}|{}|{}", cell.info.task, cell.info.model, m.metric);
  return made;
}

/// Resampling differences that are all alike would claim certainty. Where they come from right and
/// wrong answers, Wilson's bound says how many more pairs may be of another kind.
metrics::Interval interval_of(const Pairs& pairs, double value, const StatisticsChoice& choice,
                              const Rng& rng, std::string& method) {
  const std::vector<double>& all = pairs.differences;
  const i64 n = std::ssize(all);
  const bool alike = std::adjacent_find(all.begin(), all.end(), std::not_equal_to<>()) == all.end();
  if (pairs.binary && alike) {
    method = fmt::format("wilson {} over {} samples, all alike", choice.confidence, n);
    const double others = metrics::wilson(0, n, choice.confidence).high;
    return {value - (1 + value) * others, value + (1 - value) * others};
  }
  method = fmt::format("paired bootstrap {} over {} samples, {} resamples", choice.confidence, n,
                       choice.bootstrap);
  return metrics::bootstrap_mean(all, choice.confidence, choice.bootstrap, rng.fork("interval"));
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
  if (pairs.differences.size() < 2) return std::nullopt;
  Comparison made = comparison_of(cell, *cell.of(score), "difference");
  Measurement& m = made.record.measurement;
  if (depth) {
    m.depth = depth;
    made.heatmap = true;
    made.family += fmt::format("|{}|{}|{}", cell.info.backend, cell.info.seed.value_or(0),
                               cell.info.lr.value_or(0));
    rng = rng.fork(fmt::format("depth {}", *depth));
  }
  m.value = metrics::mean(pairs.differences);
  m.n = std::ssize(pairs.differences);
  m.standard_error = metrics::standard_error(pairs.differences);
  std::string method;
  const metrics::Interval interval = interval_of(pairs, *m.value, choice, rng, method);
  m.ci_low = interval.low;
  m.ci_high = interval.high;
  m.p_value = pairs.binary
                  ? metrics::mcnemar_exact(pairs.better, pairs.worse)
                  : metrics::sign_flip_p(pairs.differences, choice.bootstrap, rng.fork("p"));
  if (*m.standard_error > 0) {
    m.detectable = metrics::minimum_detectable_effect(*m.standard_error, choice.confidence);
  }
  m.ci_method = fmt::format("{}, against {}; {}", method, baseline.info.backend,
                            pairs.binary ? "exact McNemar" : "sign flips");
  return made;
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
  // Timed on other threads or otherwise: not comparable.
  if (!other || other->protocol != of.protocol) return std::nullopt;
  const std::vector<double> own = repetitions(cell, score), base = repetitions(baseline, score);
  if (own.size() < 2 || base.size() < 2) return std::nullopt;
  Comparison made = comparison_of(cell, of, "ratio");
  Measurement& m = made.record.measurement;
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
      own.size(), base.size(), baseline.info.backend);
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
    for (const std::size_t i : members) p.push_back(*comparisons[i].record.measurement.p_value);
    const bool heatmap = comparisons[members.front()].heatmap;
    const std::vector<double> adjusted =
        heatmap ? metrics::benjamini_hochberg(p) : metrics::holm(p);
    for (std::size_t k = 0; k < members.size(); ++k) {
      Measurement& m = comparisons[members[k]].record.measurement;
      m.p_adjusted = adjusted[k];
      m.ci_method += fmt::format(", {} over {}", heatmap ? "Benjamini-Hochberg" : "Holm", p.size());
    }
  }
}

}  // namespace

std::vector<Record> compare_to_baseline(const Stored& stored, const StatisticsChoice& choice,
                                        i64 seed) {
  const std::vector<Measured> cells = measured_cells(stored);
  std::map<std::string, const Measured*> baselines;
  for (const Measured& cell : cells) {
    if (cell.info.baseline && cell.info.status == Status::ok) baselines[setting(cell.info)] = &cell;
  }
  const Rng rng = Rng(static_cast<std::uint64_t>(seed)).fork("comparison");
  std::vector<Comparison> comparisons;
  for (const Measured& cell : cells) {
    if (cell.info.baseline || cell.info.status != Status::ok) continue;
    const auto baseline = baselines.find(setting(cell.info));
    if (baseline == baselines.end()) continue;
    for (const std::string& score : cell.scores()) {
      const Rng own = rng.fork(cell.info.cell_id).fork(score);
      compare(cell, *baseline->second, score, choice, own, comparisons);
    }
  }
  adjust(comparisons, choice.correction);
  std::vector<Record> records;
  for (Comparison& one : comparisons) records.push_back(std::move(one.record));
  return records;
}

}  // namespace longreach::harness
