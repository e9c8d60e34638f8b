// Perplexity of held-out text by token and by byte, and where in the window the loss arises.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "core/error.h"
#include "metrics/blocks.h"
#include "metrics/estimate.h"
#include "metrics/metric.h"

namespace longreach::metrics {

/// How windows are laid over the text.
enum class PerplexityProtocol {
  rolling,  ///< the same target blocks at every context length, each scored with a full context
  disjoint  ///< windows that share no target; all of a window is scored, its start with no context
};

}  // namespace longreach::metrics

namespace longreach {
template <>
struct EnumNames<metrics::PerplexityProtocol> {
  static constexpr std::array<std::string_view, 2> names{"rolling", "disjoint"};
};
}  // namespace longreach

namespace longreach::metrics {
namespace {

/// What is scored at one context length.
struct Plan {
  Documents documents;
  std::vector<Block> blocks;
  i64 context = 0, targets = 0;
};

double total(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

class Perplexity final : public Metric {
 public:
  struct Params {
    PerplexityProtocol protocol = PerplexityProtocol::rolling;
    i64 stride = 512;
    i64 tokens = 32768;
    void fields(Fields& f) {
      f("protocol", protocol,
        "rolling: the same targets at every length, each block with a full context; disjoint: "
        "windows of the context length, all of each scored");
      f("stride", stride, at_least(1, Unit::count),
        "targets in a block (rolling), at most the context length");
      f("tokens", tokens, at_least(0, Unit::count),
        "most tokens to score, in evenly spread blocks of which there is at least one; 0: all");
    }
  };

  explicit Perplexity(const Params& params) : params_(params) {}

  i64 version() const override { return 1; }

  Findings measure(const Session& session) const override {
    const Plan plan = make_plan(session);
    const auto losses =
        block_losses(session.model, plan.documents, plan.blocks, plan.context, plan.targets);
    Units per_token{"blocks", {}, {}}, per_byte{"blocks", {}, {}};
    Findings findings;
    for (std::size_t i = 0; i < plan.blocks.size(); ++i) {
      const double nats = total(losses[i]);
      const auto targets = targets_of(plan.documents, plan.blocks[i], plan.targets);
      const auto bytes = static_cast<double>(session.tokenizer.decode(targets).size());
      if (bytes == 0) throw error("perplexity: {} decodes to no text", name(plan, i));
      per_token.add(nats, static_cast<double>(plan.targets));
      per_byte.add(nats, bytes);
      SampleRecord& sample = findings.samples.emplace_back();
      sample.index = static_cast<i64>(i);
      sample.sample_sha = block_sha(plan.documents, plan.blocks[i], plan.targets);
      sample.target = name(plan, i);
      sample.scores = {{"bits_per_byte", nats / bytes / std::numbers::ln2},
                       {"nats_per_token", nats / static_cast<double>(plan.targets)}};
    }
    add_measurements(session, per_token, per_byte, findings);
    findings.curves.push_back(by_position(session, plan));
    return findings;
  }

 private:
  static std::string name(const Plan& plan, std::size_t block) {
    return block_name(plan.blocks[block], plan.targets);
  }

  Plan make_plan(const Session& session) const {
    Plan plan;
    if (session.data != nullptr) plan.documents = session.data->documents(datasets::Split::test);
    if (plan.documents.empty()) {
      throw error(
          "perplexity: the data has no held-out text; name some, as data: {{text: {{path: "
          "...}}}}");
    }
    const bool rolling = params_.protocol == PerplexityProtocol::rolling;
    plan.context = session.context_length;
    plan.targets = rolling ? params_.stride : plan.context;
    if (plan.targets > plan.context) {
      throw error(
          "perplexity stride: {} targets do not fit a context of {} tokens; give stride: "
          "{} or less",
          plan.targets, plan.context, plan.context);
    }
    const i64 most = params_.tokens == 0 ? 0 : std::max<i64>(1, params_.tokens / plan.targets);
    plan.blocks = spread_blocks(plan.documents, rolling ? longest_length(session) : plan.context,
                                plan.targets, most, "perplexity");
    return plan;
  }

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

  /// Names all that makes perplexities comparable:
  /// "ppl/1:ctx=1024:stride=512:score=tail:unit=token".
  std::string protocol(i64 context, std::string_view unit) const {
    const bool rolling = params_.protocol == PerplexityProtocol::rolling;
    return fmt::format("ppl/{}:ctx={}:stride={}:score={}:unit={}", version(), context,
                       rolling ? params_.stride : context, rolling ? "tail" : "all", unit);
  }

  /// Mean bits per byte by the number of tokens the target sees, in buckets [1], [2, 3], [4, 7],
  /// ...; x is a bucket's geometric middle. A few evenly spread blocks, scored in full.
  static Curve by_position(const Session& session, const Plan& plan) {
    const i64 windows = std::clamp<i64>(16384 / plan.context, 4, 16);
    const i64 available = static_cast<i64>(plan.blocks.size());
    std::vector<Block> blocks;
    for (i64 i = 0; i < std::min(windows, available); ++i) {
      blocks.push_back(
          plan.blocks[static_cast<std::size_t>(i * available / std::min(windows, available))]);
    }
    const auto losses =
        block_losses(session.model, plan.documents, blocks, plan.context, plan.context);
    Curve curve;
    curve.name = "perplexity/by_position";
    curve.x_unit = "tokens";
    curve.y_unit = "bits/byte";
    for (i64 low = 1; low <= plan.context; low *= 2) {
      const i64 high = std::min(2 * low - 1, plan.context);
      double nats = 0, bytes = 0;
      for (std::size_t b = 0; b < blocks.size(); ++b) {
        const auto from = static_cast<std::size_t>(low - 1);
        const auto count = static_cast<std::size_t>(high - low + 1);
        nats += total(std::span(losses[b]).subspan(from, count));
        const auto targets = targets_of(plan.documents, blocks[b], plan.context);
        bytes += static_cast<double>(session.tokenizer.decode(targets.subspan(from, count)).size());
      }
      if (bytes == 0) continue;
      curve.x.push_back(std::sqrt(static_cast<double>(low) * static_cast<double>(high)));
      curve.y.push_back(nats / bytes / std::numbers::ln2);
    }
    return curve;
  }

  Params params_;
};

const Registered<MetricRegistry, Perplexity> registered{
    "perplexity", "Token and byte perplexity and bits per byte of held-out text"};

}  // namespace
}  // namespace longreach::metrics
