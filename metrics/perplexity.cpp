// Perplexity of held-out text by token, byte and word, and where in the window the loss arises.
//
//   perplexity/token = exp(sum of -ln p of the targets / number of targets);
//   perplexity/byte, perplexity/word likewise by the bytes and words of text they stand for;
//   perplexity/bits_per_byte = log2(perplexity/byte).
// Words are runs between white space; lm-evaluation-harness, which reports the same three, counts a
// word more for white space at either end of a document.
#include <numbers>
#include <numeric>
#include <span>
#include <utility>

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
  Work work(const Prospect& prospect) const override {
    Work work;
    add_work(work, prospect, protocol_);
    return work;
  }

  Findings measure(const Session& session) const override {
    const Plan plan = make_plan(session, protocol_, "perplexity");
    const auto losses = block_losses(session.model, plan.documents, plan.blocks);
    Units per_token{"blocks", {}, {}}, per_byte{"blocks", {}, {}}, per_word{"blocks", {}, {}};
    Findings findings;
    double wordless = 0;  // nats of blocks that begin no word: they go with the next that does
    for (std::size_t i = 0; i < plan.blocks.size(); ++i) {
      const Block& block = plan.blocks[i];
      const double nats = total(losses[i]);
      const auto tokens = static_cast<double>(block.targets);
      const auto bytes = static_cast<double>(text_bytes(session.tokenizer, plan.documents, block));
      if (bytes == 0) throw error("perplexity: {} decodes to no text", block_name(block));
      per_token.add(nats, tokens);
      per_byte.add(nats, bytes);
      wordless += nats;
      if (const i64 words = text_words(session.tokenizer, plan.documents, block); words > 0) {
        per_word.add(std::exchange(wordless, 0), static_cast<double>(words));
      }
      SampleRecord& sample = findings.samples.emplace_back();
      sample.index = static_cast<i64>(i);
      sample.sample_sha = block_sha(plan.documents, block);
      sample.target = block_name(block);
      sample.scores = {{"bits_per_byte", nats / bytes / std::numbers::ln2},
                       {"nats_per_token", nats / tokens}};
    }
    if (per_word.count() > 0) per_word.amounts.back() += wordless;
    add_measurements(session, per_token, per_byte, per_word, findings);
    add_positions(session, plan, findings);
    return findings;
  }

 private:
  Measurement& add(const Session& session, std::string_view what, std::string_view measured_in,
                   std::string_view unit, Findings& findings) const {
    Measurement& m = findings.measurements.emplace_back();
    m.metric = fmt::format("perplexity/{}", what);
    m.unit = measured_in;
    m.higher_is_better = false;
    // "ppl/1:ctx=1024:stride=512:score=tail:unit=token"
    m.protocol = fmt::format("ppl/{}:{}:unit={}", version(), protocol_.id(session), unit);
    m.data_sha = set_sha(findings.samples);
    return m;
  }

  /// Text without white space has no words, and no row of them.
  void add_measurements(const Session& session, const Units& per_token, Units per_byte,
                        const Units& per_word, Findings& findings) const {
    const auto add_perplexity = [&](std::string_view what, const Units& units) {
      Measurement& m = add(session, what, "1", what, findings);
      set_mean(m, units, session.statistics, session.rng);
      exponentiate(m);
    };
    add_perplexity("token", per_token);
    add_perplexity("byte", per_byte);
    if (per_word.count() > 0) add_perplexity("word", per_word);
    for (double& amount : per_byte.amounts) amount /= std::numbers::ln2;
    set_mean(add(session, "bits_per_byte", "bits/byte", "byte", findings), per_byte,
             session.statistics, session.rng);
  }

  /// By the number of tokens the target sees: rows of mean nats per token ("position=64-127"), and
  /// a curve of mean bits per byte, in which x is a bucket's middle.
  void add_positions(const Session& session, const Plan& plan, Findings& findings) const {
    const Positions positions(plan);
    const auto losses = block_losses(session.model, plan.documents, positions.blocks);
    Curve curve;
    curve.name = "perplexity/by_position";
    curve.x_unit = "tokens";
    curve.y_unit = "bits/byte";
    for (const Bucket& bucket : positions.buckets) {
      Units units{"blocks", {}, {}};
      double nats = 0, bytes = 0;
      for (std::size_t b = 0; b < positions.blocks.size(); ++b) {
        const auto own = bucket.of(std::span<const double>(losses[b]));
        if (own.empty()) continue;
        units.add(total(own), static_cast<double>(own.size()));
        nats += units.amounts.back();
        const auto targets = bucket.of(targets_of(plan.documents, positions.blocks[b]));
        bytes += static_cast<double>(session.tokenizer.decode(targets).size());
      }
      Measurement& m = add(session, "position_loss", "nats/token", "token", findings);
      m.subtask = bucket.low == bucket.high
                      ? fmt::format("position={}", bucket.low)
                      : fmt::format("position={}-{}", bucket.low, bucket.high);
      m.data_sha = blocks_sha(plan.documents, positions.blocks);
      set_mean(m, units, session.statistics, session.rng);
      if (bytes == 0) continue;
      curve.x.push_back(bucket.middle());
      curve.y.push_back(nats / bytes / std::numbers::ln2);
    }
    findings.curves.push_back(std::move(curve));
  }

  Protocol protocol_;
};

const Registered<MetricRegistry, Perplexity> registered{
    "perplexity", "Token, byte and word perplexity and bits per byte of held-out text"};

}  // namespace
}  // namespace longreach::metrics
