// Blur: by how much a key that matches the query outweighs one that does not, once both are far
// back. A property of the mechanism: keys and queries are random numbers, no model takes part.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "metrics/estimate.h"
#include "metrics/metric.h"

namespace longreach::metrics {
namespace {

/// One stream of N tokens with unit normal keys, of which D in its first half, the probes, have a
/// value: 1 in an element of their own, all else 0. Further tokens follow whose queries are the
/// probes' keys: element c of an output is then the weight of probe c, as far as outputs are linear
/// in values or a scale of such.
class Stream {
 public:
  Stream(const attention::Backend& backend, i64 tokens, const Rng& rng)
      : backend_(backend),
        tokens_(tokens),
        d_(backend.shape().head_dim),
        q_({1, tokens + d_, backend.shape().query_heads, d_}),
        k_({1, tokens + d_, backend.shape().kv_heads, d_}),
        v_(k_.shape()),
        projected_({1, tokens + d_, backend.projected_size()}),
        out_(q_.shape()) {
    fill_normal(q_, rng.fork("q"));
    fill_normal(k_, rng.fork("k"));
    place_probes(rng.fork("probes"));
    attend();
  }

  /// Adds the probe's own weight, and the mean size of the other probes', for each of D queries.
  void add_to(double& matching, double& others) const {
    for (i64 c = 0; c < d_; ++c) {
      const auto row = out_.view<4>().row(0, tokens_ + c, 0);
      matching += row[c];
      for (i64 i = 0; i < d_; ++i) {
        if (i != c) others += std::abs(row[i]) / static_cast<double>(d_ - 1);
      }
    }
  }

 private:
  static void fill_normal(Tensor& x, Rng rng) {
    for (float& value : x.flat()) value = static_cast<float>(rng.normal());
  }

  void place_probes(Rng rng) {
    std::vector<i64> places(static_cast<std::size_t>(tokens_ / 2));
    for (std::size_t i = 0; i < places.size(); ++i) places[i] = static_cast<i64>(i);
    for (i64 c = 0; c < d_; ++c) {
      std::swap(places[c], places[c + rng.below(std::ssize(places) - c)]);
      for (i64 h = 0; h < k_.shape()[2]; ++h) v_.view<4>()(0, places[c], h, c) = 1;
      std::ranges::copy(k_.view<4>().row(0, places[c], 0),
                        q_.view<4>().row(0, tokens_ + c, 0).begin());
    }
  }

  void attend() {
    Floats weights;
    for (const attention::WeightSpec& spec : backend_.weights()) {
      i64 size = 1;
      for (const i64 extent : spec.shape) size *= extent;
      weights.insert(weights.end(), static_cast<std::size_t>(size), spec.initial);
    }
    attention::State state = backend_.initial_state(1, tokens_ + d_);
    const auto view = [](const Tensor& x) { return x.view<4>(); };
    attention::Chunk chunk{view(q_), view(k_), view(v_)};
    if (projected_.size() > 0) chunk.projected = std::as_const(projected_).view<3>();
    backend_.forward(weights, chunk, state, out_.view<4>(), nullptr);
  }

  const attention::Backend& backend_;
  i64 tokens_, d_;
  Tensor q_, k_, v_, projected_, out_;
};

class Blur final : public Metric {
 public:
  struct Params {
    i64 streams = 16;
    void fields(Fields& f) { f("streams", streams, at_least(1, Unit::count), "random streams"); }
  };

  explicit Blur(const Params& params) : params_(params) {}

  i64 version() const override { return 1; }
  Work work(const Prospect& prospect) const override {
    Work work;  // the first layer's mechanism alone; a whole model bounds it
    work.passes = {
        {.count = static_cast<double>(params_.streams), .tokens = prospect.context_length}};
    work.resampled = static_cast<double>(params_.streams);
    return work;
  }

  /// Of the first layer's backend with its weights as they start. Throws Error when the first half
  /// of a stream has no room for its probes, or when nothing of it reaches a query.
  Findings measure(const Session& session) const override {
    const attention::Backend& backend = *session.model.backends().front();
    const i64 length = session.context_length, d = backend.shape().head_dim;
    if (length < 2 * d) {
      throw error("blur: {} tokens are too few for a head size of {}; give {} or more", length, d,
                  2 * d);
    }
    Units units{"streams", {}, {}};
    for (i64 i = 0; i < params_.streams; ++i) {
      double matching = 0, others = 0;
      Stream(backend, length, session.rng.fork(length).fork(i)).add_to(matching, others);
      if (others == 0) {
        throw error(
            "blur: nothing of the first half of {} tokens reaches a later query; give shorter "
            "lengths or a longer window",
            length);
      }
      units.add(matching, others);
    }
    Findings findings;
    Measurement& m = findings.measurements.emplace_back();
    m.metric = "blur/match_over_random";
    m.unit = "1";
    m.higher_is_better = true;
    m.protocol = fmt::format("blur/{}:keys={}:head_dim={}", version(), length, d);
    set_mean(m, units, session.statistics, session.rng);
    return findings;
  }

 private:
  Params params_;
};

const Registered<MetricRegistry, Blur> registered{
    "blur", "How much a far key that matches the query outweighs one that does not"};

}  // namespace
}  // namespace longreach::metrics
