// What tests of task generators share: reading samples as text, and what must hold of all tasks.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>
#include <string>
#include <vector>

#include "core/error.h"
#include "datasets/dataset.h"
#include "tests/datasets/bpe_files.h"
#include "tests/datasets/settings.h"

namespace longreach::datasets {

inline std::vector<Token> part(const Sample& sample, const Span& span) {
  return {sample.tokens.begin() + span.begin, sample.tokens.begin() + span.end()};
}

/// Without the spaces, which word vocabularies put between characters too.
inline std::string compact(std::string text) {
  std::erase(text, ' ');
  return text;
}
inline std::string compact(const Tokenizer& tokenizer, std::span<const Token> tokens) {
  return compact(tokenizer.decode(tokens));
}

inline std::vector<std::string> split(const std::string& text, char mark) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == mark) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

/// All that stands before a sample's only answer, without spaces.
inline std::string prompt_of(const Tokenizer& tokenizer, const Sample& sample) {
  return compact(
      tokenizer,
      std::span(sample.tokens).first(static_cast<std::size_t>(sample.last().answer.begin)));
}
/// The answer's values, without spaces.
inline std::vector<std::string> answer_of(const Tokenizer& tokenizer, const Sample& sample) {
  return split(compact(tokenizer, part(sample, sample.last().answer)), ',');
}

/// The sample with the fact's counterfactual in its place, and the answer that it then has.
inline Sample swapped(Sample sample, const Fact& fact) {
  for (const Span& span : fact.stated) {
    REQUIRE(span.length == std::ssize(fact.counterfactual));
    REQUIRE(part(sample, span) != fact.counterfactual);
    REQUIRE(span.end() <= sample.last().answer.begin);
    std::ranges::copy(fact.counterfactual, sample.tokens.begin() + span.begin);
  }
  REQUIRE(fact.answer.length == std::ssize(fact.other_answer()));
  REQUIRE(fact.answer.begin >= sample.last().answer.begin);
  REQUIRE(fact.answer.end() <= sample.last().answer.end());
  std::ranges::copy(fact.other_answer(), sample.tokens.begin() + fact.answer.begin);
  return sample;
}

/// Byte-level BPE with a few merges, so that words of a length differ in tokens.
inline std::unique_ptr<Tokenizer> tiny_bpe() {
  const TempFolder folder;
  return bpe_tokenizer(folder, bpe_json({{" ", "t"},
                                         {"h", "e"},
                                         {" t", "he"},
                                         {" ", "a"},
                                         {"1", "2"},
                                         {"7", "7"},
                                         {"A", "B"},
                                         {"a", "b"},
                                         {"r", "e"},
                                         {"o", "n"}}));
}

/// Random lengths from `smallest` on are exact; the answer ends the sample, what lies in the filler
/// is neither evidence nor a fact, weights are as answer_weights() has them, references are the
/// values of the answer.
inline void check_lengths(const Dataset& data, const Tokenizer& tokenizer, i64 smallest,
                          std::uint64_t seed) {
  INFO("seed " << seed << ", tokenizer " << tokenizer.name());
  Rng rng(seed);
  for (i64 i = 0; i < 40; ++i) {
    const i64 length = smallest + rng.below(1 + smallest * (1 + rng.below(6)));
    const Sample sample = data.sample(i % 2 == 0 ? Split::train : Split::test, i, length);
    INFO("sample " << i << " of " << length << " tokens");
    REQUIRE(std::ssize(sample.tokens) == length);
    REQUIRE(sample.questions.size() == 1);
    const Question& question = sample.last();
    CHECK(question.answer.end() == length);
    CHECK(sample.weights.size() == sample.tokens.size());
    CHECK(sample.weights.back() == Approx(1.0 / static_cast<double>(question.answer.length)));
    i64 end = 0;
    std::vector<Span> taken = question.evidence;
    for (const Fact& fact : sample.facts) {
      taken.insert(taken.end(), fact.stated.begin(), fact.stated.end());
    }
    for (const Span& filler : sample.filler) {
      CHECK(filler.begin >= end);
      end = filler.end();
      for (const Span& span : taken) {
        CHECK((span.end() <= filler.begin || filler.end() <= span.begin));
      }
    }
    std::string references;
    for (const std::string& text : question.references) {
      references += (references.empty() ? "" : ",") + compact(text);
    }
    CHECK(references == compact(tokenizer, part(sample, question.answer)));
  }
}

/// Samples follow from seed, split, number and length. Answers, which filler has no part in, differ
/// with the first three.
inline void check_reproducible(const std::string& type, const tests::Settings& settings,
                               const Tokenizer& tokenizer, i64 length) {
  const auto sample = [&](std::uint64_t seed, Split split, i64 index) {
    return make_dataset(type, settings, tokenizer, Rng(seed))->sample(split, index, length);
  };
  const auto answers = [&](std::uint64_t seed, Split split) {
    std::vector<std::vector<std::string>> all;
    for (i64 i = 0; i < 30; ++i) all.push_back(answer_of(tokenizer, sample(seed, split, i)));
    return all;
  };
  CHECK(sample(13, Split::test, 5).sha() == sample(13, Split::test, 5).sha());
  const auto test = answers(13, Split::test);
  CHECK(test != answers(13, Split::train));
  CHECK(test != answers(14, Split::test));
  CHECK(std::set(test.begin(), test.end()).size() >= 4);
}

/// The number that ends the message "... does not fit; smallest length is N" of one token.
inline i64 smallest_length(const Dataset& data, i64 index = 0) {
  const std::string message = message_of([&] { data.sample(Split::test, index, 1); });
  const std::string before = "does not fit; smallest length is ";
  INFO(message);
  REQUIRE(message.find(before) != std::string::npos);
  return std::stoll(message.substr(message.find(before) + before.size()));
}

}  // namespace longreach::datasets
