// Passkey retrieval, scored three ways: generated exactly, digit by digit, and ranked among decoys.
#include "datasets/passkey.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "datasets/scorers.h"
#include "metrics/blocks.h"
#include "metrics/estimate.h"
#include "metrics/excerpt.h"
#include "metrics/metric.h"
#include "metrics/streams.h"
#include "model/generate.h"
#include "model/scoring.h"

namespace longreach::metrics {
namespace {

using datasets::kPasskeyDigits;

/// As many tokens as the key has digits: samples end with the key, so a model never learns to stop.
constexpr i64 kGenerated = kPasskeyDigits;
constexpr i64 kScoringVersion = 0;

/// One sample and what the model made of it.
struct Trial {
  datasets::Sample sample;
  double depth = 0;
  std::string expected, output;  ///< the key's digits; the generated text
  bool exact = false;
  double digit_accuracy = 0;
  i64 rank = 1;  ///< of the key among itself and the decoys, 1 = most likely; a tie counts against

  std::span<const Token> prompt() const {
    return std::span(sample.tokens).first(static_cast<std::size_t>(answer().begin));
  }
  std::span<const Token> key() const {
    return std::span(sample.tokens).last(static_cast<std::size_t>(answer().length));
  }
  /// Tokens from where the key's sentence begins to the answer.
  i64 distance() const { return answer().begin - statement().begin; }
  /// From where the key's sentence begins to the last answer token fits in one segment or window.
  bool near(i64 segment) const { return answer().end() - statement().begin <= segment; }
  /// Keeps of the sample only where things stood.
  void forget_text() {
    const datasets::Question places{.answer = answer(), .evidence = {statement()}};
    sample = {};
    sample.questions = {places};
  }

 private:
  datasets::Span answer() const { return sample.last().answer; }
  datasets::Span statement() const { return sample.last().evidence.front(); }
};

class Passkey final : public Metric {
 public:
  struct Params {
    std::vector<double> depths{0, 25, 50, 75, 100};
    i64 samples = 20;
    i64 tokens = 0;
    i64 decoys = 9;
    void fields(Fields& f) {
      f("depths", depths, between(0, 100, Unit::percent),
        "per cent of the filler before the key; 100 puts it next to the question, which any model "
        "that does the task at all can answer: the positive control");
      f("samples", samples, at_least(1, Unit::count), "samples at each depth");
      f("tokens", tokens, at_least(0, Unit::count),
        "most tokens to read at one length: long contexts get fewer samples at each depth, but at "
        "least one; 0: no limit");
      f("decoys", decoys, between(0, 1000, Unit::count), "wrong keys to rank the key among");
    }
  };

  explicit Passkey(const Params& params) : params_(params) {
    if (params_.depths.empty()) throw Error("passkey depths: none; give some, as depths: [0, 50]");
  }

  /// A sum, so that it rises when either the samples or the scoring here does.
  i64 version() const override { return datasets::kPasskeyVersion + kScoringVersion; }

  Work work(const Prospect& prospect) const override {
    const i64 length = prospect.context_length;
    const i64 count = samples_at(length) * std::ssize(params_.depths);
    const i64 streams = std::min(count, streams_at_once(length));
    const double batches = static_cast<double>(count) / static_cast<double>(streams);
    const double candidates = static_cast<double>(1 + params_.decoys);
    Work work;
    work.passes = {{.count = batches, .streams = streams, .tokens = length},
                   {.count = batches,
                    .streams = streams,
                    .position = length,
                    .tokens = kGenerated,
                    .logits = kGenerated,
                    .chunk = 1},
                   {.count = batches * candidates,
                    .streams = streams,
                    .position = length,
                    .tokens = kPasskeyDigits,
                    .logits = kPasskeyDigits}};
    work.states = 2;
    work.copied = static_cast<double>(count) * (1 + candidates);
    work.resampled = 4 * static_cast<double>(count);
    return work;
  }

  Findings measure(const Session& session) const override {
    const i64 each = samples_at(session.context_length);
    const i64 count = each * std::ssize(params_.depths);
    const i64 at_once = streams_at_once(session.context_length);
    Findings findings;
    std::vector<Trial> trials;
    // The texts of one batch at a time: all of those of a million tokens would fill gigabytes.
    for (i64 first = 0; first < count; first += at_once) {
      std::vector<Trial> batch;
      for (i64 i = first; i < std::min(first + at_once, count); ++i) {
        batch.push_back(make_trial(session, i / each, i % each));
      }
      run(session, batch);
      for (Trial& trial : batch) {
        findings.samples.push_back(record(session, trial, std::ssize(findings.samples)));
        trial.forget_text();
        trials.push_back(std::move(trial));
      }
    }
    add_measurements(session, trials, findings);
    return findings;
  }

 private:
  /// Samples at each depth.
  i64 samples_at(i64 length) const {
    if (params_.tokens == 0) return params_.samples;
    const i64 fitting = params_.tokens / length / std::ssize(params_.depths);
    return std::clamp<i64>(fitting, 1, params_.samples);
  }

  /// The same for every backend: it follows from the task's seed, length, depth and number.
  Trial make_trial(const Session& session, i64 depth, i64 number) const {
    Trial trial;
    trial.depth = params_.depths[static_cast<std::size_t>(depth)];
    trial.sample = datasets::make_passkey(
        session.tokenizer, session.context_length, trial.depth,
        session.rng.fork(session.context_length).fork(depth).fork(number), params_.decoys);
    for (const Token& token : trial.key()) {
      trial.expected += session.tokenizer.decode({&token, 1});
    }
    return trial;
  }

  /// Reads each prompt once but for its last token; generation and every candidate then go on from
  /// a copy of that state.
  void run(const Session& session, std::span<Trial> trials) const {
    const i64 batch = static_cast<i64>(trials.size());
    TokenRows prompts;
    std::vector<Token> last;
    for (const Trial& trial : trials) {
      prompts.add(trial.prompt().first(trial.prompt().size() - 1));
      last.push_back(trial.prompt().back());
    }
    model::StreamState prefilled =
        session.model.initial_state(batch, session.context_length + kGenerated);
    model::prefill(session.model, prompts.view(), prefilled);

    model::StreamState state = prefilled;
    const auto generated = model::continue_greedily(session.model, state, last, kGenerated);
    for (std::size_t b = 0; b < trials.size(); ++b) {
      const std::string found = datasets::first_integer(session.tokenizer, generated[b]);
      trials[b].output = session.tokenizer.decode(generated[b]);
      trials[b].exact = found == trials[b].expected;
      trials[b].digit_accuracy = datasets::digit_accuracy(found, trials[b].expected);
    }

    std::vector<double> key_log_probability;
    for (i64 candidate = -1; candidate < params_.decoys; ++candidate) {
      TokenRows rows;
      for (const Trial& trial : trials) {
        rows.add(trial.prompt().last(1),
                 candidate < 0 ? trial.key()
                               : trial.sample.last().decoys[static_cast<std::size_t>(candidate)]);
      }
      state = prefilled;
      const auto digits =
          model::tail_log_probabilities(session.model, rows.view(), kPasskeyDigits, &state);
      for (std::size_t b = 0; b < trials.size(); ++b) {
        double log_probability = 0;
        for (const double digit : digits[b]) log_probability += digit;
        if (candidate < 0) {
          key_log_probability.push_back(log_probability);
        } else {
          trials[b].rank += log_probability >= key_log_probability[b];
        }
      }
    }
  }

  SampleRecord record(const Session& session, const Trial& trial, i64 index) const {
    SampleRecord record;
    record.index = index;
    record.sample_sha = trial.sample.sha();
    record.target = trial.expected;
    record.output = trial.output;
    record.excerpt = excerpt(session.tokenizer, trial.prompt(), trial.sample.last().evidence);
    record.scores = {{"exact_match", trial.exact ? 1 : 0},
                     {"digit_accuracy", trial.digit_accuracy}};
    if (params_.decoys > 0) {
      record.scores.emplace_back("rank", trial.rank == 1 ? 1 : 0);
      record.scores.emplace_back("place", static_cast<double>(trial.rank));
    }
    record.depth = trial.depth;
    record.distance = static_cast<double>(trial.distance());
    if (session.segment > 0) {
      record.segments_crossed = *record.distance / static_cast<double>(session.segment);
    }
    return record;
  }

  /// Rows for all samples, for each depth, and for those near and far if there are both.
  void add_measurements(const Session& session, const std::vector<Trial>& trials,
                        Findings& findings) const {
    const auto add = [&](std::string_view subtask, std::optional<double> depth, auto&& belongs) {
      std::vector<const Trial*> group;
      std::vector<SampleRecord> samples;
      for (std::size_t i = 0; i < trials.size(); ++i) {
        if (!belongs(trials[i])) continue;
        group.push_back(&trials[i]);
        samples.push_back(findings.samples[i]);
      }
      if (group.empty()) return;
      add_rows(session, group, subtask, depth, set_sha(samples), findings.measurements);
    };
    add("", std::nullopt, [](const Trial&) { return true; });
    std::vector<double> depths = params_.depths;
    std::sort(depths.begin(), depths.end());
    depths.erase(std::unique(depths.begin(), depths.end()), depths.end());
    for (const double depth : depths) {
      add("", depth, [depth](const Trial& trial) { return trial.depth == depth; });
    }
    add("control", 100.0, [](const Trial& trial) { return trial.depth == 100; });
    const auto near = [&](const Trial& trial) { return trial.near(session.segment); };
    const auto count = std::count_if(trials.begin(), trials.end(), near);
    if (count > 0 && count < std::ssize(trials)) {
      add("near", std::nullopt, near);
      add("far", std::nullopt, [&](const Trial& trial) { return !near(trial); });
    }
  }

  void add_rows(const Session& session, const std::vector<const Trial*>& group,
                std::string_view subtask, std::optional<double> depth, const std::string& sha,
                std::vector<Measurement>& rows) const {
    i64 exact = 0, first = 0;
    double distance = 0;
    Units digits{"samples", {}, {}};
    for (const Trial* trial : group) {
      exact += trial->exact;
      first += trial->rank == 1;
      digits.add(trial->digit_accuracy);
      distance += static_cast<double>(trial->distance());
    }
    const i64 n = std::ssize(group);
    distance /= static_cast<double>(n);
    const auto add = [&](std::string_view score, double chance) -> Measurement& {
      Measurement& m = rows.emplace_back();
      m.metric = fmt::format("passkey/{}", score);
      m.unit = "1";
      m.higher_is_better = true;
      m.chance = chance;
      m.subtask = subtask;
      m.protocol = fmt::format("passkey/{}:ctx={}:digits={}:decoys={}", version(),
                               session.context_length, kPasskeyDigits, params_.decoys);
      m.depth = depth;
      m.distance = distance;
      if (session.segment > 0) m.segments_crossed = distance / static_cast<double>(session.segment);
      m.data_sha = sha;
      return m;
    };
    set_share(add("exact_match", std::pow(10.0, -kPasskeyDigits)), exact, n, session.statistics);
    set_bounded_mean(add("digit_accuracy", 0.1), digits, session.statistics, session.rng);
    if (params_.decoys == 0) return;
    set_share(add("rank", 1 / static_cast<double>(params_.decoys + 1)), first, n,
              session.statistics);
  }

  Params params_;
};

const Registered<MetricRegistry, Passkey> registered{
    "passkey", "Retrieval of a 5-digit key from filler, by depth"};

}  // namespace
}  // namespace longreach::metrics
