// Associative recall (MQAR, Arora et al. 2023, arXiv 2312.04927): how many of the pairs stated in
// the context a model still knows when their keys come again.
#include "datasets/recall.h"

#include <algorithm>

#include "core/error.h"
#include "metrics/blocks.h"
#include "metrics/estimate.h"
#include "metrics/metric.h"
#include "metrics/statistics.h"
#include "metrics/streams.h"
#include "model/scoring.h"

namespace longreach::metrics {
namespace {

using datasets::Sample;

constexpr i64 kScoringVersion = 0;

/// One sample's outcome.
struct Trial {
  i64 pairs = 0;
  double accuracy = 0;
  double distance = 0;  ///< mean tokens from where a pair is stated to where it is asked
};

/// The model's most likely token at each answer of each sample, in the order of the facts, all from
/// one reading with the true answers before it. Of equal logits the lowest token wins. Throws Error
/// when the logits are not finite.
std::vector<std::vector<Token>> predict(const model::Transformer& model,
                                        std::span<const Sample> samples) {
  TokenRows rows;
  std::vector<std::vector<Token>> predicted;
  for (const Sample& sample : samples) {
    rows.add(std::span(sample.tokens).first(sample.tokens.size() - 1));
    predicted.emplace_back(sample.facts.size());
  }
  const View<const Token, 2> tokens = rows.view();
  const i64 batch = tokens.extent(0), count = tokens.extent(1);
  const i64 vocabulary = model.architecture().vocabulary;
  model::StreamState state = model.initial_state(batch, count);
  // Logits exist for one chunk at a time.
  Floats buffer(
      static_cast<std::size_t>(batch * std::min(count, model::kScoringChunk) * vocabulary));
  for (i64 first = 0; first < count; first += model::kScoringChunk) {
    const i64 length = std::min(model::kScoringChunk, count - first);
    const View<float, 3> logits(buffer.data(), {batch, length, vocabulary});
    model.forward(tokens.slice(1, first, length), state, logits, nullptr);
    for (std::size_t b = 0; b < samples.size(); ++b) {
      for (std::size_t i = 0; i < samples[b].facts.size(); ++i) {
        const i64 t = samples[b].facts[i].answer.begin - 1 - first;
        if (t < 0 || t >= length) continue;
        const std::span<const float> row = logits.row(static_cast<i64>(b), t);
        const auto best = std::max_element(row.begin(), row.end());
        predicted[b][i] = static_cast<Token>(best - row.begin());
      }
    }
  }
  return predicted;
}

class Recall final : public Metric {
 public:
  struct Params {
    std::vector<i64> pairs{4, 8, 16, 32};
    i64 samples = 64;
    datasets::RecallOptions options;
    void fields(Fields& f) {
      f("pairs", pairs, between(1, datasets::kMostRecallPairs, Unit::count),
        "numbers of key-value pairs; those that do not fit in a context are left out there");
      f("samples", samples, at_least(1, Unit::count), "samples with each number of pairs");
      options.fields(f);  // as the training data has them
    }
  };

  explicit Recall(const Params& params) : params_(params) {
    if (params_.pairs.empty()) throw Error("recall pairs: none; give some, as pairs: [4, 8]");
    std::sort(params_.pairs.begin(), params_.pairs.end());
    const auto repeated = std::unique(params_.pairs.begin(), params_.pairs.end());
    params_.pairs.erase(repeated, params_.pairs.end());
    params_.options.require_room(params_.pairs.back(), "recall");
  }

  /// A sum, so that it rises when either the samples or the scoring here does.
  i64 version() const override { return datasets::kRecallVersion + kScoringVersion; }

  Work work(const Prospect& prospect) const override {
    const i64 length = prospect.context_length;
    const auto samples = static_cast<double>(params_.samples * std::ssize(fitting(length)));
    Work work;
    add_streams(work, samples, length, length);
    work.resampled = 2 * samples;
    return work;
  }

  Findings measure(const Session& session) const override {
    const std::vector<i64> pairs = fitting(session.context_length);
    const i64 count = params_.samples * std::ssize(pairs);
    const i64 at_once = streams_at_once(session.context_length);
    Findings findings;
    std::vector<Trial> trials;
    for (i64 first = 0; first < count; first += at_once) {
      std::vector<Sample> batch;
      for (i64 i = first; i < std::min(first + at_once, count); ++i) {
        const i64 number = pairs[static_cast<std::size_t>(i / params_.samples)];
        batch.push_back(make_sample(session, number, i % params_.samples));
      }
      const auto predicted = predict(session.model, batch);
      for (std::size_t b = 0; b < batch.size(); ++b)
        score(session, batch[b], predicted[b], trials, findings);
    }
    add_row(session, trials, pairs, "", findings);
    for (const i64 number : pairs) {
      add_row(session, trials, {number}, fmt::format("pairs={}", number), findings);
    }
    return findings;
  }

 private:
  /// The fewest pairs alone when none fits, of which the data then says so.
  std::vector<i64> fitting(i64 length) const {
    std::vector<i64> pairs = params_.pairs;
    std::erase_if(pairs, [&](i64 number) { return datasets::smallest_recall(number) > length; });
    return pairs.empty() ? std::vector<i64>{params_.pairs.front()} : pairs;
  }

  /// The same for every backend: it follows from the task's seed, length, pairs and number.
  Sample make_sample(const Session& session, i64 pairs, i64 number) const {
    return datasets::make_recall(session.tokenizer, session.context_length, pairs, params_.options,
                                 session.rng.fork(session.context_length).fork(pairs).fork(number));
  }

  static void score(const Session& session, const Sample& sample,
                    const std::vector<Token>& predicted, std::vector<Trial>& trials,
                    Findings& findings) {
    std::vector<Token> expected;
    i64 right = 0, distance = 0;
    for (std::size_t i = 0; i < sample.facts.size(); ++i) {
      const datasets::Fact& fact = sample.facts[i];
      expected.push_back(sample.tokens[static_cast<std::size_t>(fact.answer.begin)]);
      right += predicted[i] == expected[i];
      distance += fact.answer.begin - fact.stated[0].begin;
    }
    const auto pairs = static_cast<double>(sample.facts.size());
    const Trial trial{std::ssize(sample.facts), static_cast<double>(right) / pairs,
                      static_cast<double>(distance) / pairs};
    SampleRecord record;
    record.index = std::ssize(findings.samples);
    record.sample_sha = sample.sha();
    record.target = session.tokenizer.decode(expected);
    record.output = session.tokenizer.decode(predicted);
    record.scores = {{"accuracy", trial.accuracy}};
    record.distance = trial.distance;
    if (session.segment > 0) {
      record.segments_crossed = trial.distance / static_cast<double>(session.segment);
    }
    findings.samples.push_back(std::move(record));
    trials.push_back(trial);
  }

  /// Of the samples with these numbers of pairs. Questions of one sample share its text and are not
  /// independent; samples are.
  void add_row(const Session& session, const std::vector<Trial>& trials,
               const std::vector<i64>& pairs, std::string subtask, Findings& findings) const {
    Units accuracy{"samples", {}, {}}, distance{"samples", {}, {}};
    std::vector<SampleRecord> samples;
    for (std::size_t i = 0; i < trials.size(); ++i) {
      if (std::find(pairs.begin(), pairs.end(), trials[i].pairs) == pairs.end()) continue;
      accuracy.add(trials[i].accuracy);
      distance.add(trials[i].distance);
      samples.push_back(findings.samples[i]);
    }
    Measurement& m = findings.measurements.emplace_back();
    m.metric = "recall/accuracy";
    m.unit = "1";
    m.higher_is_better = true;
    m.chance = 1.0 / static_cast<double>(datasets::kRecallWords);
    m.subtask = std::move(subtask);
    m.protocol = fmt::format("recall/{}:ctx={}:pairs={}:power={:g}:values={}{}", version(),
                             session.context_length, fmt::join(pairs, "+"), params_.options.power,
                             datasets::kRecallWords, params_.options.protocol());
    m.distance = mean(distance.amounts);
    if (session.segment > 0) {
      m.segments_crossed = *m.distance / static_cast<double>(session.segment);
    }
    m.data_sha = set_sha(samples);
    set_bounded_mean(m, accuracy, session.statistics, session.rng);
  }

  Params params_;
};

const Registered<MetricRegistry, Recall> registered{
    "recall", "Values told of keys that come again (MQAR), by number of pairs"};

}  // namespace
}  // namespace longreach::metrics
