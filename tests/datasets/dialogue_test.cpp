// Tests datasets/dialogue.cpp.
#include "datasets/dialogue.h"

#include <map>

#include "tests/datasets/generators.h"

namespace longreach::datasets {
namespace {

using Catch::Matchers::Contains;
using Words = std::vector<std::string>;

/// What a reader of the text alone can tell of each question.
struct Asked {
  std::string topic, answer;
  bool changed = false;
  i64 age = 0;
};

struct Read {
  std::vector<Asked> asked;
  i64 statements = 0;
};

/// Reads word by word: "my ... is V" states, "what is my ... ?" and "what my ... is ?" ask.
Read read(const std::string& text) {
  struct Told {
    std::string value;
    i64 times = 0, turn = 0;
  };
  std::map<std::string, Told> told;
  Read found;
  const Words words = split_words(text);
  i64 turn = 0;
  for (std::size_t w = 0; w + 1 < words.size(); ++w) {
    if (words[w] == "user" && words[w + 1] == ":") ++turn;
    if (words[w] != "my") continue;
    std::string topic;
    std::size_t end = w + 1;
    for (; words[end] != "is" && words[end] != "?"; ++end) topic += words[end] + " ";
    if (words[end] == "is" && words[end + 1] != "?") {
      Told& now = told[topic];
      now = {words[end + 1], now.times + 1, turn};
      ++found.statements;
    } else {
      const Told& then = told[topic];
      found.asked.push_back({topic, then.value, then.times > 1, turn - then.turn});
    }
  }
  return found;
}

Words solve(const std::string& text) {
  Words answers;
  for (const Asked& one : read(text).asked) answers.push_back(one.answer);
  return answers;
}

TEST_CASE("A reader of a dialogue gives its answers, also when a statement is swapped") {
  check_generator("dialogue", {}, solve, 2.9);
  check_generator("dialogue", {{"changes", "1"}, {"statements", "10"}, {"questions", "10"}}, solve,
                  9);
  check_generator("dialogue", {{"statements", "1"}, {"questions", "1"}}, solve, 0.9);
}

TEST_CASE("Questions name their kind and their age in turns, and each asks for another thing") {
  for (const auto& tokenizer : tokenizers_for("dialogue")) {
    const auto data = make_dataset("dialogue", {{"changes", "0.5"}}, *tokenizer, Rng(1));
    std::map<std::string, i64> kinds;
    std::set<i64> ages;
    for (i64 i = 0; i < 60; ++i) {
      const Sample sample = data->sample(Split::test, i, 3000);
      const std::vector<Asked> asked = read(tokenizer->decode(sample.tokens)).asked;
      REQUIRE(asked.size() == 3);
      REQUIRE(sample.questions.size() == 3);
      std::set<std::string> topics;
      for (std::size_t q = 0; q < 3; ++q) {
        topics.insert(asked[q].topic);
        CHECK(sample.questions[q].kind == (asked[q].changed ? "changed" : "stated"));
        CHECK(sample.questions[q].age == asked[q].age);
        CHECK(sample.questions[q].decoys.size() == 7);
        ++kinds[sample.questions[q].kind];
        ages.insert(*sample.questions[q].age);
        const std::string evidence =
            text_at(*tokenizer, sample.tokens, sample.questions[q].evidence.at(0));
        CHECK_THAT(evidence, Catch::StartsWith("user :"));
        CHECK_THAT(evidence, Contains("my " + asked[q].topic + "is " + asked[q].answer + " ."));
      }
      CHECK(topics.size() == 3);
    }
    CHECK(*ages.begin() >= 1);
    CHECK(ages.size() > 20);
    CHECK(kinds["changed"] > 20);
    CHECK(kinds["stated"] > 60);
  }
}

TEST_CASE("The share of changes says how many statements become others") {
  const auto words = word_tokenizer(dialogue_words());
  for (const double share : {0.0, 0.3, 1.0}) {
    const auto data =
        make_dataset("dialogue", {{"changes", std::to_string(share)}}, *words, Rng(2));
    i64 statements = 0;
    for (i64 i = 0; i < 200; ++i) {
      statements += read(words->decode(data->sample(Split::train, i, 300).tokens)).statements;
    }
    // 5 statements a sample; of 1000 a binomial share has deviation 15.8 at most, five allowed.
    CHECK(std::abs(static_cast<double>(statements) - 1000 * (1 + share)) < 80);
  }
}

TEST_CASE("The last value of a question's sort answers less than half of the questions") {
  const std::vector<std::set<std::string>> sorts{
      {"anna", "emma", "nina", "lucy", "karl", "omar", "ivan", "hans"},
      {"oslo", "rome", "bonn", "paris", "milan", "turin", "delft", "ghent"},
      {"red", "tan", "blue", "pink", "green", "black", "white", "brown"}};
  const auto words = word_tokenizer(dialogue_words());
  const auto data = make_dataset("dialogue", {}, *words, Rng(5));
  i64 right = 0, all = 0;
  for (i64 i = 0; i < 300; ++i) {
    const Sample sample = data->sample(Split::test, i, 300);
    for (const Question& question : sample.questions) {
      const std::string answer = text_at(*words, sample.tokens, question.answer);
      const auto sort =
          std::ranges::find_if(sorts, [&](const auto& s) { return s.contains(answer); });
      REQUIRE(sort != sorts.end());
      // Statements end with their values: "my doctor is anna ."
      std::string last;
      const Words before = split_words(text_at(*words, sample.tokens, {0, question.answer.begin}));
      for (std::size_t w = 1; w < before.size(); ++w) {
        if (before[w - 1] == "is" && sort->contains(before[w])) last = before[w];
      }
      right += last == answer;
      ++all;
    }
  }
  INFO(right << " of " << all);
  CHECK(2 * right < all);
}

TEST_CASE("A dialogue question's first decoys are the other values stated before it") {
  const auto words = word_tokenizer(dialogue_words());
  const auto data = make_dataset("dialogue", {{"changes", "1"}}, *words, Rng(6));
  for (i64 i = 0; i < 50; ++i) {
    const Sample sample = data->sample(Split::test, i, 300);
    for (const Question& question : sample.questions) {
      const Words before = split_words(text_at(*words, sample.tokens, {0, question.answer.begin}));
      bool stated = true;
      for (const auto& decoy : question.decoys) {
        const bool found = std::ranges::find(before, plain(words->decode(decoy))) != before.end();
        CHECK((stated || !found));
        stated = found;
      }
    }
  }
}

TEST_CASE("A dialogue of 192 words holds the defaults") {
  const auto words = word_tokenizer(dialogue_words());
  const auto data = make_dataset("dialogue", {}, *words, Rng(3));
  for (i64 i = 0; i < 200; ++i) CHECK_NOTHROW(data->sample(Split::test, i, 192));
}

TEST_CASE("A dialogue of 256 words holds all statements at the defaults, however many change") {
  const auto words = word_tokenizer(dialogue_words());
  const auto data = make_dataset("dialogue", {{"changes", "1"}}, *words, Rng(3));
  for (i64 i = 0; i < 200; ++i) CHECK_NOTHROW(data->sample(Split::test, i, 256));
}

TEST_CASE("Dialogues are functions of seed, split, number and length, up to a million tokens") {
  check_numbering("dialogue", {}, 256);
  const auto words = word_tokenizer(dialogue_words());
  const Sample sample =
      make_dataset("dialogue", {}, *words, Rng(4))->sample(Split::test, 0, 1 << 20);
  check_sample(*words, sample, 1 << 20);
  CHECK(solve(words->decode(sample.tokens)) == answers_of(*words, sample));
}

TEST_CASE("More questions than statements are refused") {
  CHECK_THROWS_WITH(make_dataset("dialogue", {{"statements", "2"}}, *byte_tokenizer(), Rng(1)),
                    Contains("dialogue questions: 3 are more than the 2 statements"));
}

}  // namespace
}  // namespace longreach::datasets
