// Tests datasets/summary.cpp.
#include "datasets/summary.h"

#include <map>

#include "tests/datasets/generators.h"

namespace longreach::datasets {
namespace {

using Words = std::vector<std::string>;

/// How a text and its summary say the same, up to the value.
const std::vector<std::array<std::string, 2>> kSentences{
    {"the council of the town will meet on", "the council meets on"},
    {"the fair of this year will open on", "the fair begins on"},
    {"the market has been moved to", "the market is held on"},
    {"the new bridge was a gift of", "the bridge was paid for by"},
    {"after long talks the mill was sold to", "the mill now belongs to"},
    {"from this year the school is led by", "the head of the school is"},
    {"all doors of the school were painted", "the doors of the school are"},
    {"the boats of the town were painted", "the boats are"},
    {"the old doctor moved to", "the doctor lives in"},
    {"the new baker came from", "the baker was born in"}};

/// The summary that a reader of the text alone writes: its key facts in their order.
Words solve(const std::string& decoded) {
  const std::string all = plain(decoded);
  const std::string text = all.substr(0, all.find(" summary :"));
  std::map<std::size_t, std::string> sentences;
  for (const auto& [stated, summed] : kSentences) {
    const std::size_t at = text.find(stated + " ");
    if (at == std::string::npos) continue;
    sentences[at] = summed + " " + split_words(text.substr(at + stated.size()))[0] + " .";
  }
  std::string summary;
  for (const auto& [at, sentence] : sentences) summary += sentence + " ";
  return {plain(summary)};
}

TEST_CASE("A reader of the text writes its summary, also when a fact is swapped") {
  check_generator("summary", {}, solve, 3.9);
  check_generator("summary", {{"facts", "10"}, {"candidates", "8"}}, solve, 9.9);
  check_generator("summary", {{"facts", "1"}, {"candidates", "8"}}, solve, 0.9);
}

TEST_CASE("Other summaries say the same of other values, in as many tokens where they can") {
  for (const auto& tokenizer : tokenizers_for("summary")) {
    const auto data = make_dataset("summary", {}, *tokenizer, Rng(1));
    std::map<i64, i64> wrong_values;
    i64 other_lengths = 0;
    for (i64 i = 0; i < 60; ++i) {
      const Sample sample = data->sample(Split::test, i, 1000);
      REQUIRE(sample.questions.size() == 1);
      const Words right = split_words(answers_of(*tokenizer, sample)[0]);
      REQUIRE(sample.last().decoys.size() == 3);
      for (const auto& decoy : sample.last().decoys) {
        other_lengths += std::ssize(decoy) != sample.last().answer.length;
        const Words wrong = split_words(tokenizer->decode(decoy));
        REQUIRE(wrong.size() == right.size());
        i64 differences = 0;
        for (std::size_t w = 0; w < wrong.size(); ++w) {
          if (wrong[w] == right[w]) continue;
          ++differences;
          CHECK(right[w + 1] == ".");  // a value, the last word of its sentence
        }
        ++wrong_values[differences];
      }
    }
    CHECK(wrong_values[0] == 0);
    // Pairs of letters leave few a value that no other is as long as.
    CHECK(other_lengths <= (tokenizer->name() == "pairs" ? 5 : 0));
    for (i64 count = 2; count <= 4; ++count) CHECK(wrong_values[count] > 0);
  }
}

TEST_CASE("Other summaries take their wrong values from the text as long as it has siblings") {
  const auto words = word_tokenizer(summary_words());
  const auto data = make_dataset("summary", {}, *words, Rng(5));
  for (i64 i = 0; i < 100; ++i) {
    const Sample sample = data->sample(Split::test, i, 300);
    Words right = split_words(answers_of(*words, sample)[0]);
    std::ranges::sort(right);
    for (const auto& decoy : sample.last().decoys) {
      Words wrong = split_words(words->decode(decoy));
      std::ranges::sort(wrong);
      CHECK(wrong == right);
    }
  }
}

TEST_CASE("Evidence are the facts' sentences and references their values, in order") {
  const auto bytes = byte_tokenizer();
  const auto data = make_dataset("summary", {{"facts", "5"}}, *bytes, Rng(2));
  for (i64 i = 0; i < 20; ++i) {
    const Sample sample = data->sample(Split::train, i, 2000);
    const Question& question = sample.last();
    REQUIRE(question.evidence.size() == 5);
    REQUIRE(question.references.size() == 5);
    for (std::size_t f = 0; f < 5; ++f) {
      const std::string sentence = text_at(*bytes, sample.tokens, question.evidence[f]);
      CHECK_THAT(sentence, Catch::EndsWith(question.references[f] + " ."));
      CHECK(std::ranges::any_of(kSentences, [&](const auto& known) {
        return sentence == known[0] + " " + question.references[f] + " .";
      }));
    }
  }
}

TEST_CASE("A text with its summary fits 192 words at the defaults") {
  const auto words = word_tokenizer(summary_words());
  const auto data = make_dataset("summary", {}, *words, Rng(3));
  for (i64 i = 0; i < 200; ++i) CHECK_NOTHROW(data->sample(Split::test, i, 192));
}

TEST_CASE("Summaries are functions of seed, split, number and length, up to a million tokens") {
  check_numbering("summary", {}, 256);
  const auto words = word_tokenizer(summary_words());
  const Sample sample =
      make_dataset("summary", {}, *words, Rng(4))->sample(Split::test, 0, 1 << 20);
  check_sample(*words, sample, 1 << 20);
  CHECK(solve(words->decode(sample.tokens)) == answers_of(*words, sample));
}

}  // namespace
}  // namespace longreach::datasets
