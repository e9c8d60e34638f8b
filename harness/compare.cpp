// Runs held against a base run.
#include "harness/compare.h"

#include <algorithm>
#include <map>
#include <set>

#include "core/error.h"
#include "harness/comparison.h"
#include "harness/equality.h"
#include "harness/paired.h"
#include "reports/main_scores.h"

namespace longreach::harness {
namespace {

using reports::Change;
using reports::ComparedRow;
using reports::Effect;
using reports::RunComparison;

/// The measurement of all samples: the first of a metric that is not of a part of them.
const Measurement* pooled(const Measured& cell, const std::string& metric) {
  const auto found = std::ranges::find_if(cell.measurements, [&](const Measurement& m) {
    return m.metric == metric && m.subtask.empty() && !m.depth;
  });
  return found == cell.measurements.end() ? nullptr : &*found;
}

bool is_pooled(const Measured& cell, const Measurement& m) { return pooled(cell, m.metric) == &m; }

/// Two cells of one setting, with their samples.
struct Two {
  const Measured &base, &other;
  std::string label;  ///< of the other's run
};

/// The score of samples that a measurement is the mean of; "": it is none.
std::string score_of(const Measured& cell, const Measurement& m) {
  const std::string score = m.metric.substr(m.metric.rfind('/') + 1);
  const bool scored = !cell.scored(score).empty() && cell.of(score) == &m;
  return scored ? score : "";
}

/// As the comparison within a run draws where one of them is its baseline; the same whichever of
/// the two comes first.
Rng draws(const Two& two, const std::string& score, i64 seed) {
  const CellInfo &a = *two.base.info, &b = *two.other.info;
  const std::string& id =
      a.baseline != b.baseline ? (a.baseline ? b : a).cell_id : std::min(a.cell_id, b.cell_id);
  return Rng(static_cast<std::uint64_t>(seed)).fork("comparison").fork(id).fork(score);
}

/// What comparing one measurement comes to: rows, or the reason why there are none.
struct Compared {
  std::vector<ComparedRow> rows;
  std::string reason;
};

class Comparer {
 public:
  Comparer(const CompareChoice& choice, const StatisticsChoice& statistics, i64 seed)
      : choice_(choice), statistics_(statistics), seed_(seed) {}

  Compared compare(const Two& two, const Measurement& of) const {
    const Measurement* other = pooled(two.other, of.metric);
    if (!other) return {{}, fmt::format("not measured in {}", two.label)};
    if (!of.value) return {{}, "no value in A"};
    if (!other->value) return {{}, fmt::format("no value in {}", two.label)};
    if (other->protocol != of.protocol) {
      return {{}, fmt::format("another protocol in {}", two.label)};
    }
    if (other->data_sha != of.data_sha) {
      return {{}, fmt::format("other samples in {} (data_sha)", two.label)};
    }
    const std::string score = score_of(two.base, of);
    if (!score.empty() && two.base.scored(score)[0].sample->sample_sha.empty()) {
      return timing(two, of, *other, score);
    }
    if (!score.empty()) return differences(two, of, *other, score);
    if (of.ci_method == "exact" && !times_metric(of.metric)) return exact(two, of, *other);
    return {{}, "no samples kept to pair"};
  }

 private:
  static ComparedRow row(const Two& two, const Measurement& of, const Measurement& other,
                         Effect kind, Measurement effect) {
    ComparedRow made;
    made.run = two.label;
    made.base = two.base.info;
    made.other = two.other.info;
    made.of = of;
    made.value = other.value;
    made.kind = kind;
    made.effect = std::move(effect);
    return made;
  }

  Compared timing(const Two& two, const Measurement& of, const Measurement& other,
                  const std::string& score) const {
    const CellInfo &a = *two.base.info, &b = *two.other.info;
    const bool machine = a.machine == b.machine && a.cpu == b.cpu;
    if (!machine && !choice_.across_machines) {
      return {{}, fmt::format("timed on another machine in {} (--across-machines)", two.label)};
    }
    if (a.threads != b.threads) {
      return {{},
              fmt::format("timed with {} threads in A, {} in {}", a.threads.value_or(0),
                          b.threads.value_or(0), two.label)};
    }
    std::optional<Measurement> ratio = time_ratio(two.other, two.base, score, "A", statistics_);
    if (!ratio) return {{}, "not two repetitions of a time in both"};
    return {{row(two, of, other, Effect::ratio, std::move(*ratio))}, ""};
  }

  Compared differences(const Two& two, const Measurement& of, const Measurement& other,
                       const std::string& score) const {
    const Rng rng = draws(two, score, seed_);
    const auto difference = [&](std::optional<double> depth) {
      return paired_difference(two.other, two.base, score, depth, "A", statistics_, rng);
    };
    std::optional<Measurement> all = difference(std::nullopt);
    if (!all) return {{}, "fewer than two samples in common"};
    Compared made{{row(two, of, other, Effect::difference, std::move(*all))}, ""};
    if (!choice_.depths) return made;
    for (const double depth : two.base.depths(of.metric)) {
      const auto at = [&](const Measurement& m) {
        return m.metric == of.metric && m.depth == depth && m.subtask.empty();
      };
      const auto a = std::ranges::find_if(two.base.measurements, at);
      const auto b = std::ranges::find_if(two.other.measurements, at);
      if (a == two.base.measurements.end() || b == two.other.measurements.end()) continue;
      if (std::optional<Measurement> found = difference(depth)) {
        made.rows.push_back(row(two, *a, *b, Effect::difference, std::move(*found)));
      }
    }
    return made;
  }

  static Compared exact(const Two& two, const Measurement& of, const Measurement& other) {
    Measurement effect = of;
    effect.metric += "_difference";
    effect.value = *other.value - *of.value;
    return {{row(two, of, other, Effect::exact, std::move(effect))}, ""};
  }

  const CompareChoice& choice_;
  const StatisticsChoice& statistics_;
  i64 seed_;
};

bool among(const std::vector<std::string>& names, const std::string& name) {
  return names.empty() || std::ranges::find(names, name) != names.end();
}

/// Cells that were asked for.
std::vector<Measured> chosen(std::vector<Measured> cells, const CompareChoice& choice) {
  std::erase_if(cells, [&](const Measured& cell) {
    const CellInfo& info = *cell.info;
    const bool length =
        choice.lengths.empty() ||
        std::ranges::find(choice.lengths, info.context_length.value_or(-1)) != choice.lengths.end();
    return !length || !among(choice.models, info.model) || !among(choice.tasks, info.task) ||
           !among(choice.backends, info.backend);
  });
  return cells;
}

bool is_chosen(const Measurement& m, const std::string& main, const CompareChoice& choice) {
  if (!choice.metrics.empty()) return among(choice.metrics, m.metric);
  return choice.all_scores || m.metric == main || is_time(m.unit);
}

std::string main_of(const Measured& cell) {
  std::vector<std::string> metrics;
  for (const Measurement& m : cell.measurements) {
    if (is_pooled(cell, m)) metrics.push_back(m.metric);
  }
  return reports::main_score(cell.info->task, metrics);
}

/// Fills a comparison with what one pair of cells has in common and has not.
class PairComparison {
 public:
  PairComparison(const CompareChoice& choice, const Comparer& comparer, RunComparison& found)
      : choice_(choice), comparer_(comparer), found_(found) {}

  void add(const Two& two) {
    const std::string main = main_of(two.base);
    for (const Measurement& m : two.base.measurements) {
      if (!counts(m, two, main)) continue;
      Compared made = comparer_.compare(two, m);
      if (!made.reason.empty()) leave(two, m, std::move(made.reason));
      std::ranges::move(made.rows, std::back_inserter(found_.rows));
    }
    const std::string other_main = main_of(two.other);
    for (const Measurement& m : two.other.measurements) {
      if (is_pooled(two.other, m) && is_chosen(m, other_main, choice_) &&
          !pooled(two.base, m.metric)) {
        leave(two, m, "not measured in A");
      }
    }
    found_.other_scores = std::ssize(others_);
  }

 private:
  bool counts(const Measurement& m, const Two& two, const std::string& main) {
    if (m.metric.empty()) return false;
    const bool asked = is_chosen(m, main, choice_);
    if (!is_pooled(two.base, m)) {
      found_.parts += asked && !(m.depth && choice_.depths && m.subtask.empty());
      return false;
    }
    if (!asked && choice_.metrics.empty()) others_.emplace(two.base.info->task, m.metric);
    return asked;
  }

  void leave(const Two& two, const Measurement& m, std::string reason) {
    found_.not_compared.push_back(
        {fmt::format("{} of {}", m.metric, name_of(*two.base.info)), std::move(reason)});
  }

  const CompareChoice& choice_;
  const Comparer& comparer_;
  RunComparison& found_;
  std::set<std::pair<std::string, std::string>> others_;  ///< scores not asked for, of tasks
};

/// One family, but for depths.
void adjust(RunComparison& found, Correction correction) {
  std::vector<Comparison> tests;
  std::vector<ComparedRow*> tested;
  i64 family = 0;
  bool depths = false;
  for (ComparedRow& row : found.rows) {
    if (row.kind == Effect::exact) continue;
    Comparison one{{row.other, row.effect}, "table"};
    if (row.of.depth) {
      one.heatmap = depths = true;
      one.family = fmt::format("{}|{}|{}|{}|{}|{}|{}|{}|{}|{}", row.run, row.other->model,
                               row.base->backend, row.base->backend_params, row.other->backend,
                               row.other->backend_params, row.other->task, row.of.metric,
                               row.other->seed.value_or(0), row.other->lr.value_or(0));
    } else {
      ++family;
    }
    tests.push_back(std::move(one));
    tested.push_back(&row);
  }
  std::vector<Derived> adjusted_tests = adjusted(std::move(tests), correction);
  for (std::size_t i = 0; i < tested.size(); ++i) {
    tested[i]->effect = std::move(adjusted_tests[i].measurement);
  }
  if (correction == Correction::holm) {
    found.correction = fmt::format("Holm over {} test{}", family, family == 1 ? "" : "s");
  }
  if (depths) {
    found.correction += fmt::format("{}Benjamini-Hochberg over each score's depths and lengths",
                                    found.correction.empty() ? "" : ", ");
  }
}

/// 1: better, -1: worse, 0: alike, or nobody says which is better.
int direction(const ComparedRow& row) {
  const double change = *row.effect.value - (row.kind == Effect::ratio ? 1 : 0);
  if (!row.of.higher_is_better || change == 0) return 0;
  return (change > 0) == *row.of.higher_is_better ? 1 : -1;
}

void judge(ComparedRow& row, const Thresholds& thresholds, double confidence) {
  const bool ratio = row.kind == Effect::ratio;
  const Threshold threshold = thresholds.of(row.of.metric, ratio);
  row.threshold = threshold.text;
  const std::optional<double>& p =
      row.effect.p_adjusted ? row.effect.p_adjusted : row.effect.p_value;
  row.significant = p ? *p < 1 - confidence : *row.effect.value != 0;
  if (!row.significant || !exceeds(*row.effect.value, ratio, *row.of.value, threshold)) return;
  const int better = direction(row);
  if (better != 0) row.change = better > 0 ? Change::improvement : Change::regression;
}

Measured with_samples(const Measured& cell, const RunToCompare& run) {
  Measured full = cell;
  full.samples = run.samples(cell.info->cell_id);
  return full;
}

}  // namespace

RunComparison compare_runs(std::vector<RunToCompare> runs, const CompareChoice& choice,
                           const Thresholds& thresholds, const StatisticsChoice& statistics,
                           i64 seed) {
  RunComparison found;
  found.confidence = statistics.confidence;
  for (RunToCompare& run : runs) {
    found.runs.push_back(run.about);
    run.cells = chosen(std::move(run.cells), choice);
  }
  const Comparer comparer(choice, statistics, seed);
  PairComparison pairs(choice, comparer, found);
  const RunToCompare& base = runs.at(0);
  for (std::size_t k = 1; k < runs.size(); ++k) {
    CellPairs paired = pair_cells(base.cells, runs[k].cells, choice.matches, runs[k].about.label);
    std::ranges::move(paired.alone, std::back_inserter(found.not_compared));
    for (const auto& [i, j] : paired.pairs) {
      const Measured a = with_samples(base.cells[i], base);
      const Measured b = with_samples(runs[k].cells[j], runs[k]);
      pairs.add({a, b, runs[k].about.label});
    }
  }
  adjust(found, statistics.correction);
  for (ComparedRow& row : found.rows) judge(row, thresholds, statistics.confidence);
  return found;
}

}  // namespace longreach::harness
