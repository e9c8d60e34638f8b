// Context utilization: what longer context gains on fixed targets, and whether facts planted in the
// context causally reach the answer.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "core/error.h"
#include "metrics/blocks.h"
#include "metrics/estimate.h"
#include "metrics/excerpt.h"
#include "metrics/metric.h"
#include "metrics/streams.h"
#include "model/scoring.h"

namespace longreach::metrics {
namespace {

using datasets::Fact;
using datasets::Sample;

std::span<const Token> part(const std::vector<Token>& tokens, const datasets::Span& span) {
  return std::span(tokens).subspan(static_cast<std::size_t>(span.begin),
                                   static_cast<std::size_t>(span.length));
}

void replace(std::vector<Token>& tokens, i64 begin, const std::vector<Token>& with) {
  std::copy(with.begin(), with.end(), tokens.begin() + begin);
}

/// Swaps each fact of one sample in turn and measures how far the answer follows.
///
/// A fact's effect is the smaller of two movements, each of an answer's log-probability when the
/// context comes to state the matching fact instead of the other one:
///   log p(counterfactual | swapped) - log p(counterfactual | original)  and
///   log p(answer | original)        - log p(answer | swapped).
/// Both must move, or a model that merely becomes unsure when its context is disturbed would pass.
class FactSwaps {
 public:
  FactSwaps(const model::Transformer& model, const Sample& sample)
      : model_(model),
        sample_(sample),
        first_stated_(std::ssize(sample.tokens)),
        first_answer_(first_stated_) {
    for (const Fact& fact : sample.facts) {
      first_answer_ = std::min(first_answer_, fact.answer.begin);
      for (const auto& span : fact.stated) first_stated_ = std::min(first_stated_, span.begin);
    }
    check(first_stated_ < first_answer_, "facts are stated before they are asked for");
  }

  /// Nats, of every fact.
  std::vector<double> effects() const {
    // What comes before all facts is the same in every reading.
    model::StreamState shared = model_.initial_state(1, std::ssize(sample_.tokens));
    read(sample_.tokens, 0, first_stated_, shared);
    const Reading original(*this, sample_.tokens, shared);
    std::vector<double> effects;
    for (const Fact& fact : sample_.facts) {
      std::vector<Token> tokens = sample_.tokens;
      for (const auto& span : fact.stated) replace(tokens, span.begin, fact.counterfactual);
      const Reading swapped(*this, std::move(tokens), shared);
      const std::span<const Token> answer = part(sample_.tokens, fact.answer);
      const std::span<const Token> other = fact.other_answer();
      effects.push_back(
          std::min(swapped.log_probability(fact, other) - original.log_probability(fact, other),
                   original.log_probability(fact, answer) - swapped.log_probability(fact, answer)));
    }
    return effects;
  }

 private:
  /// The model after a context, up to the last token before the first answer.
  class Reading {
   public:
    Reading(const FactSwaps& swaps, std::vector<Token> tokens, model::StreamState state)
        : swaps_(swaps), tokens_(std::move(tokens)), state_(std::move(state)) {
      swaps_.read(tokens_, swaps_.first_stated_, swaps_.first_answer_ - 1, state_);
    }

    /// Of `answer` in the place of the fact's, after all that stands before it.
    double log_probability(const Fact& fact, std::span<const Token> answer) const {
      const i64 begin = swaps_.first_answer_ - 1;
      TokenRows end;
      end.add(part(tokens_, {begin, fact.answer.begin - begin}), answer);
      model::StreamState state = state_;
      const auto tail =
          model::tail_log_probabilities(swaps_.model_, end.view(), std::ssize(answer), &state);
      return std::accumulate(tail[0].begin(), tail[0].end(), 0.0);
    }

   private:
    const FactSwaps& swaps_;
    std::vector<Token> tokens_;
    model::StreamState state_;
  };

  void read(const std::vector<Token>& tokens, i64 begin, i64 end, model::StreamState& state) const {
    model::prefill(model_, View<const Token, 2>(tokens.data() + begin, {1, end - begin}), state);
  }

  const model::Transformer& model_;
  const Sample& sample_;
  i64 first_stated_, first_answer_;
};

class ContextUtilization final : public Metric {
 public:
  struct Params {
    i64 blocks = 48, targets = 64, shortest = 0;
    i64 samples = 24;
    double margin = std::numbers::ln2;
    void fields(Fields& f) {
      f("blocks", blocks, at_least(1, Unit::count), "blocks of targets, for text");
      f("targets", targets, at_least(1, Unit::count), "tokens predicted in a block, for text");
      f("shortest", shortest, at_least(0, Unit::count),
        "the context length that gain is counted from, more than targets; 0: twice the targets");
      f("samples", samples, at_least(1, Unit::count), "samples whose facts are swapped");
      f("margin", margin, at_least(0),
        "nats by which the log-probability of the matching answer must move for a fact to count "
        "as used");
    }
  };

  explicit ContextUtilization(const Params& params) : params_(params) {
    if (params_.shortest == 0) params_.shortest = 2 * params_.targets;
    if (params_.shortest <= params_.targets) {
      throw error("context_utilization shortest: {} tokens must be more than the {} targets",
                  params_.shortest, params_.targets);
    }
  }

  i64 version() const override { return 1; }
  Work work(const Prospect& prospect) const override {
    Work work;
    if (held_out_tokens(prospect) > 0) {
      const auto blocks =
          static_cast<double>(same_target_count(prospect, params_.targets, params_.blocks));
      add_streams(work, blocks, prospect.context_length, params_.targets);
      if (prospect.context_length > params_.shortest) {
        add_streams(work, blocks, params_.shortest, params_.targets);
      }
      work.resampled = 2 * blocks;
      return work;
    }
    const AskedOf asked = asked_of(prospect);
    const auto samples = static_cast<double>(params_.samples);
    const auto length = static_cast<double>(prospect.context_length);
    const auto shared = static_cast<i64>(asked.stated * length);
    const i64 own = prospect.context_length - shared, answer = 1 + std::llround(asked.answer);
    work.passes = {{.count = samples, .tokens = shared},
                   {.count = samples * (1 + asked.facts), .position = shared, .tokens = own},
                   {.count = samples * 4 * asked.facts,
                    .position = prospect.context_length - answer,
                    .tokens = answer,
                    .logits = answer}};
    work.states = 4;
    work.copied = samples * (1 + 5 * asked.facts);
    work.resampled = 2 * samples;
    return work;
  }

  Findings measure(const Session& session) const override {
    if (session.data == nullptr) {
      throw Error(
          "context_utilization: name the data: text for the gain of context, or a task whose "
          "samples state facts (passkey, recall) for the facts used");
    }
    Findings findings;
    const Documents documents = session.data->documents(datasets::Split::test);
    if (!documents.empty()) {
      measure_gain(session, documents, findings);
    } else {
      measure_facts(session, findings);
    }
    return findings;
  }

 private:
  /// G(c) = L(shortest) - L(c), L being the loss on targets that are the same at every c.
  void measure_gain(const Session& session, const Documents& documents, Findings& findings) const {
    const i64 context = session.context_length;
    if (context < params_.shortest) {
      throw error(
          "context_utilization: a context of {} tokens is below the shortest, {}, that gain is "
          "counted from; give longer lengths, or a smaller shortest and targets",
          context, params_.shortest);
    }
    const std::vector<Block> blocks = same_target_blocks(session, documents, params_.targets,
                                                         params_.blocks, "context_utilization");
    const auto losses = block_losses(session.model, documents, blocks);
    const bool reference = context == params_.shortest;
    const auto short_losses =
        reference ? losses
                  : block_losses(session.model, documents, with_context(blocks, params_.shortest));
    Units loss{"blocks", {}, {}}, gain{"blocks", {}, {}};
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      double nats = 0, short_nats = 0;
      for (const double value : losses[i]) nats += value;
      for (const double value : short_losses[i]) short_nats += value;
      const auto targets = static_cast<double>(params_.targets);
      loss.add(nats / targets);
      gain.add((short_nats - nats) / targets);
      SampleRecord& sample = findings.samples.emplace_back();
      sample.index = static_cast<i64>(i);
      sample.sample_sha = block_sha(documents, blocks[i]);
      sample.target = block_name(blocks[i]);
      sample.scores = {{"gain", gain.amounts.back()}, {"loss", loss.amounts.back()}};
    }
    const std::string protocol =
        fmt::format("gain/{}:ctx={}:shortest={}:targets={}:score=tail:unit=token", version(),
                    context, params_.shortest, params_.targets);
    set_mean(add(findings, "loss", "nats/token", false, protocol), loss, session.statistics,
             session.rng);
    Measurement& g = add(findings, "gain", "nats/token", true, protocol);
    if (reference) {
      g.value = 0;
      g.n = gain.count();
      g.ci_method = "reference";
    } else {
      set_mean(g, gain, session.statistics, session.rng);
    }
  }

  /// A fact is used when its effect exceeds the margin.
  void measure_facts(const Session& session, Findings& findings) const {
    Units used{"samples", {}, {}}, effects{"samples", {}, {}};
    for (i64 i = 0; i < params_.samples; ++i) {
      const Sample sample = session.data->sample(datasets::Split::test, i, session.context_length);
      if (sample.facts.empty()) {
        throw Error(
            "context_utilization: the data has neither held-out text nor facts to swap; use "
            "text, passkey or recall");
      }
      double used_here = 0, effect_here = 0;
      for (const double effect : FactSwaps(session.model, sample).effects()) {
        used_here += effect > params_.margin ? 1 : 0;
        effect_here += effect;
      }
      const auto facts = static_cast<double>(sample.facts.size());
      used.add(used_here, facts);
      effects.add(effect_here, facts);
      findings.samples.push_back(
          record(session, sample, i, used_here / facts, effect_here / facts));
    }
    const std::string protocol =
        fmt::format("facts/{}:ctx={}:swap=one:effect=smaller:margin={:.4g}", version(),
                    session.context_length, params_.margin);
    Measurement& efficiency = add(findings, "efficiency", "1", true, protocol);
    efficiency.chance = 0;
    set_bounded_mean(efficiency, used, session.statistics, session.rng);
    Measurement& effect = add(findings, "fact_effect", "nats", true, protocol);
    effect.chance = 0;
    set_mean(effect, effects, session.statistics, session.rng);
  }

  static SampleRecord record(const Session& session, const Sample& sample, i64 index,
                             double efficiency, double effect) {
    SampleRecord record;
    record.index = index;
    record.sample_sha = sample.sha();
    record.target = session.tokenizer.decode(part(sample.tokens, sample.last().answer));
    record.scores = {{"efficiency", efficiency}, {"fact_effect", effect}};
    record.depth = sample.depth;
    // Of several questions each has a distance of its own, and the effect is not of the last alone.
    const datasets::Question& last = sample.last();
    record.excerpt = excerpt(
        session.tokenizer,
        std::span(sample.tokens).first(static_cast<std::size_t>(last.answer.begin)), last.evidence);
    if (sample.questions.size() == 1 && !last.evidence.empty()) {
      record.distance = static_cast<double>(last.answer.begin - last.evidence.front().begin);
      if (session.segment > 0) {
        record.segments_crossed = *record.distance / static_cast<double>(session.segment);
      }
    }
    return record;
  }

  static Measurement& add(Findings& findings, std::string_view what, std::string_view unit,
                          bool higher_is_better, const std::string& protocol) {
    Measurement& m = findings.measurements.emplace_back();
    m.metric = fmt::format("utilization/{}", what);
    m.unit = unit;
    m.higher_is_better = higher_is_better;
    m.protocol = protocol;
    m.data_sha = set_sha(findings.samples);
    return m;
  }

  Params params_;
};

const Registered<MetricRegistry, ContextUtilization> registered{
    "context_utilization",
    "Loss gained from longer context (text), share of planted facts used (passkey, recall)"};

}  // namespace
}  // namespace longreach::metrics
