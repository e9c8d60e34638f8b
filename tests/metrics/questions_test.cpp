// Tests metrics/questions.cpp.
#include <catch2/catch.hpp>
#include <set>

#include "core/error.h"
#include "datasets/passkey.h"
#include "datasets/recall.h"
#include "metrics/statistics.h"
#include "tests/datasets/settings.h"
#include "tests/metrics/listed.h"
#include "tests/metrics/models.h"
#include "tests/metrics/settings.h"

namespace longreach::metrics {
namespace {

using Catch::Matchers::Contains;
using datasets::Sample;

Findings measure(const model::Transformer& model, const datasets::Tokenizer& tokenizer,
                 const datasets::Dataset& data, i64 length, Settings settings = {},
                 i64 segment = 0) {
  Session s = session(model, tokenizer, length);
  s.data = &data;
  s.segment = segment;
  return make_metric("questions", std::move(settings))->measure(s);
}

bool has(const Findings& found, const std::string& subtask) {
  return std::ranges::any_of(found.measurements,
                             [&](const Measurement& m) { return m.subtask == subtask; });
}

struct Passkeys {
  std::unique_ptr<datasets::Tokenizer> words = datasets::word_tokenizer(datasets::passkey_words());
  std::unique_ptr<datasets::Dataset> data = datasets::make_dataset("passkey", {}, *words, Rng(11));
  model::Transformer copier(i64 window = 0) const {
    return oracle_model(words->vocabulary_size(), copy_from_context, 6, window);
  }
};

TEST_CASE("A model that copies from its whole context answers every question about passkeys") {
  const Passkeys p;
  const Findings found = measure(p.copier(), *p.words, *p.data, 200);
  REQUIRE(found.measurements.front().metric == "questions/exact_match");
  CHECK(found.measurements.front().subtask.empty());  // the pooled row leads
  for (const Measurement& m : found.measurements) {
    INFO(m.metric << " " << m.subtask);
    CHECK(*m.value == 1);
    CHECK(*m.ci_low == Approx(wilson(*m.n, *m.n, 0.95).low));
    CHECK(m.ci_method == "wilson 0.95");
    CHECK(m.protocol == "questions/1:ctx=200:new_tokens=0");
    CHECK_FALSE(m.depth);  // 50 depths drawn at random: no rows of their own
    CHECK(m.chance.has_value() == (m.metric == "questions/choice"));
  }
  CHECK(*find(found, "questions/choice").chance == Approx(0.1));
  for (const std::string score : {"exact_match", "found", "precision", "recall", "f1", "choice"}) {
    CHECK(find(found, "questions/" + score).n == 50);
  }
  REQUIRE(found.samples.size() == 50);
  std::set<std::string> different;
  for (i64 i = 0; i < 50; ++i) {
    const SampleRecord& record = found.samples[static_cast<std::size_t>(i)];
    const Sample sample = p.data->sample(datasets::Split::test, i, 200);
    CHECK(record.index == i);
    CHECK(record.sample_sha == sample.sha());
    CHECK(record.cluster.empty());  // one question: a unit of its own
    CHECK(record.output == record.target);
    CHECK(record.excerpt.find(record.target) != std::string::npos);  // where the key is told
    CHECK(p.words->decode(sample.tokens).find(record.excerpt.substr(record.excerpt.size() - 30)) !=
          std::string::npos);
    CHECK_FALSE(record.excerpt.ends_with(record.target));
    CHECK(record.depth == sample.depth);
    CHECK(*record.distance == 195.0 - static_cast<double>(sample.last().evidence[0].begin));
    different.insert(record.target);
  }
  CHECK(different.size() > 45);
}

TEST_CASE("A model without opinion chooses nothing, and one of random weights as often as chance") {
  const Passkeys p;
  const i64 vocabulary = p.words->vocabulary_size();
  const Findings none = measure(uniform_model(vocabulary), *p.words, *p.data, 100);
  CHECK(*find(none, "questions/choice").value == 0);
  CHECK(*find(none, "questions/exact_match").value == 0);
  // Its most likely token is the lowest, "0": the overlap is that of five zeros.
  for (const SampleRecord& record : none.samples) {
    const double zeros = static_cast<double>(std::ranges::count(record.target, '0'));
    CHECK(score(record, "precision") == Approx(zeros / 5));
    CHECK(record.output == "0 0 0 0 0");
  }
  const Measurement random =
      find(measure(full_model(vocabulary), *p.words, *p.data, 100, {{"samples", "200"}}),
           "questions/choice");
  CHECK(random.n == 200);
  CHECK(*random.ci_low < 0.1);
  CHECK(*random.ci_high > 0.1);
}

TEST_CASE("Samples asked side by side score as alone, and repeat to the bit") {
  const Passkeys p;
  const model::Transformer model = full_model(p.words->vocabulary_size());
  const Findings found = measure(model, *p.words, *p.data, 300, {{"samples", "30"}});  // 27 at once
  CHECK(text(found) == text(measure(model, *p.words, *p.data, 300, {{"samples", "30"}})));
  const Findings some = measure(model, *p.words, *p.data, 300, {{"samples", "2"}});
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(some.samples[i].sample_sha == found.samples[i].sample_sha);
    CHECK(some.samples[i].output == found.samples[i].output);
    CHECK(some.samples[i].scores == found.samples[i].scores);
  }
  CHECK(find(measure(model, *p.words, *p.data, 300, {{"tokens", "1199"}}), "questions/found").n ==
        3);
  CHECK(find(measure(model, *p.words, *p.data, 300, {{"tokens", "1"}}), "questions/found").n == 1);
}

TEST_CASE("A window tells near from far, and segments that lie between") {
  const Passkeys p;
  const i64 window = datasets::smallest_passkey(*p.words) + 40;
  const Findings found = measure(p.copier(window), *p.words, *p.data, 300, {}, window);
  CHECK(*find(found, "questions/exact_match", "near").value == 1);
  CHECK(*find(found, "questions/exact_match", "far").value < 0.2);
  i64 near = 0;
  for (const SampleRecord& record : found.samples) {
    near += *record.distance + 5 <= static_cast<double>(window);
    CHECK(*record.segments_crossed == *record.distance / static_cast<double>(window));
  }
  CHECK(find(found, "questions/found", "near").n == near);
  CHECK(*find(found, "questions/exact_match", "crossed=2-3").value == 0);
  // With a segment that holds all, there is one side only.
  const Findings all = measure(p.copier(), *p.words, *p.data, 300, {}, 300);
  CHECK_FALSE(has(all, "near"));
  CHECK_FALSE(has(all, "crossed=0"));
  CHECK(has(all, "distance=128-255"));
}

TEST_CASE("The questions of one sample are one unit, and each has a record in its cluster") {
  const auto words = datasets::word_tokenizer(datasets::recall_words());
  const auto data = datasets::make_dataset("recall", {{"pairs", "8"}}, *words, Rng(12));
  const model::Transformer recaller = oracle_model(
      words->vocabulary_size(),
      [](std::span<const Token> seen) {
        for (std::size_t i = seen.size() - 1; i-- > 0;) {
          if (seen[i] == seen.back()) return seen[i + 1];
        }
        return Token{-1};
      },
      6);
  const Findings found = measure(recaller, *words, *data, 128, {{"samples", "4"}});
  const Measurement& exact = find(found, "questions/exact_match");
  CHECK(*exact.value == 1);
  CHECK(exact.n == 4);
  CHECK(exact.ci_method == "wilson 0.95 over 4 samples, all alike");
  std::size_t at = 0;
  std::set<std::string> different;
  for (i64 i = 0; i < 4; ++i) {
    const Sample sample = data->sample(datasets::Split::test, i, 128);
    for (const datasets::Question& question : sample.questions) {
      const SampleRecord& record = found.samples.at(at++);
      CHECK(record.cluster == sample.sha());
      CHECK(record.index == i);
      CHECK(record.target ==
            words->decode(
                std::span(&sample.tokens[static_cast<std::size_t>(question.answer.begin)], 1)));
      different.insert(record.sample_sha);
    }
  }
  CHECK(at == found.samples.size());
  CHECK(different.size() == at);
}

/// Three samples of 50 tokens with four questions each, whose answers are "one" or "two"; a model
/// that always says "one" is right as `right` tells.
struct Bucketed {
  static constexpr std::array<std::array<int, 4>, 3> right{
      {{1, 1, 0, 1}, {1, 0, 0, 0}, {1, 1, 1, 1}}};
  std::unique_ptr<datasets::Tokenizer> words =
      datasets::word_tokenizer({"of", "one", "two", "three"});
  model::Transformer model = oracle_model(
      4, [](std::span<const Token>) { return Token{1}; }, 6);

  std::vector<Sample> samples() const {
    std::vector<Sample> made;
    for (std::size_t s = 0; s < 3; ++s) {
      Sample& sample = made.emplace_back();
      sample.tokens.assign(50, 0);
      sample.tokens[0] = static_cast<Token>(s);  // so that no two are equal
      sample.depth = s == 0 ? 0 : 50;
      for (std::size_t q = 0; q < 4; ++q) {
        const i64 begin = 10 * static_cast<i64>(q) + 10;
        sample.tokens[static_cast<std::size_t>(begin)] = right[s][q] == 1 ? 1 : 2;
        const i64 distance = std::array<i64, 4>{3, 5, 6, 20}[q];
        sample.questions.push_back({.answer = {begin, 1},
                                    .evidence = {{begin - distance, 2}, {begin - 1, 1}},
                                    .kind = std::array{"a", "a", "b", ""}[q],
                                    .age = std::array<i64, 4>{0, 1, 3, 5}[q]});
      }
      // The last two have decoys: the model prefers "one" to them, and them to "two".
      sample.questions[2].decoys = {{3}};
      sample.questions[3].decoys = {{3}, {0}, {1}};
      if (right[s][3] == 1) sample.questions[3].decoys[2] = {2};
    }
    return made;
  }
};

TEST_CASE("Questions are told apart by kind, age, distance and segments crossed") {
  const Bucketed b;
  const Listed data(b.samples());
  const Findings found = measure(b.model, *b.words, data, 50, {}, 4);
  const auto value = [&](const std::string& subtask) {
    return *find(found, "questions/exact_match", subtask).value;
  };
  CHECK(value("") == Approx(8.0 / 12));
  CHECK(find(found, "questions/exact_match").n == 3);  // samples, though they ask twelve questions
  CHECK(find(found, "questions/exact_match").ci_method ==
        "bootstrap 0.95 over 3 samples, 200 resamples");
  CHECK(inside_interval(find(found, "questions/exact_match")));
  CHECK(value("kind=a") == Approx(5.0 / 6));
  CHECK(value("kind=b") == Approx(1.0 / 3));
  CHECK_FALSE(has(found, "kind="));
  CHECK(value("age=0") == 1);
  CHECK(value("age=1") == Approx(2.0 / 3));
  CHECK(value("age=2-3") == Approx(1.0 / 3));
  CHECK(value("age=4-7") == Approx(2.0 / 3));
  CHECK(value("distance=2-3") == 1);
  CHECK(value("distance=4-7") == Approx(3.0 / 6));
  CHECK(value("distance=16-31") == Approx(2.0 / 3));
  CHECK(*find(found, "questions/found", "distance=4-7").distance == Approx(5.5));
  CHECK(*find(found, "questions/found").distance == Approx((3 + 5 + 6 + 20) / 4.0));
  CHECK(value("crossed=0") == 1);                  // 3 / 4
  CHECK(value("crossed=1") == Approx(3.0 / 6));    // 5 / 4 and 6 / 4
  CHECK(value("crossed=4-7") == Approx(2.0 / 3));  // 20 / 4
  CHECK(*find(found, "questions/f1", "crossed=4-7").segments_crossed == 5);
  CHECK(value("near") == 1);  // 3 tokens and the answer: just within 4
  CHECK(value("far") == Approx(5.0 / 9));
  CHECK(find(found, "questions/exact_match", "kind=b").ci_method == "wilson 0.95");
  CHECK(find(found, "questions/exact_match").data_sha !=
        find(found, "questions/exact_match", "far").data_sha);

  // Chosen where right, among 2 candidates and among 4; where wrong "three" ties or "one" wins.
  const Measurement& choice = find(found, "questions/choice");
  CHECK(*choice.value == Approx(3.0 / 6));
  CHECK(*choice.chance == Approx((0.5 + 0.25) / 2));
  CHECK(*choice.distance == Approx((6 + 20) / 2.0));  // of those with decoys
  CHECK(*find(found, "questions/choice", "kind=b").chance == 0.5);
  CHECK_FALSE(std::ranges::any_of(found.measurements, [](const Measurement& m) {
    return m.metric == "questions/choice" && m.subtask == "kind=a";
  }));
  const Findings unasked = measure(b.model, *b.words, data, 50, {{"choices", "false"}});
  for (const Measurement& m : unasked.measurements) CHECK(m.metric != "questions/choice");
  CHECK_FALSE(has(unasked, "crossed=0"));  // no segments
}

TEST_CASE("A sample's depth is that of its one question, and of no question among several") {
  const Bucketed b;
  std::vector<Sample> samples = b.samples();
  const Findings several = measure(b.model, *b.words, Listed(samples), 50);
  for (const Measurement& m : several.measurements) CHECK_FALSE(m.depth);
  for (const SampleRecord& record : several.samples) CHECK_FALSE(record.depth);
  for (Sample& sample : samples) sample.questions = {sample.questions[1]};
  const Findings one = measure(b.model, *b.words, Listed(samples), 50);
  CHECK(*find(one, "questions/exact_match", "", 0.0).value == 1);
  CHECK(*find(one, "questions/exact_match", "", 50.0).value == 0.5);
  CHECK(one.samples[1].depth == 50.0);
}

TEST_CASE("One right answer of two in each sample is one half, of as many units as samples") {
  const Bucketed b;
  std::vector<Sample> samples = b.samples();
  samples.pop_back();
  for (Sample& sample : samples) sample.questions = {sample.questions[0], sample.questions[2]};
  const Findings found = measure(b.model, *b.words, Listed(samples), 50);
  CHECK(*find(found, "questions/exact_match").value == 0.5);
  CHECK(find(found, "questions/exact_match").n == 2);
}

TEST_CASE("Rows of one bucket are left out, and questions without evidence have no distance") {
  const Bucketed b;
  std::vector<Sample> samples = b.samples();
  for (Sample& sample : samples) {
    sample.depth = 50;
    for (datasets::Question& question : sample.questions) {
      question.kind = question.kind == "a" ? "a" : "";
      question.age = 2;
      question.evidence.clear();
    }
  }
  const Findings found = measure(b.model, *b.words, Listed(samples), 50, {}, 5);
  for (const Measurement& m : found.measurements) {
    CHECK(m.subtask.empty());
    CHECK_FALSE(m.depth);
    CHECK_FALSE(m.distance);
    CHECK_FALSE(m.segments_crossed);
  }
  CHECK_FALSE(found.samples[0].distance);
}

TEST_CASE(
    "References are found in any order and among further tokens, exact match looks at its own") {
  const auto words = datasets::word_tokenizer({"so", "ann", "bob", "eve", "and"});
  // so -> bob -> and -> ann -> eve -> so
  const std::array<Token, 5> next{2, 3, 4, 0, 1};
  const model::Transformer model = oracle_model(
      5,
      [next](std::span<const Token> seen) { return next[static_cast<std::size_t>(seen.back())]; },
      6);
  Sample sample;
  sample.tokens = {0, 0, 1, 4, 2};  // "so so", to be answered "ann and bob"
  sample.questions = {{.answer = {2, 3}, .references = {"Ann", "bob", "eve"}}};
  const auto scores = [&](const std::string& new_tokens) {
    return measure(model, *words, Listed({sample}), 5, {{"new_tokens", new_tokens}}).samples[0];
  };
  const SampleRecord own = scores("0");
  CHECK(own.output == "bob and ann");
  CHECK(score(own, "exact_match") == 0);  // another order is another text
  CHECK(score(own, "found") == Approx(2.0 / 3));
  CHECK(score(own, "f1") == 1);
  const SampleRecord more = scores("1");
  CHECK(more.output == "bob and ann eve");
  CHECK(score(more, "found") == 1);
  CHECK(score(more, "precision") == Approx(3.0 / 4));
  CHECK(score(more, "recall") == 1);
  sample.tokens = {0, 0, 2, 4, 1};
  CHECK(score(scores("1"), "exact_match") == 1);
}

TEST_CASE("Text asks nothing, and neither does no data") {
  const auto bytes = datasets::byte_tokenizer();
  const model::Transformer model = uniform_model(256);
  Sample text;
  text.tokens.assign(20, 'a');
  text.questions = {{.answer = {1, 19}}};
  CHECK_THROWS_WITH(measure(model, *bytes, Listed({text}), 20), Contains("measure its perplexity"));
  CHECK_THROWS_WITH(make_metric("questions")->measure(session(model, *bytes, 20)),
                    Contains("no data; give some that asks"));
}

}  // namespace
}  // namespace longreach::metrics
