// Paired differences from the baseline backend, derived from stored samples.
#include "harness/comparison.h"

#include <algorithm>
#include <map>

#include "core/error.h"
#include "metrics/statistics.h"

namespace longreach::harness {
namespace {

/// A cell with what a comparison needs of it.
struct Measured {
  CellInfo info;
  std::vector<Measurement> measurements;
  std::vector<const SampleRecord*> samples;
};

std::vector<Measured> measured_cells(const Stored& stored) {
  std::vector<Measured> cells;
  std::map<std::string, std::size_t> place;
  for (const Record& record : stored.records) {
    const auto [at, added] = place.emplace(record.cell.cell_id, cells.size());
    if (added) cells.push_back({record.cell, {}, {}});
    cells[at->second].measurements.push_back(record.measurement);
  }
  for (const SampleRecord& sample : stored.samples) {
    if (const auto found = place.find(sample.cell_id); found != place.end()) {
      cells[found->second].samples.push_back(&sample);
    }
  }
  return cells;
}

/// What a cell and its baseline have in common.
std::string setting(const CellInfo& info) {
  return fmt::format("{}|{}|{}|{}|{}", info.task, info.model, info.context_length.value_or(0),
                     info.seed.value_or(0), info.lr.value_or(0));
}

std::optional<double> score_of(const SampleRecord& sample, const std::string& name) {
  for (const auto& [key, value] : sample.scores) {
    if (key == name) return value;
  }
  return std::nullopt;
}

struct Pairs {
  std::vector<double> differences;
  i64 better = 0, worse = 0;
  bool binary = true;  ///< all scores are 0 or 1
};

/// Samples may repeat; the n-th occurrence of a hash pairs with the n-th.
Pairs pair_up(const Measured& cell, const Measured& baseline, const std::string& score) {
  std::map<std::string, std::vector<double>> reference;
  for (const SampleRecord* sample : baseline.samples) {
    if (const auto value = score_of(*sample, score)) {
      reference[sample->sample_sha].push_back(*value);
    }
  }
  std::map<std::string, std::size_t> used;
  Pairs pairs;
  for (const SampleRecord* sample : cell.samples) {
    const auto value = score_of(*sample, score);
    const auto found = reference.find(sample->sample_sha);
    if (!value || found == reference.end()) continue;
    std::size_t& next = used[sample->sample_sha];
    if (next == found->second.size()) continue;
    const double base = found->second[next++];
    pairs.differences.push_back(*value - base);
    pairs.better += *value > base;
    pairs.worse += *value < base;
    const auto bit = [](double x) { return x == 0 || x == 1; };
    pairs.binary = pairs.binary && bit(*value) && bit(base);
  }
  return pairs;
}

/// The pooled measurement of that score: the one whose name ends in "/score".
const Measurement* measurement_of(const Measured& cell, const std::string& score) {
  for (const Measurement& m : cell.measurements) {
    if (m.metric.ends_with("/" + score)) return &m;
  }
  return nullptr;
}

struct Difference {
  Record record;
  double p = 1;
  std::string test;
};

std::optional<Difference> difference(const Measured& cell, const Measured& baseline,
                                     const std::string& score, const StatisticsChoice& choice,
                                     const Rng& rng) {
  const Measurement* of = measurement_of(cell, score);
  if (!of) return std::nullopt;
  const Pairs pairs = pair_up(cell, baseline, score);
  if (pairs.differences.size() < 2) return std::nullopt;
  Difference made;
  made.record.cell = cell.info;
  Measurement& m = made.record.measurement;
  m.metric = of->metric + "_difference";
  m.unit = of->unit;
  m.higher_is_better = of->higher_is_better;
  m.protocol = of->protocol;
  m.data_sha = of->data_sha;
  m.value = metrics::mean(pairs.differences);
  m.n = static_cast<i64>(pairs.differences.size());
  m.standard_error = metrics::standard_error(pairs.differences);
  const Rng own = rng.fork(cell.info.cell_id).fork(score);
  const metrics::Interval interval = metrics::bootstrap_mean(
      pairs.differences, choice.confidence, choice.bootstrap, own.fork("interval"));
  m.ci_low = interval.low;
  m.ci_high = interval.high;
  if (pairs.binary) {
    made.p = metrics::mcnemar_exact(pairs.better, pairs.worse);
    made.test = "exact McNemar";
  } else {
    made.p = metrics::paired_bootstrap_p(pairs.differences, choice.bootstrap, own.fork("p"));
    made.test = "paired bootstrap";
  }
  const double detectable =
      metrics::minimum_detectable_effect(*m.standard_error, choice.confidence);
  m.ci_method = fmt::format(
      "paired bootstrap {} over {} samples, {} resamples, against {}; {} p={:.4g}; detectable "
      "{:.3g} with power 0.8",
      choice.confidence, *m.n, choice.bootstrap, baseline.info.backend, made.test, made.p,
      detectable);
  return made;
}

void adjust(std::vector<Difference>& differences, Correction correction) {
  std::map<std::string, std::vector<std::size_t>> families;
  for (std::size_t i = 0; i < differences.size(); ++i) {
    const Record& record = differences[i].record;
    families[fmt::format("{}|{}|{}", record.cell.task, record.cell.model,
                         record.measurement.metric)]
        .push_back(i);
  }
  for (const auto& [name, members] : families) {
    std::vector<double> p;
    for (const std::size_t i : members) p.push_back(differences[i].p);
    const bool holm = correction == Correction::holm;
    if (holm) p = metrics::holm(p);
    for (std::size_t k = 0; k < members.size(); ++k) {
      differences[members[k]].record.measurement.subtask =
          fmt::format("{}={:.4g}", holm ? "p_holm" : "p", p[k]);
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
  std::vector<Difference> differences;
  for (const Measured& cell : cells) {
    if (cell.info.baseline || cell.info.status != Status::ok || cell.samples.empty()) continue;
    const auto baseline = baselines.find(setting(cell.info));
    if (baseline == baselines.end()) continue;
    std::vector<std::string> scores;
    for (const SampleRecord* sample : cell.samples) {
      for (const auto& [name, value] : sample->scores) {
        if (std::find(scores.begin(), scores.end(), name) == scores.end()) scores.push_back(name);
      }
    }
    for (const std::string& score : scores) {
      if (auto made = difference(cell, *baseline->second, score, choice, rng)) {
        differences.push_back(std::move(*made));
      }
    }
  }
  adjust(differences, choice.correction);
  std::vector<Record> records;
  for (Difference& one : differences) records.push_back(std::move(one.record));
  return records;
}

}  // namespace longreach::harness
