// What every generator of prompts must do, tried on random samples.
#pragma once

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <numeric>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "datasets/dataset.h"
#include "tests/datasets/files.h"
#include "tests/datasets/settings.h"

namespace longreach::datasets {

/// Bytes that are cut at their front may follow a full stop closely: ".he end" is ". he end".
inline std::vector<std::string> split_words(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) {
    if (word.size() > 1 && word.front() == '.') {
      words.emplace_back(".");
      word.erase(0, 1);
    }
    words.push_back(word);
  }
  return words;
}

/// The words of a text with one space between them, so that tokenizers agree on it.
inline std::string plain(const std::string& text) {
  std::string joined;
  for (const std::string& word : split_words(text)) joined += (joined.empty() ? "" : " ") + word;
  return joined;
}

inline std::string text_at(const Tokenizer& tokenizer, const std::vector<Token>& tokens,
                           const Span& span) {
  return plain(tokenizer.decode(std::span(tokens).subspan(static_cast<std::size_t>(span.begin),
                                                          static_cast<std::size_t>(span.length))));
}

/// Bytes and pairs of them, as subword tokenizers cut words anywhere; documents begin with a token
/// that stands for no text.
class OpenedPairs final : public Tokenizer {
 public:
  std::string name() const override { return "pairs"; }
  i64 vocabulary_size() const override { return 257 + std::ssize(kPairs); }
  std::vector<Token> opening() const override { return {256}; }
  std::vector<Token> encode(std::string_view text) const override {
    std::vector<Token> tokens;
    while (!text.empty()) {
      const auto pair = std::ranges::find(kPairs, text.substr(0, 2));
      const bool found = pair != kPairs.end();
      tokens.push_back(found ? static_cast<Token>(257 + (pair - kPairs.begin()))
                             : static_cast<Token>(text[0]));
      text.remove_prefix(found ? 2 : 1);
    }
    return tokens;
  }
  std::string decode(std::span<const Token> tokens) const override {
    std::string text;
    for (const Token token : tokens) {
      if (token < 256) text += static_cast<char>(token);
      if (token > 256) text += kPairs[static_cast<std::size_t>(token - 257)];
    }
    return text;
  }
  std::string sha() const override { return ""; }

 private:
  static constexpr std::array<std::string_view, 16> kPairs{" t", "th", "he", "in", " b", "er",
                                                           "an", "re", "or", "st", " .", "en",
                                                           "ar", " m", "40", "y "};
};

/// The bytes, pairs of them, and the closed vocabulary of a generator.
inline std::vector<std::unique_ptr<Tokenizer>> tokenizers_for(const std::string& type) {
  std::vector<std::unique_ptr<Tokenizer>> all;
  all.push_back(byte_tokenizer());
  all.push_back(std::make_unique<OpenedPairs>());
  all.push_back(word_tokenizer(task_vocabulary(type)));
  return all;
}

/// The N of "smallest length is N" for a length of one token.
inline i64 smallest_length(const Dataset& data, Split split, i64 index) {
  const std::string message = message_of([&] { data.sample(split, index, 1); });
  const std::string wanted = "does not fit; smallest length is ";
  const std::size_t at = message.find(wanted);
  INFO(message);
  REQUIRE(at != std::string::npos);
  return std::stoll(message.substr(at + wanted.size()));
}

/// The answers that a reader of the text gives to all its questions, in order.
using Solver = std::function<std::vector<std::string>(const std::string& text)>;

inline std::vector<std::string> answers_of(const Tokenizer& tokenizer, const Sample& sample) {
  std::vector<std::string> answers;
  for (const Question& question : sample.questions) {
    answers.push_back(text_at(tokenizer, sample.tokens, question.answer));
  }
  return answers;
}

/// Lengths, spans, decoys, references and weights of one sample.
inline void check_sample(const Tokenizer& tokenizer, const Sample& sample, i64 length) {
  REQUIRE(std::ssize(sample.tokens) == length);
  REQUIRE_FALSE(sample.questions.empty());
  CHECK(sample.last().answer.end() == length);
  std::vector<bool> filler(sample.tokens.size(), false);
  i64 end = 0;
  for (const Span& span : sample.filler) {
    CHECK(span.length > 0);
    CHECK(span.begin >= end);
    end = span.end();
    std::fill_n(filler.begin() + span.begin, span.length, true);
  }
  const auto outside_filler = [&](const Span& span) {
    REQUIRE((0 <= span.begin && span.length > 0 && span.end() <= length));
    for (i64 t = span.begin; t < span.end(); ++t) {
      if (filler[static_cast<std::size_t>(t)]) return false;
    }
    return true;
  };
  double answers = 0;
  i64 before = 0;
  for (const Question& question : sample.questions) {
    CHECK(question.answer.begin >= before);
    before = question.answer.end();
    CHECK(outside_filler(question.answer));
    const std::string answer = text_at(tokenizer, sample.tokens, question.answer);
    CHECK_FALSE(question.decoys.empty());
    std::set<std::string> texts{answer};
    for (const auto& decoy : question.decoys) {
      CHECK(texts.insert(plain(tokenizer.decode(decoy))).second);
    }
    CHECK_FALSE(question.references.empty());
    for (const std::string& reference : question.references) {
      CHECK((" " + answer + " ").find(" " + plain(reference) + " ") != std::string::npos);
    }
    CHECK_FALSE(question.evidence.empty());
    i64 last = 0;
    for (const Span& span : question.evidence) {
      CHECK(outside_filler(span));
      CHECK(span.begin >= last);
      last = span.end();
      CHECK(span.end() <= question.answer.begin);
    }
    answers += std::accumulate(sample.weights.begin() + question.answer.begin,
                               sample.weights.begin() + question.answer.end(), 0.0);
  }
  REQUIRE(std::ssize(sample.weights) == length);
  CHECK(answers == Approx(1));
  if (sample.depth) {
    double all = 0, above = 0;
    for (i64 t = 0; t < length; ++t) {
      if (!filler[static_cast<std::size_t>(t)]) continue;
      ++all;
      above += t < sample.questions.front().evidence.front().begin;
    }
    CHECK(*sample.depth == Approx(all == 0 ? 0 : 100 * above / all));
  }
}

/// With each fact swapped in turn, the reader's answers change where and as the fact says. Returns
/// how many facts there were.
inline i64 check_facts(const Tokenizer& tokenizer, const Sample& sample, const Solver& solve) {
  for (const Fact& fact : sample.facts) {
    std::vector<Token> tokens = sample.tokens;
    REQUIRE_FALSE(fact.stated.empty());
    bool in_evidence = false;
    std::vector<std::string> expected;
    for (const Question& question : sample.questions) {
      std::vector<Token> answer(tokens.begin() + question.answer.begin,
                                tokens.begin() + question.answer.end());
      if (question.answer.begin <= fact.answer.begin &&
          fact.answer.end() <= question.answer.end()) {
        REQUIRE(std::ssize(fact.other_answer()) == fact.answer.length);
        std::ranges::copy(fact.other_answer(),
                          answer.begin() + (fact.answer.begin - question.answer.begin));
        CHECK_FALSE(
            std::equal(answer.begin(), answer.end(), tokens.begin() + question.answer.begin));
        for (const Span& span : question.evidence) {
          in_evidence |= std::ranges::any_of(fact.stated, [&span](const Span& stated) {
            return span.begin <= stated.begin && stated.end() <= span.end();
          });
        }
      }
      expected.push_back(plain(tokenizer.decode(answer)));
    }
    CHECK(in_evidence);
    for (const Span& span : fact.stated) {
      REQUIRE(std::ssize(fact.counterfactual) == span.length);
      CHECK(span.end() <= fact.answer.begin);
      std::ranges::copy(fact.counterfactual, tokens.begin() + span.begin);
    }
    const std::string text = tokenizer.decode(tokens);
    INFO(text);
    CHECK(solve(text) == expected);
  }
  return std::ssize(sample.facts);
}

/// Every sample fits the smallest length; samples of random lengths are each solved by the reader,
/// as they are and with each of their facts swapped. At least `facts` facts a sample are wanted on
/// average, of words.
inline void check_generator(const std::string& type, const tests::Settings& settings,
                            const Solver& solve, double facts) {
  const std::uint64_t seed = 20 + Catch::rngSeed();
  for (const auto& tokenizer : tokenizers_for(type)) {
    const auto data = make_dataset(type, settings, *tokenizer, Rng(seed));
    Rng rng(seed);
    i64 count = 0, rounds = 40;
    const i64 smallest = smallest_length(*data, Split::train, 0);
    i64 least_filler = smallest;
    for (i64 i = 0; i < 200; ++i) {
      const Sample sample = data->sample(Split::train, i, smallest);
      CHECK(std::ssize(sample.tokens) == smallest);
      i64 filler = 0;
      for (const Span& span : sample.filler) filler += span.length;
      least_filler = std::min(least_filler, filler);
      CHECK_THROWS_AS(data->sample(Split::test, i, smallest - 1), Error);
    }
    // It is what the longest samples take, and few are much shorter.
    CHECK(least_filler <= smallest / 4);
    for (i64 i = 0; i < rounds; ++i) {
      const Split split = i % 2 == 0 ? Split::train : Split::test;
      const i64 length = smallest + (i < 4 ? 0 : rng.below(3000));
      INFO(type << " in " << tokenizer->name() << ", seed " << seed << ", sample " << i << ", "
                << length << " tokens");
      const Sample sample = data->sample(split, i, length);
      check_sample(*tokenizer, sample, length);
      const std::string text = tokenizer->decode(sample.tokens);
      INFO(text);
      CHECK(solve(text) == answers_of(*tokenizer, sample));
      count += check_facts(*tokenizer, sample, solve);
    }
    if (tokenizer->name() == "words") {
      CHECK(static_cast<double>(count) >= facts * static_cast<double>(rounds));
    }
  }
}

/// A sample follows from seed, split, number and length. Answers, which filler has no part in,
/// differ with the first three.
inline void check_numbering(const std::string& type, const tests::Settings& settings, i64 length) {
  const auto words = word_tokenizer(task_vocabulary(type));
  const auto sample = [&](std::uint64_t seed, Split split, i64 index, i64 tokens) {
    return make_dataset(type, settings, *words, Rng(seed))->sample(split, index, tokens);
  };
  const auto answers = [&](std::uint64_t seed, Split split) {
    std::vector<std::vector<std::string>> all;
    for (i64 i = 0; i < 30; ++i) all.push_back(answers_of(*words, sample(seed, split, i, length)));
    return all;
  };
  const std::string one = sample(13, Split::test, 5, length).sha();
  CHECK(one == sample(13, Split::test, 5, length).sha());
  CHECK(one != sample(13, Split::test, 5, length + 1).sha());
  const auto test = answers(13, Split::test);
  CHECK(test != answers(13, Split::train));
  CHECK(test != answers(14, Split::test));
  CHECK(std::set(test.begin(), test.end()).size() >= 4);
}

}  // namespace longreach::datasets
