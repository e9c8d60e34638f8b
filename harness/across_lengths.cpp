// Effective length and recall horizon of stored cells.
#include "harness/across_lengths.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "core/error.h"
#include "harness/measured.h"
#include "metrics/blocks.h"
#include "metrics/clusters.h"
#include "metrics/effective_length.h"
#include "metrics/estimate.h"
#include "metrics/recall_horizon.h"

namespace longreach::harness {
namespace {

/// Shares of right answers; other scores between 0 and 1, such as of distinct bigrams, have neither
/// a length that they hold to nor a distance.
constexpr std::array<std::string_view, 7> kShares{"exact_match", "found", "choice",    "accuracy",
                                                  "f1",          "rank",  "efficiency"};
/// Those of one answer, whose evidence lies at the sample's distance. Accuracy is of several
/// answers at distances of their own, and efficiency of how the context is used, not of one answer.
constexpr std::array<std::string_view, 5> kOfOneAnswer{"exact_match", "found", "choice", "f1",
                                                       "rank"};
constexpr double kHorizonLevel = 0.5;

using Scored = Measured::Scored;

/// One score of cells that differ in context length alone, ascending.
struct Series {
  std::vector<const Measured*> cells;
  std::string score;
  const Measurement* of;  ///< the longest's pooled measurement
  metrics::Statistics statistics;
  double threshold;
  bool relative;
  Rng rng;

  double chance() const { return of->chance.value_or(0); }
  /// Stands with the longest cell.
  Derived record(const std::string& suffix, const std::string& unit) const {
    Derived record;
    record.cell = cells.back()->info;
    Measurement& m = record.measurement;
    m.metric = of->metric + suffix;
    m.unit = unit;
    m.higher_is_better = true;
    m.protocol = of->protocol;
    return record;
  }
};

/// "passkey/2:ctx=256:digits=5" -> "passkey/2:ctx=64+128+256:digits=5".
std::string with_lengths(const std::string& protocol, const std::vector<i64>& lengths) {
  const std::size_t begin = protocol.find(":ctx=");
  if (begin == std::string::npos)
    return fmt::format("{}:ctx={}", protocol, fmt::join(lengths, "+"));
  const std::size_t end = protocol.find(':', begin + 1);
  return fmt::format("{}:ctx={}{}", protocol.substr(0, begin), fmt::join(lengths, "+"),
                     end == std::string::npos ? "" : protocol.substr(end));
}

std::vector<i64> lengths_of(const Series& series) {
  std::vector<i64> lengths;
  for (const Measured* cell : series.cells) lengths.push_back(*cell->info->context_length);
  return lengths;
}

metrics::Units units_of(const std::vector<Scored>& samples) {
  metrics::Units units{"samples", {}, {}};
  metrics::ClusteredUnits clustered(units);
  for (const auto& [sample, value] : samples) clustered.add(sample->cluster, value);
  return units;
}

std::string sha_of(const std::vector<Scored>& samples) {
  std::vector<SampleRecord> records;
  for (const Scored& one : samples) records.push_back(*one.sample);
  return metrics::set_sha(records);
}

std::vector<Scored> pooled(const Series& series) {
  std::vector<Scored> all;
  for (const Measured* cell : series.cells) {
    const std::vector<Scored> here = cell->scored(series.score);
    all.insert(all.end(), here.begin(), here.end());
  }
  return all;
}

void add_effective_length(const Series& series, std::vector<Derived>& records) {
  if (series.cells.size() < 2) return;
  std::vector<metrics::LengthScores> scores;
  i64 fewest = 0;
  for (const Measured* cell : series.cells) {
    scores.push_back({*cell->info->context_length, units_of(cell->scored(series.score))});
    const i64 count = scores.back().units.count();
    fewest = scores.size() == 1 ? count : std::min(fewest, count);
  }
  const metrics::LengthThreshold threshold{series.threshold, series.relative, series.chance()};
  const metrics::EffectiveLength found = metrics::effective_length(
      scores, threshold, series.statistics, series.rng.fork("effective length"));
  Derived record = series.record("/effective_length", "tokens");
  Measurement& m = record.measurement;
  m.protocol = fmt::format("effective_length/1:threshold={:g}:{}:chance={:g}:of={}",
                           series.threshold, series.relative ? "relative" : "absolute",
                           series.chance(), with_lengths(series.of->protocol, lengths_of(series)));
  m.data_sha = sha_of(pooled(series));
  if (found.length) m.value = static_cast<double>(*found.length);
  m.n = fewest;
  m.ci_low = static_cast<double>(found.low);
  m.ci_high = static_cast<double>(found.high);
  m.ci_method =
      fmt::format("bootstrap {:g} over {} {} or more a length, {} lengths, {} resamples; {}",
                  series.statistics.confidence, fewest, scores.back().units.name, scores.size(),
                  series.statistics.bootstrap,
                  found.censored ? "holds at every length tested"
                  : found.length ? "falls below at the next length"
                                 : "below at the shortest length already");
  records.push_back(std::move(record));
}

/// What samples are told apart by: how far back their evidence lies.
struct Axis {
  std::string name, unit;  ///< "distance"
  std::optional<double> SampleRecord::*of;
  std::optional<double> Measurement::*column;
  std::string horizon;
  /// Makes a logarithm of 0 compressions possible; a distance of 0 tokens is none.
  double offset;
};

void add_buckets(const Series& series, const Axis& axis, const std::vector<Scored>& samples,
                 std::vector<Derived>& records) {
  std::map<int, std::vector<Scored>> buckets;
  for (const Scored& one : samples) {
    buckets[metrics::doubling_bucket(*(one.sample->*axis.of))].push_back(one);
  }
  for (const auto& [bucket, inside] : buckets) {
    Derived record = series.record("_by_" + axis.name, series.of->unit);
    Measurement& m = record.measurement;
    m.protocol = with_lengths(series.of->protocol, lengths_of(series));
    m.chance = series.of->chance;
    m.*axis.column = metrics::doubling_middle(bucket);
    m.data_sha = sha_of(inside);
    const metrics::Units units = units_of(inside);
    const bool independent = units.count() == std::ssize(inside);
    const bool binary = std::all_of(inside.begin(), inside.end(), [](const Scored& one) {
      return one.value == 0 || one.value == 1;
    });
    if (independent && binary) {
      const auto right = std::count_if(inside.begin(), inside.end(),
                                       [](const Scored& one) { return one.value == 1; });
      metrics::set_share(m, right, units.count(), series.statistics);
    } else {
      metrics::set_bounded_mean(m, units, series.statistics,
                                series.rng.fork(axis.name).fork(bucket));
    }
    records.push_back(std::move(record));
  }
}

std::string horizon_method(const Series& series, const Axis& axis,
                           const metrics::RecallHorizon& found) {
  std::string text = fmt::format(
      "bootstrap {:g} over {} samples or clusters, {} resamples, of the never rising fit",
      series.statistics.confidence, found.clusters, series.statistics.bootstrap);
  if (found.below) {
    text += fmt::format("; below {:g} already at the nearest, {:g} {}", kHorizonLevel,
                        found.nearest, axis.unit);
  } else if (!found.position) {
    text += fmt::format("; never falls below {:g} within what was tested, {:g} {}", kHorizonLevel,
                        found.farthest, axis.unit);
  }
  if (!found.low) text += "; no lower end";
  if (!found.high) text += "; no upper end";
  return text;
}

void add_horizon(const Series& series, const Axis& axis, std::vector<Derived>& records) {
  std::vector<Scored> samples = pooled(series);
  std::erase_if(samples, [&](const Scored& one) {
    const std::optional<double> position = one.sample->*axis.of;
    return !position || *position + axis.offset <= 0;
  });
  if (samples.empty()) return;
  add_buckets(series, axis, samples, records);
  if (series.chance() >= kHorizonLevel) return;
  std::vector<metrics::Recalled> recalled;
  for (const auto& [sample, value] : samples) {
    recalled.push_back({*(sample->*axis.of), value, sample->cluster});
  }
  const metrics::RecallHorizon found = metrics::recall_horizon(
      recalled, kHorizonLevel, axis.offset, series.statistics, series.rng.fork(axis.horizon));
  Derived record = series.record("/" + axis.horizon, axis.name == "distance" ? "tokens" : "1");
  Measurement& m = record.measurement;
  m.protocol = fmt::format("horizon/1:level={:g}:of={}", kHorizonLevel,
                           with_lengths(series.of->protocol, lengths_of(series)));
  m.data_sha = sha_of(samples);
  m.*axis.column = found.farthest;
  m.value = found.position;
  m.n = found.clusters;
  m.ci_low = found.low;
  m.ci_high = found.high;
  m.ci_method = horizon_method(series, axis, found);
  records.push_back(std::move(record));
}

/// Whether a score is one that these derivations are of, in all cells.
bool derivable(const Series& series) {
  if (series.of->higher_is_better != true) return false;
  return std::all_of(series.cells.begin(), series.cells.end(), [&](const Measured* cell) {
    const std::vector<Scored> samples = cell->scored(series.score);
    return !samples.empty() && std::all_of(samples.begin(), samples.end(), [](const Scored& one) {
      return 0 <= one.value && one.value <= 1;
    });
  });
}

}  // namespace

std::vector<Derived> derive_across_lengths(std::span<const Measured> cells,
                                           const StatisticsChoice& choice, i64 seed) {
  std::vector<std::string> order;
  std::map<std::string, std::vector<const Measured*>> groups;
  for (const Measured& cell : cells) {
    const CellInfo& info = *cell.info;
    if (info.status != Status::ok || !info.context_length || cell.samples.empty()) continue;
    const std::string key =
        fmt::format("{}|{}|{}|{}|{}|{}", info.task, info.model, info.backend, info.backend_params,
                    info.seed.value_or(0), info.lr.value_or(0));
    if (!groups.contains(key)) order.push_back(key);
    groups[key].push_back(&cell);
  }
  const std::array<Axis, 2> axes{
      Axis{"distance", "tokens", &SampleRecord::distance, &Measurement::distance, "horizon", 0},
      Axis{"compressions", "compressions", &SampleRecord::segments_crossed,
           &Measurement::segments_crossed, "horizon_compressions", 1}};
  const Rng rng = Rng(static_cast<std::uint64_t>(seed)).fork("across lengths");
  std::vector<Derived> records;
  for (const std::string& key : order) {
    std::vector<const Measured*>& group = groups[key];
    std::stable_sort(group.begin(), group.end(), [](const Measured* a, const Measured* b) {
      return *a->info->context_length < *b->info->context_length;
    });
    for (const std::string& score : group.back()->scores()) {
      const Measurement* of = group.back()->of(score);
      if (!of || std::find(kShares.begin(), kShares.end(), score) == kShares.end()) continue;
      const Series series{.cells = group,
                          .score = score,
                          .of = of,
                          .statistics = {choice.confidence, choice.bootstrap},
                          .threshold = choice.effective_threshold,
                          .relative = choice.effective_relative,
                          .rng = rng.fork(group.back()->info->cell_id).fork(score)};
      if (!derivable(series)) continue;
      add_effective_length(series, records);
      if (std::find(kOfOneAnswer.begin(), kOfOneAnswer.end(), score) == kOfOneAnswer.end())
        continue;
      for (const Axis& axis : axes) add_horizon(series, axis, records);
    }
  }
  return records;
}

}  // namespace longreach::harness
