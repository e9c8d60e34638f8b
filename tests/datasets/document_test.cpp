// Tests datasets/document.cpp.
#include "datasets/document.h"

#include <map>

#include "tests/datasets/generators.h"

namespace longreach::datasets {
namespace {

using Catch::Matchers::Contains;
using Words = std::vector<std::string>;

/// "the keeper of the old harbour is X", "the old harbour has X windows", "the key of the old
/// harbour lies in the X": what a reader of the text alone finds, by topic.
struct Read {
  std::map<std::string, std::string> values;
  Words headings, asked;
};

Read read(const std::string& text) {
  Read found;
  const Words words = split_words(". . . " + text + " . . . . . . . .");
  const auto two = [&words](std::size_t at) { return words[at] + " " + words[at + 1]; };
  for (std::size_t w = 3; w + 8 < words.size(); ++w) {
    if (words[w] == "section") {
      const auto colon = std::find(words.begin() + static_cast<i64>(w), words.end(), ":");
      const auto at = static_cast<std::size_t>(colon - words.begin());
      found.headings.push_back(two(at + 2));
    }
    if (words[w - 1] == "has" && words[w + 1] == "windows") {
      found.values["number " + two(w - 3)] = words[w];
    }
    if (two(w - 1) == "keeper of" && words[w + 4] == "is") {
      found.values["name " + two(w + 2)] = words[w + 5];
    }
    if (two(w - 1) == "key of" && words[w + 4] == "lies") {
      found.values["place " + two(w + 2)] = words[w + 7];
    }
    if (words[w] == "question") {
      if (words[w + 2] == "who") found.asked.push_back("name " + two(w + 8));
      if (words[w + 2] == "how") found.asked.push_back("number " + two(w + 7));
      if (words[w + 2] == "where") found.asked.push_back("place " + two(w + 8));
    }
  }
  return found;
}

Words solve(const std::string& text) {
  Read found = read(text);
  Words answers;
  for (const std::string& topic : found.asked) answers.push_back(found.values[topic]);
  return answers;
}

TEST_CASE("A reader of a document gives its answers, also when a fact is swapped") {
  check_generator("document", {}, solve, 2.9);
  check_generator("document", {{"sections", "96"}, {"questions", "10"}}, solve, 9.9);
  check_generator("document", {{"sections", "1"}, {"questions", "1"}}, solve, 0.9);
}

TEST_CASE("Each question is on another section, of its kind, with the fact's sentence") {
  for (const auto& tokenizer : tokenizers_for("document")) {
    const auto data = make_dataset("document", {{"sections", "9"}}, *tokenizer, Rng(1));
    std::map<std::string, i64> kinds;
    for (i64 i = 0; i < 40; ++i) {
      const Sample sample = data->sample(Split::train, i, 3000);
      const Read found = read(tokenizer->decode(sample.tokens));
      CHECK(std::set(found.headings.begin(), found.headings.end()).size() == 9);
      REQUIRE(found.asked.size() == 3);
      CHECK(std::set(found.asked.begin(), found.asked.end()).size() == 3);
      for (std::size_t q = 0; q < 3; ++q) {
        const Question& question = sample.questions[q];
        const std::string& asked = found.asked[q];
        const std::string topic = asked.substr(asked.find(' ') + 1);
        CHECK(question.kind == asked.substr(0, asked.find(' ')));
        CHECK(question.decoys.size() == 15);
        ++kinds[question.kind];
        REQUIRE(question.evidence.size() == 1);
        CHECK_THAT(text_at(*tokenizer, sample.tokens, question.evidence[0]),
                   Contains("the " + topic) && Contains(" " + found.values.at(asked) + " "));
        // The section is the fact's: the last heading before it names the topic.
        const Read before =
            read(text_at(*tokenizer, sample.tokens, {0, question.evidence[0].end()}) +
                 " . . . . . . . .");
        CHECK(before.headings.back() == topic);
      }
    }
    for (const std::string kind : {"name", "number", "place"}) CHECK(kinds[kind] > 15);
  }
}

TEST_CASE("First questions of test samples take sections and depths alike") {
  const auto words = word_tokenizer(document_words());
  const auto data = make_dataset("document", {{"sections", "5"}}, *words, Rng(2));
  std::array<i64, 5> fifths{};
  for (i64 i = 0; i < 50; ++i) {
    const double depth = data->sample(Split::test, i, 3000).depth.value();
    ++fifths[static_cast<std::size_t>(std::min(depth, 99.9) / 20)];
  }
  for (const i64 count : fifths) CHECK(std::abs(count - 10) <= 2);
}

TEST_CASE("A document of 256 words holds all sections at the defaults") {
  const auto words = word_tokenizer(document_words());
  const auto data = make_dataset("document", {}, *words, Rng(3));
  for (i64 i = 0; i < 200; ++i) CHECK_NOTHROW(data->sample(Split::test, i, 256));
}

TEST_CASE("Documents are functions of seed, split, number and length, up to a million tokens") {
  check_numbering("document", {}, 256);
  const auto words = word_tokenizer(document_words());
  const Sample sample =
      make_dataset("document", {}, *words, Rng(4))->sample(Split::test, 0, 1 << 20);
  check_sample(*words, sample, 1 << 20);
  CHECK(solve(words->decode(sample.tokens)) == answers_of(*words, sample));
}

TEST_CASE("More questions than sections are refused") {
  CHECK_THROWS_WITH(make_dataset("document", {{"sections", "2"}}, *byte_tokenizer(), Rng(1)),
                    Contains("document questions: 3 are more than the 2 sections"));
}

}  // namespace
}  // namespace longreach::datasets
