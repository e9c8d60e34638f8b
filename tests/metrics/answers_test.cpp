// Tests metrics/answers.cpp.
#include "metrics/answers.h"

#include <catch2/catch.hpp>

#include "attention/backend.h"
#include "model/generate.h"
#include "tests/metrics/models.h"
#include "tests/settings.h"

namespace longreach::metrics {
namespace {

using datasets::Question;
using datasets::Sample;

constexpr i64 kVocabulary = 12;

std::unique_ptr<datasets::Tokenizer> letters() {
  return datasets::word_tokenizer({"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"});
}

model::Transformer random_model(const std::string& backend, const tests::Settings& settings) {
  model::Architecture a;
  a.vocabulary = kVocabulary;
  a.layers = 2;
  a.width = 32;
  a.heads = 4;
  a.token_shift = 2;
  const std::shared_ptr<const attention::Backend> made =
      tests::make<attention::AttentionRegistry>(backend, settings, a.resolved().attention_shape());
  return model::Transformer(a, {made, made}, Rng(5));
}

/// Tokens at random, asked for at these answers, with as many decoys of lengths 1, 2, ...
Sample random_sample(Rng rng, i64 length, const std::vector<datasets::Span>& answers, i64 decoys) {
  Sample sample;
  for (i64 t = 0; t < length; ++t) {
    sample.tokens.push_back(static_cast<Token>(rng.below(kVocabulary)));
  }
  for (const datasets::Span& answer : answers) {
    Question& question = sample.questions.emplace_back();
    question.answer = answer;
    for (i64 d = 0; d < decoys; ++d) {
      auto& decoy = question.decoys.emplace_back();
      for (i64 t = 0; t <= d; ++t) decoy.push_back(static_cast<Token>(rng.below(kVocabulary)));
    }
  }
  return sample;
}

/// The sample up to the answer of one question, which alone is left.
Sample only(const Sample& sample, std::size_t question) {
  Sample one;
  one.questions = {sample.questions[question]};
  one.tokens.assign(sample.tokens.begin(), sample.tokens.begin() + one.last().answer.end());
  return one;
}

const std::vector<datasets::Span> kAnswers{{9, 2}, {17, 1}, {18, 3}, {40, 4}, {57, 3}};

TEST_CASE("A state carried from question to question answers as one that has read anew") {
  const auto tokenizer = letters();
  const auto backend = GENERATE(as<std::string>(), "full", "infini", "sliding_window");
  CAPTURE(backend);
  const model::Transformer model =
      random_model(backend, backend == "full"     ? tests::Settings{}
                            : backend == "infini" ? tests::Settings{{"segment", "8"}}
                                                  : tests::Settings{{"window", "8"}});
  i64 right = 0, wrong = 0;
  for (i64 number = 0; number < 6; ++number) {
    const Sample sample = random_sample(Rng(3).fork(number), 60, kAnswers, 2);
    const auto carried = ask(model, *tokenizer, std::span(&sample, 1), {.new_tokens = 2})[0];
    REQUIRE(carried.size() == kAnswers.size());
    for (std::size_t q = 0; q < kAnswers.size(); ++q) {
      const Sample one = only(sample, q);
      const Answer anew = ask(model, *tokenizer, std::span(&one, 1), {.new_tokens = 2})[0][0];
      CHECK(carried[q].generated == anew.generated);
      CHECK(carried[q].first == anew.first);
      const View<const Token, 2> prompt(one.tokens.data(), {1, kAnswers[q].begin});
      CHECK(carried[q].generated ==
            model::generate_greedy(model, prompt, kAnswers[q].length + 2)[0]);
      ++(*carried[q].first ? right : wrong);
    }
  }
  CHECK(right > 0);  // or it would not matter what was compared
  CHECK(wrong > 0);
}

TEST_CASE("Samples of several layouts are answered in their order, as each is alone") {
  const auto tokenizer = letters();
  const model::Transformer model = random_model("full", {});
  std::vector<Sample> samples;
  for (i64 i = 0; i < 6; ++i) {
    const std::vector<datasets::Span> answers =
        i % 2 == 0 ? kAnswers : std::vector<datasets::Span>{{5, 2}};
    samples.push_back(random_sample(Rng(4).fork(i), 60, answers, i % 3));
  }
  const auto together = ask(model, *tokenizer, samples, {});
  REQUIRE(together.size() == 6);
  for (std::size_t i = 0; i < 6; ++i) {
    const auto alone = ask(model, *tokenizer, std::span(&samples[i], 1), {})[0];
    REQUIRE(together[i].size() == samples[i].questions.size());
    for (std::size_t q = 0; q < alone.size(); ++q) {
      CHECK(together[i][q].generated == alone[q].generated);
      CHECK(together[i][q].first == alone[q].first);
      CHECK(together[i][q].first.has_value() == (i % 3 > 0));
    }
  }
}

TEST_CASE("The right answer is chosen by log-probability per byte of text") {
  const auto tokenizer = datasets::word_tokenizer({"a", "cccc", "d"});
  const auto first = [&](double logit, Token right, Token decoy) {
    // After "d": p("a") = e^logit / (e^logit + 1), p("cccc") = 1 / (e^logit + 1).
    const double none = -1e4;
    const model::Transformer model = table_model({{0, 0, 0}, {0, 0, 0}, {logit, 0, none}});
    Sample sample;
    sample.tokens = {2, right};
    sample.questions = {{.answer = {1, 1}, .decoys = {{decoy}}}};
    return *ask(model, *tokenizer, std::span(&sample, 1), {})[0][0].first;
  };
  // ln p("a") = -0.474 for a byte, ln p("cccc") = -0.974, -0.243 a byte.
  CHECK(first(0.5, 1, 0));
  CHECK_FALSE(first(0.5, 0, 1));
  // -0.049 and -3.049, -0.762 a byte.
  CHECK_FALSE(first(3, 1, 0));
  CHECK(first(3, 0, 1));
}

TEST_CASE("A tie counts against the right answer, and without decoys or choices nothing is first") {
  const auto tokenizer = letters();
  const model::Transformer model = uniform_model(kVocabulary);
  Sample sample;
  sample.tokens = {0, 1, 2};
  sample.questions = {{.answer = {2, 1}, .decoys = {{5}}}};
  CHECK(ask(model, *tokenizer, std::span(&sample, 1), {})[0][0].first == false);
  CHECK_FALSE(ask(model, *tokenizer, std::span(&sample, 1), {.choices = false})[0][0].first);
  sample.questions[0].decoys.clear();
  CHECK_FALSE(ask(model, *tokenizer, std::span(&sample, 1), {})[0][0].first);
}

/// Letters, of which the last says that the document has ended.
class WithEnding final : public datasets::Tokenizer {
 public:
  std::string name() const override { return "ending"; }
  i64 vocabulary_size() const override { return letters_->vocabulary_size(); }
  std::vector<Token> encode(std::string_view text) const override { return letters_->encode(text); }
  std::string decode(std::span<const Token> tokens) const override {
    return letters_->decode(tokens);
  }
  std::vector<Token> endings() const override { return {kVocabulary - 1}; }
  std::string sha() const override { return "ending"; }

 private:
  std::unique_ptr<datasets::Tokenizer> letters_ = letters();
};

TEST_CASE("An answer ends where the model says that the document does") {
  // Each token is followed by the next one.
  const model::Transformer model = oracle_model(
      kVocabulary, [](std::span<const Token> seen) { return (seen.back() + 1) % kVocabulary; }, 6);
  Sample sample;
  sample.tokens = {8, 9, 10, 0};
  sample.questions = {{.answer = {1, 3}}};
  CHECK(ask(model, *letters(), std::span(&sample, 1), {.new_tokens = 1})[0][0].generated ==
        std::vector<Token>{9, 10, 11, 0});
  CHECK(ask(model, WithEnding(), std::span(&sample, 1), {.new_tokens = 1})[0][0].generated ==
        std::vector<Token>{9, 10});
}

}  // namespace
}  // namespace longreach::metrics
