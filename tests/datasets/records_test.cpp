// Tests datasets/records.cpp.
#include "datasets/records.h"

#include <map>

#include "tests/datasets/generators.h"

namespace longreach::datasets {
namespace {

using Catch::Matchers::Contains;
using Words = std::vector<std::string>;

/// The notes that a reader of the text alone finds.
struct Read {
  std::map<std::string, Words> takes, dose;  ///< of a patient, of a drug, the newest last
  Words days;                                ///< as they come
  std::string asked;
};

Read read(const std::string& text) {
  Read found;
  const Words words = split_words(text);
  for (std::size_t w = 0; w + 2 < words.size(); ++w) {
    if (words[w] == "day" && words[w + 1].find_first_not_of("0123456789") == std::string::npos) {
      std::string day;
      for (++w; words[w] != ":"; ++w) day += words[w];  // "1 2" or "12"
      found.days.push_back(day);
    }
    if (words[w] == "takes") {
      const std::size_t patient = words[w - 1] == "now" ? w - 2 : w - 1;
      found.takes[words[patient]].push_back(words[w + 1]);
    }
    if (words[w] == "dose" && words[w - 1] == "at") {
      found.dose[words[w - 2]].push_back(words[w + 1]);
    }
    if (words[w] == "does") found.asked = words[w + 2];
  }
  return found;
}

Words solve(const std::string& text) {
  Read found = read(text);
  const Words& drugs = found.takes[found.asked];
  if (drugs.empty() || found.dose[drugs.back()].empty()) return {"unknown"};
  return {drugs.back() + " " + found.dose[drugs.back()].back()};
}

TEST_CASE("A reader of the notes gives drug and dose, also when a note is swapped") {
  check_generator("records", {}, solve, 1.9);
  // With so many drugs there may be no dose left that none of them is given at.
  check_generator("records", {{"patients", "12"}, {"updates", "1"}}, solve, 1.2);
  check_generator("records", {{"patients", "1"}, {"updates", "0"}}, solve, 1.9);
}

TEST_CASE("Both notes of the evidence are needed, newest, and a third of all notes apart") {
  for (const auto& tokenizer : tokenizers_for("records")) {
    const auto data = make_dataset("records", {{"updates", "0.5"}}, *tokenizer, Rng(1));
    std::map<std::string, i64> kinds;
    for (i64 i = 0; i < 60; ++i) {
      const Sample sample = data->sample(Split::test, i, 2600);
      const Question& question = sample.last();
      const std::string text = plain(tokenizer->decode(sample.tokens));
      Read found = read(text);
      const Words drugs = found.takes.at(found.asked);
      const Words doses = found.dose.at(drugs.back());
      CHECK(question.kind == (drugs.size() + doses.size() > 2 ? "updated" : "first"));
      ++kinds[question.kind];
      REQUIRE(question.references.size() == 2);
      CHECK(plain(question.references[0]) == drugs.back());
      CHECK(plain(question.references[1]) == doses.back());

      REQUIRE(question.evidence.size() == 2);
      std::string both;
      for (const Span& span : question.evidence) {
        both += text_at(*tokenizer, sample.tokens, span) + " ";
      }
      CHECK_THAT(both, Contains("patient " + found.asked) && Contains("takes " + drugs.back()) &&
                           Contains("dose " + doses.back()));
      // Between the two, the notes that begin there.
      const Span between{question.evidence[0].end(),
                         question.evidence[1].begin - question.evidence[0].end()};
      const std::size_t notes = read(text_at(*tokenizer, sample.tokens, between)).days.size();
      CHECK(3 * (notes + 1) + 2 >= found.days.size());

      CHECK(question.decoys.size() == 4 + doses.size() - 1);  // 5 drugs, and a dose of before
    }
    CHECK(kinds["updated"] > 20);
    CHECK(kinds["first"] > 5);
  }
}

TEST_CASE("Notes stand in order of their days") {
  const auto bytes = byte_tokenizer();
  const auto data = make_dataset("records", {{"patients", "6"}}, *bytes, Rng(2));
  for (i64 i = 0; i < 20; ++i) {
    const Read found = read(bytes->decode(data->sample(Split::train, i, 4000).tokens));
    CHECK(found.days.size() >= 6 + 6 + 8);
    for (std::size_t d = 1; d < found.days.size(); ++d) {
      CHECK(std::stoi(found.days[d - 1]) < std::stoi(found.days[d]));
    }
  }
}

TEST_CASE("Test samples have their first note at all depths alike") {
  const auto words = word_tokenizer(records_words());
  const auto data = make_dataset("records", {}, *words, Rng(3));
  std::array<i64, 5> fifths{};
  for (i64 i = 0; i < 50; ++i) {
    const double depth = data->sample(Split::test, i, 2000).depth.value();
    ++fifths[static_cast<std::size_t>(std::min(depth, 99.9) / 20)];
  }
  for (const i64 count : fifths) CHECK(std::abs(count - 10) <= 2);
}

TEST_CASE("Records of 256 words hold all notes at the defaults, however many are updated") {
  const auto words = word_tokenizer(records_words());
  const auto data = make_dataset("records", {{"updates", "1"}}, *words, Rng(4));
  for (i64 i = 0; i < 200; ++i) CHECK_NOTHROW(data->sample(Split::test, i, 256));
}

TEST_CASE("Records are functions of seed, split, number and length, up to a million tokens") {
  check_numbering("records", {}, 256);
  const auto words = word_tokenizer(records_words());
  const Sample sample =
      make_dataset("records", {}, *words, Rng(5))->sample(Split::test, 0, 1 << 20);
  check_sample(*words, sample, 1 << 20);
  CHECK(solve(words->decode(sample.tokens)) == answers_of(*words, sample));
}

}  // namespace
}  // namespace longreach::datasets
