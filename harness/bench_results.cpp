// What the rounds of a benchmark say together.
#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>

#include "core/error.h"
#include "harness/bench.h"

namespace longreach::harness {
namespace {

constexpr double kCpuShare = 0.95, kProbeShare = 0.9;
constexpr std::size_t kFewest = 3;  ///< quiet rounds below which all are used

template <class Value>
double median_over(const BenchResult& result, const Value& value) {
  std::vector<double> values;
  for (const BenchRound* round : result.kept()) values.push_back(value(*round));
  return metrics::median(std::move(values));
}

}  // namespace

std::vector<const BenchRound*> BenchResult::kept() const {
  std::vector<const BenchRound*> quiet, all;
  for (const BenchRound& round : rounds) {
    all.push_back(&round);
    if (!round.busy) quiet.push_back(&round);
  }
  return quiet.size() >= kFewest ? quiet : all;
}

double BenchResult::seconds() const {
  return median_over(*this, [](const BenchRound& r) { return r.seconds; });
}

metrics::Interval BenchResult::interval() const {
  std::vector<double> values;
  for (const BenchRound* round : kept()) values.push_back(round->seconds);
  return metrics::median_interval(std::move(values), 0.95);
}

double BenchResult::peak_share() const {
  return median_over(*this, [this](const BenchRound& r) { return flops / r.seconds / r.fma; });
}

double BenchResult::bandwidth_share() const {
  return median_over(*this,
                     [this](const BenchRound& r) { return bytes / r.seconds / r.bandwidth; });
}

void mark_busy(std::vector<BenchResult>& results) {
  std::map<i64, double> fma, bandwidth;
  for (const BenchResult& result : results) {
    for (const BenchRound& round : result.rounds) {
      double& best = fma[result.c.threads];
      best = std::max(best, round.fma);
      double& best_read = bandwidth[result.c.threads];
      best_read = std::max(best_read, round.bandwidth);
    }
  }
  for (BenchResult& result : results) {
    double share = 0;
    for (const BenchRound& round : result.rounds)
      share = std::max(share, round.cpu / round.seconds);
    const bool reads = result.c.phase == Phase::decode;
    for (BenchRound& round : result.rounds) {
      round.busy = round.cpu / round.seconds < kCpuShare * share ||
                   (reads ? round.bandwidth < kProbeShare * bandwidth[result.c.threads]
                          : round.fma < kProbeShare * fma[result.c.threads]);
    }
  }
}

BenchExponent fit_exponent(const std::vector<double>& x, const std::vector<double>& y) {
  const std::size_t n = x.size();
  check(n >= 3 && y.size() == n, "an exponent needs three points");
  double mean_x = 0, mean_y = 0;
  for (std::size_t i = 0; i < n; ++i) {
    mean_x += std::log(x[i]) / static_cast<double>(n);
    mean_y += std::log(y[i]) / static_cast<double>(n);
  }
  double xx = 0, xy = 0, residual = 0;
  for (std::size_t i = 0; i < n; ++i) {
    xx += std::pow(std::log(x[i]) - mean_x, 2);
    xy += (std::log(x[i]) - mean_x) * (std::log(y[i]) - mean_y);
  }
  BenchExponent fit;
  fit.exponent = xy / xx;
  for (std::size_t i = 0; i < n; ++i) {
    residual += std::pow(std::log(y[i]) - mean_y - fit.exponent * (std::log(x[i]) - mean_x), 2);
  }
  const double freedom = static_cast<double>(n - 2);
  const double t = boost::math::quantile(boost::math::students_t(freedom), 0.975);
  const double half = t * std::sqrt(residual / freedom / xx);
  fit.interval = {fit.exponent - half, fit.exponent + half};
  fit.lengths = static_cast<i64>(n);
  return fit;
}

std::vector<BenchExponent> exponents(const std::vector<BenchResult>& results) {
  std::vector<std::string> order;
  struct Line {
    std::vector<double> lengths, seconds, flops;
  };
  std::map<std::string, Line> lines;
  for (const BenchResult& result : results) {
    if (!result.skipped.empty() || result.rounds.empty()) continue;
    BenchCase line = result.c;
    line.length = 0;
    const std::string name = line.name();
    if (!lines.contains(name)) order.push_back(name);
    lines[name].lengths.push_back(static_cast<double>(result.c.length));
    lines[name].seconds.push_back(result.seconds());
    lines[name].flops.push_back(result.flops);
  }
  std::vector<BenchExponent> out;
  for (const std::string& name : order) {
    const auto& [lengths, seconds, flops] = lines[name];
    if (lengths.size() < 3) continue;
    out.push_back(fit_exponent(lengths, seconds));
    out.back().flops = fit_exponent(lengths, flops).exponent;
    out.back().line = name;
    out.back().line.replace(name.find("/n:0"), 4, "");
  }
  return out;
}

}  // namespace longreach::harness
