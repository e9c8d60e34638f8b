// Tests metrics/mutual_information.cpp; tests/metrics/known_source_test.cpp holds it to the truth.
#include <catch2/catch.hpp>
#include <cmath>

#include "core/error.h"
#include "datasets/passkey.h"
#include "datasets/recall.h"
#include "tests/metrics/known_source.h"
#include "tests/metrics/listed.h"
#include "tests/metrics/models.h"
#include "tests/metrics/settings.h"

namespace longreach::metrics {
namespace {

using Catch::Matchers::Contains;
constexpr double kLogit = 5;

Findings measure(const model::Transformer& model, const datasets::Dataset& data,
                 const datasets::Tokenizer& tokenizer, i64 length, const Settings& settings) {
  Session s = session(model, tokenizer, length);
  s.data = &data;
  s.segment = 16;
  return make_metric("mutual_information", settings)->measure(s);
}

TEST_CASE("A passkey's statement tells a model that copies all it knows of each digit") {
  const auto words = datasets::word_tokenizer(datasets::passkey_words());
  const auto data = tests::make<datasets::DatasetRegistry>("passkey", {}, *words, Rng(2));
  const auto vocabulary = static_cast<double>(words->vocabulary_size());
  const model::Transformer copies =
      oracle_model(words->vocabulary_size(), copy_from_context, kLogit);
  const Findings found = measure(copies, *data, *words, 150, {{"samples", "6"}});
  // Without the statement every word is as likely.
  const double digit = kLogit - std::log(vocabulary - 1 + std::exp(kLogit)) + std::log(vocabulary);
  const Measurement& per_token = find(found, "mutual_information/per_token");
  CHECK(*per_token.value == Approx(digit).epsilon(1e-5));
  CHECK(per_token.n == 6);
  CHECK(per_token.chance == 0.0);
  CHECK(per_token.unit == "nats/token");
  CHECK(per_token.protocol == "pmi/1:ctx=150:span=evidence:questions=4");
  CHECK_THAT(per_token.ci_method, Contains("over 6 samples"));
  CHECK(*find(found, "mutual_information/per_answer").value == Approx(5 * digit).epsilon(1e-5));
  for (i64 i = 0; i < 6; ++i) {
    const SampleRecord& record = found.samples[static_cast<std::size_t>(i)];
    const datasets::Sample sample = data->sample(datasets::Split::test, i, 150);
    CHECK(score(record, "per_answer") == Approx(5 * digit).epsilon(1e-5));
    CHECK(*record.distance ==
          static_cast<double>(sample.last().answer.begin - sample.last().evidence[0].begin));
    CHECK(*record.segments_crossed == *record.distance / 16);
    CHECK(record.sample_sha == sample.sha());
    CHECK(record.depth == sample.depth);
  }
  CHECK(*find(measure(uniform_model(words->vocabulary_size()), *data, *words, 150, {}),
              "mutual_information/per_token")
             .value == 0);
}

/// "a b . . . . c d": filler between two questions' evidence and answers.
class Two final : public datasets::Dataset {
 public:
  i64 version() const override { return 1; }
  i64 size(datasets::Split, i64) const override { return 2; }
  datasets::Sample sample(datasets::Split, i64 index, i64) const override {
    datasets::Sample sample;
    //                0  1  2  3  4  5  6  7  8  9
    sample.tokens = {9, 9, 1, 2, 5, 6, 7, 8, 1, 2};
    sample.depth = 50;
    sample.questions = {{.answer = {8, 1}, .evidence = {{2, 1}}},
                        {.answer = {9, 1}, .evidence = {{3, 1}}}};
    if (index % 2 == 0) sample.filler = {{0, 2}, {4, 4}};
    return sample;
  }
};

TEST_CASE("Evidence gives way to the filler right after it, and nothing else changes") {
  std::vector<std::vector<Token>> read;
  const model::Transformer model = oracle_model(
      16,
      [&read](std::span<const Token> seen) {
        if (seen.size() >= 8) read.emplace_back(seen.begin(), seen.end());
        return -1;
      },
      1);
  const Findings found = measure(model, Two(), letter_tokenizer(), 10, {{"samples", "1"}});
  CHECK_FALSE(found.samples[0].depth);  // whose of the two would it be?
  const std::vector<std::vector<Token>> wanted{{9, 9, 1, 2, 5, 6, 7, 8},     // the first question
                                               {9, 9, 5, 2, 5, 6, 7, 8},     // without token 2
                                               {9, 9, 1, 2, 5, 6, 7, 8, 1},  // the second
                                               {9, 9, 1, 5, 5, 6, 7, 8, 1}};
  for (const auto& tokens : wanted) {
    CHECK(std::find(read.begin(), read.end(), tokens) != read.end());
  }
}

TEST_CASE("Samples are no more than the data has, nor than their tokens allow") {
  const datasets::Sample sample = Two().sample(datasets::Split::test, 0, 10);
  const Listed data({sample, sample, sample});
  const auto samples = [&](const Settings& settings) {
    return measure(uniform_model(16), data, letter_tokenizer(), 10, settings).samples.size();
  };
  CHECK(samples({}) == 3);
  CHECK(samples({{"tokens", "29"}}) == 2);
  CHECK(samples({{"tokens", "9"}}) == 1);
}

TEST_CASE("Of many questions as many as wanted are asked, evenly spread") {
  std::size_t longest = 0, asked = 0;
  const model::Transformer model = oracle_model(
      16,
      [&](std::span<const Token> seen) {
        longest = std::max(longest, seen.size());
        asked += seen.size() == 1;
        return -1;
      },
      1);
  measure(model, Two(), letter_tokenizer(), 10, {{"samples", "1"}, {"questions", "1"}});
  CHECK(asked == 2);  // with and without, once each
  CHECK(longest == 9);
}

TEST_CASE("Pairs told of keys inform a model that recalls them") {
  const auto words = datasets::word_tokenizer(datasets::recall_words());
  const auto data =
      tests::make<datasets::DatasetRegistry>("recall", {{"pairs", "4"}}, *words, Rng(3));
  // What followed the key last, when its value's half follows.
  const i64 half = datasets::kRecallWords;
  const model::Transformer recalls = oracle_model(
      words->vocabulary_size(),
      [half](std::span<const Token> seen) {
        for (std::size_t i = seen.size() - 1; i-- > 0;) {
          if (seen[i] == seen.back() && seen[i + 1] >= half) return seen[i + 1];
        }
        return Token{-1};
      },
      kLogit);
  const Findings found = measure(recalls, *data, *words, 64, {{"samples", "6"}});
  const auto vocabulary = static_cast<double>(words->vocabulary_size());
  const double value = kLogit - std::log(vocabulary - 1 + std::exp(kLogit)) + std::log(vocabulary);
  CHECK(*find(found, "mutual_information/per_answer").value == Approx(value).epsilon(1e-5));
}

TEST_CASE("Mutual information says what is missing when it cannot be measured") {
  const model::Transformer model = uniform_model(16);
  CHECK_THROWS_WITH(
      make_metric("mutual_information")->measure(session(model, letter_tokenizer(), 128)),
      Contains("name the data"));
  const auto data = CopySource{0.5, 10}.text(1, 300, 1);
  CHECK_THROWS_WITH(measure(model, data, letter_tokenizer(), 127, {}),
                    Contains("lengths of 128 or more"));
  CHECK_NOTHROW(measure(model, data, letter_tokenizer(), 128, {}));
  CHECK_THROWS_WITH(measure(model, Two(), letter_tokenizer(), 10, {{"samples", "2"}}),
                    Contains("no filler"));
}

}  // namespace
}  // namespace longreach::metrics
