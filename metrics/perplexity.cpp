// Perplexity of held-out text by token and by byte, and where in the window the loss arises.
#include <numbers>
#include <numeric>
#include <span>

#include "core/error.h"
#include "metrics/estimate.h"
#include "metrics/protocol.h"

namespace longreach::metrics {
namespace {

double total(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

class Perplexity final : public Metric {
 public:
  using Params = Protocol;
  explicit Perplexity(const Params& params) : protocol_(params) {}

  i64 version() const override { return 1; }

  Findings measure(const Session& session) const override {
    const Plan plan = make_plan(session, protocol_, "perplexity");
    const auto losses = block_losses(session.model, plan.documents, plan.blocks);
    Units per_token{"blocks", {}, {}}, per_byte{"blocks", {}, {}};
    Findings findings;
    for (std::size_t i = 0; i < plan.blocks.size(); ++i) {
      const Block& block = plan.blocks[i];
      const double nats = total(losses[i]);
      const auto tokens = static_cast<double>(block.targets);
      const auto bytes = static_cast<double>(text_bytes(session.tokenizer, plan.documents, block));
      if (bytes == 0) throw error("perplexity: {} decodes to no text", block_name(block));
      per_token.add(nats, tokens);
      per_byte.add(nats, bytes);
      SampleRecord& sample = findings.samples.emplace_back();
      sample.index = static_cast<i64>(i);
      sample.sample_sha = block_sha(plan.documents, block);
      sample.target = block_name(block);
      sample.scores = {{"bits_per_byte", nats / bytes / std::numbers::ln2},
                       {"nats_per_token", nats / tokens}};
    }
    add_measurements(session, per_token, per_byte, findings);
    findings.curves.push_back(by_position(session, plan));
    return findings;
  }

 private:
  void add_measurements(const Session& session, const Units& per_token, Units per_byte,
                        Findings& findings) const {
    const auto add = [&](std::string_view what, std::string_view measured_in,
                         std::string_view unit) -> Measurement& {
      Measurement& m = findings.measurements.emplace_back();
      m.metric = fmt::format("perplexity/{}", what);
      m.unit = measured_in;
      m.higher_is_better = false;
      m.protocol = protocol(session.context_length, unit);
      m.data_sha = set_sha(findings.samples);
      return m;
    };
    Measurement& token = add("token", "1", "token");
    set_mean(token, per_token, session.statistics, session.rng);
    exponentiate(token);
    Measurement& byte = add("byte", "1", "byte");
    set_mean(byte, per_byte, session.statistics, session.rng);
    exponentiate(byte);
    for (double& amount : per_byte.amounts) amount /= std::numbers::ln2;
    set_mean(add("bits_per_byte", "bits/byte", "byte"), per_byte, session.statistics, session.rng);
  }

  /// "ppl/1:ctx=1024:stride=512:score=tail:unit=token".
  std::string protocol(i64 context, std::string_view unit) const {
    return fmt::format("ppl/{}:{}:unit={}", version(), protocol_.id(context), unit);
  }

  /// Mean bits per byte by the number of tokens the target sees; x is a bucket's middle.
  static Curve by_position(const Session& session, const Plan& plan) {
    const Positions positions(plan);
    const auto losses = block_losses(session.model, plan.documents, positions.blocks);
    Curve curve;
    curve.name = "perplexity/by_position";
    curve.x_unit = "tokens";
    curve.y_unit = "bits/byte";
    for (const Bucket& bucket : positions.buckets) {
      double nats = 0, bytes = 0;
      for (std::size_t b = 0; b < positions.blocks.size(); ++b) {
        nats += total(bucket.of(std::span<const double>(losses[b])));
        const auto targets = bucket.of(targets_of(plan.documents, positions.blocks[b]));
        bytes += static_cast<double>(session.tokenizer.decode(targets).size());
      }
      if (bytes == 0) continue;
      curve.x.push_back(bucket.middle());
      curve.y.push_back(nats / bytes / std::numbers::ln2);
    }
    return curve;
  }

  Protocol protocol_;
};

const Registered<MetricRegistry, Perplexity> registered{
    "perplexity", "Token and byte perplexity and bits per byte of held-out text"};

}  // namespace
}  // namespace longreach::metrics
