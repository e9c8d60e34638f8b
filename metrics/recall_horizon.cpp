// Recall horizon.
#include "metrics/recall_horizon.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include "core/error.h"
#include "metrics/clusters.h"
#include "metrics/statistics.h"

namespace longreach::metrics {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Where a fit falls through a level: between two positions that were tested. Infinite: it does
/// not, or lies below it from the start.
struct Crossing {
  double before = kInfinity, at = kInfinity, after = kInfinity;
};

/// Answers by position and cluster, ready to be weighed again and again.
class Answers {
 public:
  Answers(std::span<const Recalled> recalled, double level, double offset) : level_(level) {
    std::map<double, std::size_t> places;
    for (const Recalled& one : recalled) places[std::log2(one.position + offset)] = 0;
    for (auto& [x, place] : places) {
      place = x_.size();
      x_.push_back(x);
    }
    Clusters clusters;
    for (const Recalled& one : recalled) {
      answers_.push_back(
          {places[std::log2(one.position + offset)], clusters.unit_of(one.cluster), one.score});
    }
    clusters_ = clusters.count();
  }

  i64 clusters() const { return clusters_; }

  /// With so many copies of each cluster.
  Crossing crossing(std::span<const double> copies) const {
    std::vector<double> sums(x_.size()), sizes(x_.size());
    for (const Answer& answer : answers_) {
      sums[answer.place] += copies[answer.cluster] * answer.score;
      sizes[answer.place] += copies[answer.cluster];
    }
    std::vector<double> x, means, weights;
    for (std::size_t i = 0; i < x_.size(); ++i) {
      if (sizes[i] == 0) continue;
      x.push_back(x_[i]);
      means.push_back(sums[i] / sizes[i]);
      weights.push_back(sizes[i]);
    }
    const std::vector<double> fit = never_rising(means, weights);
    const auto below =
        std::find_if(fit.begin(), fit.end(), [this](double y) { return y < level_; });
    if (below == fit.end()) return {};
    if (below == fit.begin()) return {-kInfinity, -kInfinity, -kInfinity};
    const auto i = static_cast<std::size_t>(below - fit.begin());
    const double share = (fit[i - 1] - level_) / (fit[i - 1] - fit[i]);
    return {x[i - 1], x[i - 1] + share * (x[i] - x[i - 1]), x[i]};
  }

 private:
  struct Answer {
    std::size_t place, cluster;
    double score;
  };
  double level_;
  std::vector<double> x_;  ///< ascending
  std::vector<Answer> answers_;
  i64 clusters_ = 0;
};

}  // namespace

RecallHorizon recall_horizon(std::span<const Recalled> recalled, double level, double offset,
                             const Statistics& statistics, Rng rng) {
  check(!recalled.empty(), "a horizon has answers");
  RecallHorizon found;
  const auto [nearest, farthest] =
      std::minmax_element(recalled.begin(), recalled.end(),
                          [](const auto& a, const auto& b) { return a.position < b.position; });
  found.nearest = nearest->position;
  found.farthest = farthest->position;
  check(found.nearest + offset > 0, "positions have a logarithm");
  const Answers answers(recalled, level, offset);
  found.clusters = answers.clusters();
  const auto position_of = [&](double x) {
    return std::isfinite(x) ? std::optional(std::exp2(x) - offset) : std::nullopt;
  };
  std::vector<double> copies(static_cast<std::size_t>(found.clusters), 1);
  const Crossing all = answers.crossing(copies);
  found.position = position_of(all.at);
  found.below = all.at == -kInfinity;
  std::vector<double> lows, highs;
  for (i64 r = 0; r < statistics.bootstrap; ++r) {
    std::fill(copies.begin(), copies.end(), 0);
    for (i64 i = 0; i < found.clusters; ++i) {
      ++copies[static_cast<std::size_t>(rng.below(found.clusters))];
    }
    const Crossing one = answers.crossing(copies);
    lows.push_back(one.before);
    highs.push_back(one.after);
  }
  found.low =
      position_of(percentile_interval(std::move(lows), statistics.confidence, found.clusters).low);
  found.high = position_of(
      percentile_interval(std::move(highs), statistics.confidence, found.clusters).high);
  return found;
}

int doubling_bucket(double position) {
  check(position >= 0, "positions count from 0");
  return position < 1 ? -1 : std::ilogb(position);
}

double doubling_middle(int bucket) { return bucket < 0 ? 0 : std::exp2(bucket + 0.5); }

}  // namespace longreach::metrics
