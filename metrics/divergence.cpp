// How far a backend's predictions of held-out text are from the baseline's on the same weights.
#include <span>

#include "core/error.h"
#include "metrics/estimate.h"
#include "metrics/lockstep.h"
#include "metrics/log_histogram.h"
#include "metrics/metric.h"
#include "metrics/protocol.h"

namespace longreach::metrics {
namespace {

/// Over some targets.
struct Sums {
  double kl = 0, same = 0, targets = 0;
  void add(const Disagreement& d) {
    kl += d.kl;
    same += d.same_top ? 1 : 0;
    ++targets;
  }
};

class Divergence final : public Metric {
 public:
  using Params = Protocol;
  explicit Divergence(const Params& params) : protocol_(params) {}

  i64 version() const override { return 1; }
  bool needs_baseline() const override { return true; }
  Work work(const Prospect& prospect) const override {
    Work work;
    add_work(work, prospect, protocol_);
    for (std::size_t i = work.passes.size(); i-- > 0;) {
      work.passes.push_back(work.passes[i]);
      work.passes.back().baseline = true;
    }
    return work;
  }

  Findings measure(const Session& session) const override {
    if (session.baseline == nullptr) {
      throw Error("divergence: there is no baseline to compare with; mark one, as baseline: true");
    }
    const Plan plan = make_plan(session, protocol_, "divergence");
    std::vector<Sums> sums(plan.blocks.size());
    LogHistogram tokens;
    in_lockstep(*session.baseline, session.model, plan.documents, plan.blocks,
                [&](std::size_t block, i64, const Disagreement& d) {
                  sums[block].add(d);
                  tokens.add(d.kl);
                });
    Findings findings;
    const auto add = [&](std::string_view what, std::string_view unit) -> Measurement& {
      Measurement& m = findings.measurements.emplace_back();
      m.metric = fmt::format("divergence/{}", what);
      m.unit = unit;
      m.protocol = protocol(session);
      m.data_sha = blocks_sha(plan.documents, plan.blocks);
      return m;
    };
    Units kl{"blocks", {}, {}}, same{"blocks", {}, {}};
    for (const Sums& block : sums) {
      kl.add(block.kl, block.targets);
      same.add(block.same, block.targets);
    }
    Measurement& mean = add("kl", "nats/token");
    mean.higher_is_better = false;
    set_mean(mean, kl, session.statistics, session.rng);
    Measurement& share = add("same_top", "1");
    share.higher_is_better = true;
    set_bounded_mean(share, same, session.statistics, session.rng);
    for (const int percent : {50, 90, 99}) {
      Measurement& m = add(fmt::format("kl_p{}", percent), "nats");
      m.higher_is_better = false;
      m.value = tokens.percentile(percent / 100.0);
      m.n = tokens.count();
      m.ci_method = fmt::format("no interval; nearest rank of {} tokens, within 0.6%", *m.n);
    }
    add_curves(session, plan, findings);
    return findings;
  }

 private:
  /// "divergence/1:ctx=1024:stride=512:score=tail:against=full".
  std::string protocol(const Session& session) const {
    return fmt::format("divergence/{}:{}:against={}", version(), protocol_.id(session),
                       session.baseline_name);
  }

  /// Means by the number of tokens the target sees; x is a bucket's middle.
  static void add_curves(const Session& session, const Plan& plan, Findings& findings) {
    const Positions positions(plan);
    std::vector<Sums> sums(positions.buckets.size());
    in_lockstep(*session.baseline, session.model, plan.documents, positions.blocks,
                [&](std::size_t, i64 target, const Disagreement& d) {
                  sums[positions.bucket_of(target)].add(d);
                });
    Curve kl, same;
    kl.name = "divergence/by_position";
    kl.y_unit = "nats/token";
    same.name = "divergence/same_top_by_position";
    same.y_unit = "1";
    kl.x_unit = same.x_unit = "tokens";
    for (std::size_t b = 0; b < sums.size(); ++b) {
      for (Curve* curve : {&kl, &same}) curve->x.push_back(positions.buckets[b].middle());
      kl.y.push_back(sums[b].kl / sums[b].targets);
      same.y.push_back(sums[b].same / sums[b].targets);
    }
    findings.curves = {std::move(kl), std::move(same)};
  }

  Protocol protocol_;
};

const Registered<MetricRegistry, Divergence> registered{
    "divergence", "KL divergence and share of equal top tokens against the baseline backend"};

}  // namespace
}  // namespace longreach::metrics
