// Comparisons with the baseline backend, derived from stored samples.
#include "harness/comparison.h"

#include <algorithm>
#include <map>

#include "core/error.h"
#include "harness/paired.h"
#include "metrics/statistics.h"

namespace longreach::harness {
namespace {

/// What a cell and its baseline have in common.
std::string setting(const CellInfo& info) {
  return fmt::format("{}|{}|{}|{}|{}", info.task, info.model, info.context_length.value_or(0),
                     info.seed.value_or(0), info.lr.value_or(0));
}

/// A store may hold cells of several machines and builds.
bool timed_alike(const CellInfo& a, const CellInfo& b) {
  return a.machine == b.machine && a.cpu == b.cpu && a.build == b.build && a.flags == b.flags &&
         a.threads == b.threads;
}

/// With the family of all backends, lengths, seeds and rates of a task, or of one heatmap.
Comparison comparison_of(const Measured& cell, Measurement found) {
  const CellInfo& info = *cell.info;
  Comparison made{{cell.info, std::move(found)}, {}};
  const Measurement& m = made.derived.measurement;
  made.family = fmt::format("{}|{}|{}", info.task, info.model, m.metric);
  if (m.depth) {
    made.heatmap = true;
    made.family += fmt::format("|{}|{}|{}|{}", info.backend, info.backend_params,
                               info.seed.value_or(0), info.lr.value_or(0));
  }
  return made;
}

std::optional<Measurement> ratio(const Measured& cell, const Measured& baseline,
                                 const std::string& score, const StatisticsChoice& choice) {
  const Measurement* other = baseline.of(score);
  if (!other || other->protocol != cell.of(score)->protocol) return std::nullopt;
  if (!timed_alike(*cell.info, *baseline.info)) return std::nullopt;
  return time_ratio(cell, baseline, score, baseline.info->backend, choice);
}

void compare(const Measured& cell, const Measured& baseline, const std::string& score,
             const StatisticsChoice& choice, const Rng& rng, std::vector<Comparison>& comparisons) {
  const Measurement* of = cell.of(score);
  if (!of) return;
  const auto add = [&](std::optional<Measurement> found) {
    if (found) comparisons.push_back(comparison_of(cell, std::move(*found)));
  };
  const auto difference = [&](std::optional<double> depth) {
    return paired_difference(cell, baseline, score, depth, baseline.info->backend, choice, rng);
  };
  add(ratio(cell, baseline, score, choice));
  add(difference(std::nullopt));
  for (const double depth : cell.depths(of->metric)) add(difference(depth));
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
