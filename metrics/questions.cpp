// The questions that a dataset's samples ask, answered by generation and by choice among decoys.
#include <algorithm>
#include <bit>
#include <cmath>
#include <map>

#include "core/error.h"
#include "core/sha256.h"
#include "datasets/scorers.h"
#include "metrics/answers.h"
#include "metrics/blocks.h"
#include "metrics/estimate.h"
#include "metrics/excerpt.h"
#include "metrics/metric.h"
#include "metrics/streams.h"

namespace longreach::metrics {
namespace {

using datasets::Question;
using datasets::Sample;

constexpr i64 kVersion = 1;
constexpr std::array<std::string_view, 6> kScores{"exact_match", "found", "precision",
                                                  "recall",      "f1",    "choice"};
/// Depths that are spread at random get no rows of their own.
constexpr std::size_t kMostDepths = 11;

/// What a question's record (of the same number) does not say.
struct Asked {
  i64 sample = 0;  ///< its number
  std::string kind;
  std::optional<i64> age;
  i64 reach = 0;      ///< tokens from where its evidence begins to the answer's end; 0: no evidence
  double chance = 0;  ///< of the right answer to come first
};

/// Questions by number.
using Group = std::vector<std::size_t>;

/// Values from `low`, a power of two or 0, to before the next power.
struct Bucket {
  explicit Bucket(i64 value)
      : low(value <= 0 ? 0 : static_cast<i64>(std::bit_floor(static_cast<std::uint64_t>(value)))) {}
  bool operator<(const Bucket& other) const { return low < other.low; }
  std::string text() const {
    return low < 2 ? fmt::format("{}", low) : fmt::format("{}-{}", low, 2 * low - 1);
  }
  i64 low;
};

std::optional<double> score_of(const SampleRecord& record, std::string_view name) {
  for (const auto& [key, value] : record.scores) {
    if (key == name) return value;
  }
  return std::nullopt;
}

/// The numbers of those with a key, by key; nothing when all have the same.
template <class Key, class KeyOf>
std::map<Key, Group> groups(std::size_t count, const KeyOf& key_of) {
  std::map<Key, Group> by_key;
  for (std::size_t i = 0; i < count; ++i) {
    if (const std::optional<Key> key = key_of(i)) by_key[*key].push_back(i);
  }
  if (by_key.size() < 2) by_key.clear();
  return by_key;
}

class Questions final : public Metric {
 public:
  struct Params {
    i64 samples = 50;
    i64 tokens = 0;
    i64 new_tokens = 0;
    bool choices = true;
    void fields(Fields& f) {
      f("samples", samples, at_least(1, Unit::count), "samples of the data, each with all it asks");
      f("tokens", tokens, at_least(0, Unit::count),
        "most tokens to read at one length: long contexts get fewer samples, but at least one; 0: "
        "no limit");
      f("new_tokens", new_tokens, between(0, 100000, Unit::count),
        "tokens to generate beyond as many as the right answer has: found, precision, recall and "
        "f1 look at them too, exact_match does not");
      f("choices", choices, "whether to rank the right answer among the data's wrong ones, if any");
    }
  };

  explicit Questions(const Params& params) : params_(params) {}

  i64 version() const override { return kVersion; }

  Work work(const Prospect& prospect) const override {
    const i64 length = prospect.context_length;
    const AskedOf asked = asked_of(prospect);
    const i64 count = params_.tokens == 0
                          ? params_.samples
                          : std::clamp<i64>(params_.tokens / length, 1, params_.samples);
    const i64 streams =
        asked.alike ? std::min(count, streams_at_once(length + params_.new_tokens)) : 1;
    const double batches = static_cast<double>(count) / static_cast<double>(streams);
    const double questions = batches * asked.questions;
    const double choices = 1 + (params_.choices ? asked.decoys : 0);
    const auto answer = static_cast<i64>(std::llround(asked.answer));
    const auto end = static_cast<i64>(asked.end * static_cast<double>(length));
    Work work;
    work.passes = {{.count = batches, .streams = streams, .tokens = length},
                   {.count = questions,
                    .streams = streams,
                    .position = end,
                    .tokens = answer + params_.new_tokens,
                    .logits = answer + params_.new_tokens,
                    .chunk = 1},
                   {.count = questions * choices,
                    .streams = streams,
                    .position = end,
                    .tokens = 1 + answer,
                    .logits = answer}};
    work.states = 2;
    work.copied = questions * static_cast<double>(streams) * choices;
    work.resampled = 30 * static_cast<double>(count);
    return work;
  }

  Findings measure(const Session& session) const override {
    if (!session.data) {
      throw Error("questions: no data; give some that asks, as data: {passkey: {}}");
    }
    const i64 count = samples_at(session);
    const i64 at_once = streams_at_once(session.context_length + params_.new_tokens);
    Findings findings;
    std::vector<Asked> asked;
    // One batch of samples at a time: all of those of a million tokens would fill gigabytes.
    for (i64 first = 0; first < count; first += at_once) {
      std::vector<Sample> batch;
      for (i64 i = first; i < std::min(first + at_once, count); ++i) {
        batch.push_back(session.data->sample(datasets::Split::test, i, session.context_length));
        require_questions(batch.back());
      }
      const auto answers = ask(session.model, session.tokenizer, batch,
                               {.new_tokens = params_.new_tokens, .choices = params_.choices});
      for (std::size_t b = 0; b < batch.size(); ++b) {
        add_records(session, batch[b], first + static_cast<i64>(b), answers[b], asked,
                    findings.samples);
      }
    }
    add_measurements(session, asked, findings);
    return findings;
  }

 private:
  i64 samples_at(const Session& session) const {
    const i64 length = session.context_length;
    i64 count = params_.samples;
    if (params_.tokens > 0) count = std::min(count, params_.tokens / length);
    // At least one, so that data without any says why.
    return std::max<i64>(1, std::min(count, session.data->size(datasets::Split::test, length)));
  }

  static void require_questions(const Sample& sample) {
    const bool asks = !sample.questions.empty() &&
                      sample.questions.front().answer.length < std::ssize(sample.tokens) - 1;
    if (asks) return;
    throw Error(
        "questions: the data asks none, it is text to be predicted; measure its perplexity, or "
        "give data that asks, as data: {passkey: {}}");
  }

  void add_records(const Session& session, const Sample& sample, i64 number,
                   const std::vector<Answer>& answers, std::vector<Asked>& asked,
                   std::vector<SampleRecord>& records) const {
    const std::string sha = sample.sha();
    for (std::size_t q = 0; q < sample.questions.size(); ++q) {
      const Question& question = sample.questions[q];
      SampleRecord& record = records.emplace_back();
      record.index = number;
      record.sample_sha = sha;
      if (sample.questions.size() > 1) {
        record.sample_sha = sha256(fmt::format("{}:{}", sha, q));
        record.cluster = sha;
      } else {
        record.depth = sample.depth;
      }
      Asked& one = asked.emplace_back();
      one.sample = number;
      one.kind = question.kind;
      one.age = question.age;
      one.chance = 1 / static_cast<double>(question.decoys.size() + 1);
      if (!question.evidence.empty()) {
        const i64 begin = question.evidence.front().begin;
        one.reach = question.answer.end() - begin;
        record.distance = static_cast<double>(question.answer.begin - begin);
        if (session.segment > 0) {
          record.segments_crossed = *record.distance / static_cast<double>(session.segment);
        }
      }
      record.excerpt =
          excerpt(session.tokenizer,
                  std::span(sample.tokens).first(static_cast<std::size_t>(question.answer.begin)),
                  question.evidence);
      add_scores(session.tokenizer, sample, question, answers[q], record);
    }
  }

  static void add_scores(const datasets::Tokenizer& tokenizer, const Sample& sample,
                         const Question& question, const Answer& answer, SampleRecord& record) {
    const auto length = static_cast<std::size_t>(question.answer.length);
    const std::span<const Token> generated = answer.generated;
    record.target = tokenizer.decode(
        std::span(sample.tokens).subspan(static_cast<std::size_t>(question.answer.begin), length));
    record.output = tokenizer.decode(generated);
    const std::string as_long =
        tokenizer.decode(generated.first(std::min(length, generated.size())));
    const std::vector<std::string> whole{record.target};
    const auto overlap = datasets::word_overlap(record.output, record.target);
    record.scores = {
        {"exact_match", datasets::exact_match(as_long, record.target) ? 1 : 0},
        {"found", datasets::found_share(record.output,
                                        question.references.empty() ? whole : question.references)},
        {"precision", overlap.precision},
        {"recall", overlap.recall},
        {"f1", overlap.f1}};
    if (answer.first) record.scores.emplace_back("choice", *answer.first ? 1 : 0);
  }

  /// Rows for all questions, then for each bucket of whatever tells them apart.
  void add_measurements(const Session& session, const std::vector<Asked>& asked,
                        Findings& findings) const {
    const std::size_t count = asked.size();
    const auto add = [&](const Group& group, const std::string& subtask,
                         std::optional<double> depth = std::nullopt) {
      add_rows(session, asked, group, subtask, depth, findings);
    };
    Group all(count);
    for (std::size_t i = 0; i < count; ++i) all[i] = i;
    add(all, "");
    const auto record = [&](std::size_t i) -> const SampleRecord& { return findings.samples[i]; };
    const auto by_depth = groups<double>(count, [&](std::size_t i) { return record(i).depth; });
    if (by_depth.size() <= kMostDepths) {
      for (const auto& [depth, group] : by_depth) add(group, "", depth);
    }
    const auto by_kind = groups<std::string>(count, [&](std::size_t i) {
      return asked[i].kind.empty() ? std::nullopt : std::optional(asked[i].kind);
    });
    for (const auto& [kind, group] : by_kind) add(group, "kind=" + kind);
    const auto add_buckets = [&](const std::string& name, const auto& value) {
      const auto by_bucket = groups<Bucket>(count, [&](std::size_t i) -> std::optional<Bucket> {
        const auto number = value(i);
        if (!number) return std::nullopt;
        return Bucket(static_cast<i64>(*number));
      });
      for (const auto& [bucket, group] : by_bucket) add(group, name + "=" + bucket.text());
    };
    add_buckets("age", [&](std::size_t i) { return asked[i].age; });
    add_buckets("distance", [&](std::size_t i) { return record(i).distance; });
    add_buckets("crossed", [&](std::size_t i) { return record(i).segments_crossed; });
    if (session.segment == 0) return;
    const auto by_side = groups<bool>(count, [&](std::size_t i) {
      return asked[i].reach == 0 ? std::nullopt : std::optional(asked[i].reach > session.segment);
    });
    for (const auto& [far, group] : by_side) add(group, far ? "far" : "near");
  }

  void add_rows(const Session& session, const std::vector<Asked>& asked, const Group& group,
                const std::string& subtask, std::optional<double> depth, Findings& findings) const {
    std::vector<SampleRecord> records;
    for (const std::size_t i : group) records.push_back(findings.samples[i]);
    for (const std::string_view score : kScores) {
      // Questions of one sample share its text and are not independent; samples are.
      Units samples{"samples", {}, {}};
      i64 last = -1;
      double chances = 0, questions = 0, distance = 0, with_distance = 0;
      for (std::size_t g = 0; g < group.size(); ++g) {
        const std::optional<double> value = score_of(records[g], score);
        if (!value) continue;
        const Asked& one = asked[group[g]];
        if (one.sample != last) samples.add(0, 0);
        last = one.sample;
        samples.amounts.back() += *value;
        ++samples.sizes.back();
        chances += one.chance;
        ++questions;
        distance += records[g].distance.value_or(0);
        with_distance += records[g].distance ? 1 : 0;
      }
      if (samples.count() == 0) continue;
      Measurement& m = findings.measurements.emplace_back();
      m.metric = fmt::format("questions/{}", score);
      m.unit = "1";
      m.higher_is_better = true;
      if (score == "choice") m.chance = chances / questions;
      m.subtask = subtask;
      m.protocol = fmt::format("questions/{}:ctx={}:new_tokens={}", version(),
                               session.context_length, params_.new_tokens);
      m.depth = depth;
      if (with_distance > 0) {
        m.distance = distance / with_distance;
        if (session.segment > 0) {
          m.segments_crossed = *m.distance / static_cast<double>(session.segment);
        }
      }
      m.data_sha = set_sha(records);
      set_score(m, samples, session);
    }
  }

  /// A share of samples where each has one question that is right or wrong.
  static void set_score(Measurement& m, const Units& samples, const Session& session) {
    bool binary = true;
    i64 right = 0;
    for (std::size_t i = 0; i < samples.amounts.size(); ++i) {
      const double amount = samples.amounts[i];
      binary = binary && samples.sizes[i] == 1 && (amount == 0 || amount == 1);
      right += amount == 1;
    }
    if (binary) {
      set_share(m, right, samples.count(), session.statistics);
    } else {
      set_bounded_mean(m, samples, session.statistics, session.rng);
    }
  }

  Params params_;
};

const Registered<MetricRegistry, Questions> registered{
    "questions", "Answers to the questions of a task, generated and chosen"};

}  // namespace
}  // namespace longreach::metrics
