// Tests datasets/needle.cpp.
#include "datasets/needle.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <regex>

#include "tests/datasets/solving.h"

namespace longreach::datasets {
namespace {

using Catch::Matchers::Contains;

const std::unique_ptr<Tokenizer> bytes = byte_tokenizer();
const std::unique_ptr<Tokenizer> words = word_tokenizer(needle_words());
const std::unique_ptr<Tokenizer> bpe = tiny_bpe();

using Names = EnumNames<NeedleKind>;

/// Key and value of each statement of a text without spaces, in order.
std::vector<std::pair<std::string, std::string>> statements(const std::string& text) {
  static const std::regex statement(R"(thespecialnumberfor([a-z0-9-]+?)is([0-9a-f-]+)\.)");
  std::vector<std::pair<std::string, std::string>> found;
  for (std::sregex_iterator at(text.begin(), text.end(), statement), end; at != end; ++at) {
    found.emplace_back((*at)[1], (*at)[2]);
  }
  return found;
}

std::vector<std::string> keys_asked(const std::string& text) {
  static const std::regex question(R"(what(?:is|are)thespecialnumbers?for([a-z0-9,-]+)\?)");
  std::smatch asked;
  REQUIRE(std::regex_search(text, asked, question));
  return split(asked[1], ',');
}

/// All values stated for each key asked, in the order of keys and statements.
std::vector<std::string> solve(const std::string& text) {
  std::vector<std::string> values;
  for (const std::string& key : keys_asked(text)) {
    for (const auto& [other, value] : statements(text)) {
      if (other == key) values.push_back(value);
    }
  }
  return values;
}

auto dataset(std::string_view kind, const Tokenizer& tokenizer, tests::Settings more = {}) {
  more["kind"] = kind;
  return make_dataset("needle", more, tokenizer, Rng(1));
}

TEST_CASE("The answer to a needle task follows from its text, of every kind and tokenizer") {
  for (const std::string_view kind : Names::names) {
    for (const Tokenizer* tokenizer : {bytes.get(), words.get(), bpe.get()}) {
      const auto data = dataset(kind, *tokenizer);
      for (i64 i = 0; i < 20; ++i) {
        const Sample sample = data->sample(Split::test, i, 1000 + 13 * i);
        INFO(kind << " " << tokenizer->name() << " " << i);
        CHECK(solve(prompt_of(*tokenizer, sample)) == answer_of(*tokenizer, sample));
      }
    }
  }
}

TEST_CASE("Each kind of needle task has RULER's numbers of keys, values and distractors") {
  struct Expected {
    std::string kind;
    std::size_t keys_asked, values, stated;  ///< stated: 0 for a haystack of them
    bool uuid_key = false, uuid_value = false;
  };
  const std::vector<Expected> all{{"s1", 1, 1, 1},  {"s2", 1, 1, 1},  {"s3", 1, 1, 1, false, true},
                                  {"mk1", 1, 1, 4}, {"mk2", 1, 1, 0}, {"mk3", 1, 1, 0, true, true},
                                  {"mv", 1, 4, 4},  {"mq", 4, 4, 4}};
  REQUIRE(all.size() == Names::names.size());
  for (const Expected& expected : all) {
    const Sample sample = dataset(expected.kind, *words)->sample(Split::test, 3, 2000);
    const std::string text = prompt_of(*words, sample);
    INFO(expected.kind << ": " << text);
    CHECK(keys_asked(text).size() == expected.keys_asked);
    const auto answer = answer_of(*words, sample);
    CHECK(answer.size() == expected.values);
    CHECK(std::set<std::string>(answer.begin(), answer.end()).size() == expected.values);
    for (const std::string& value : answer) CHECK(value.size() == (expected.uuid_value ? 36 : 7));
    CHECK((keys_asked(text)[0].size() == 36) == expected.uuid_key);
    const std::size_t stated = statements(text).size();
    if (expected.stated > 0) {
      CHECK(stated == expected.stated);
    } else {
      CHECK(stated > 20);
    }
    CHECK((text.find("thegrassisgreen") != std::string::npos) == (expected.kind == "s1"));
  }
}

TEST_CASE("A haystack of needles never has the key asked, however many there are") {
  const Sample sample = dataset("mk2", *words)->sample(Split::test, 2, 200'000);
  const std::string text = prompt_of(*words, sample);
  const auto stated = statements(text);
  CHECK(stated.size() > 11'000);  // of 1600 keys each: without care 7 would be the one asked
  CHECK(std::ranges::count(stated, keys_asked(text)[0],
                           &std::pair<std::string, std::string>::first) == 1);
}

TEST_CASE("Needle evidence is the statements asked, and nothing else") {
  for (const std::string_view kind : Names::names) {
    const Sample sample = dataset(kind, *bytes)->sample(Split::train, 2, 1500);
    const auto asked = keys_asked(prompt_of(*bytes, sample));
    std::vector<std::string> values;
    for (const Span& span : sample.last().evidence) {
      const std::string text = compact(*bytes, part(sample, span));
      const auto found = statements(text);
      REQUIRE(found.size() == 1);
      CHECK(text == "thespecialnumberfor" + found[0].first + "is" + found[0].second + ".");
      CHECK(std::ranges::find(asked, found[0].first) != asked.end());
      values.push_back(found[0].second);
    }
    auto answer = answer_of(*bytes, sample);
    std::ranges::sort(answer);
    std::ranges::sort(values);
    CHECK(values == answer);
    CHECK(std::ranges::is_sorted(sample.last().evidence, {}, &Span::begin));
  }
}

TEST_CASE("Swapping a needle's value changes the solution as the fact says") {
  for (const std::string_view kind : Names::names) {
    for (const Tokenizer* tokenizer : {bytes.get(), words.get(), bpe.get()}) {
      const Sample sample = dataset(kind, *tokenizer)->sample(Split::test, 1, 1200);
      INFO(kind << " " << tokenizer->name());
      CHECK(sample.facts.size() == sample.last().references.size());
      for (const Fact& fact : sample.facts) {
        const Sample other = swapped(sample, fact);
        CHECK(answer_of(*tokenizer, other) != answer_of(*tokenizer, sample));
        CHECK(solve(prompt_of(*tokenizer, other)) == answer_of(*tokenizer, other));
      }
    }
  }
}

TEST_CASE("Needle lengths are exact for every kind and tokenizer") {
  const auto seed = GENERATE(21U, 22U);
  for (const std::string_view kind : Names::names) {
    for (const Tokenizer* tokenizer : {bytes.get(), words.get(), bpe.get()}) {
      INFO(kind);
      const auto data = dataset(kind, *tokenizer);
      check_lengths(*data, *tokenizer, smallest_length(*data), seed);
    }
  }
}

TEST_CASE(
    "A needle that does not fit is refused with the smallest length, and 256 words hold all") {
  const auto data = dataset("s2", *words);
  // the special number for brave stone is ####### . = 4 + 2 + 1 + 7 + 1; what is the special number
  // for brave stone ? the special number for brave stone is ####### = 6 + 2 + 1 + 4 + 2 + 1 + 7.
  CHECK_THROWS_WITH(data->sample(Split::test, 0, 37),
                    Contains("needle: 37 tokens: does not fit; smallest length is 38"));
  CHECK(std::ssize(data->sample(Split::test, 0, 38).tokens) == 38);
  for (const std::string_view kind : Names::names) {
    CHECK_NOTHROW(dataset(kind, *words)->sample(Split::test, 0, 256));
  }
}

TEST_CASE("Test samples have the needle asked first at the depths in turn") {
  for (const std::string_view kind : Names::names) {
    const auto data = dataset(kind, *words, {{"depths", "0 30 100"}});
    for (i64 i = 0; i < 12; ++i) {
      const Sample sample = data->sample(Split::test, i, 1500);
      const double depth = std::array{0.0, 30.0, 100.0}[static_cast<std::size_t>(i % 3)];
      INFO(kind << " " << depth);
      CHECK(sample.depth == Approx(depth));
      i64 all = 0;
      for (const Span& span : sample.filler) all += span.length;
      // Of several values, or keys, one is there.
      bool there = false;
      for (const Span& evidence : sample.last().evidence) {
        i64 before = 0;
        for (const Span& span : sample.filler)
          before += span.end() <= evidence.begin ? span.length : 0;
        there |=
            std::abs(static_cast<double>(before) - depth / 100 * static_cast<double>(all)) <= 1;
      }
      CHECK(there);
    }
  }
}

TEST_CASE("Training samples have their needle at all depths alike") {
  const auto data = dataset("s2", *words);
  i64 near = 0;
  for (i64 i = 0; i < 1000; ++i) {
    near += *data->sample(Split::train, i, 300).depth >= 75;
  }
  CHECK(std::abs(near - 250) < 70);  // five standard deviations
}

/// What is stated under a key that is not asked.
std::set<std::string> others_stated(const std::string& text) {
  const auto asked = keys_asked(text);
  std::set<std::string> values;
  for (const auto& [key, value] : statements(text)) {
    if (std::ranges::find(asked, key) == asked.end()) values.insert(value);
  }
  return values;
}

/// The values of all decoys of a sample, each decoy of the right answer's number of tokens and
/// different from it and from the others.
std::vector<std::vector<std::string>> decoys_of(const Tokenizer& tokenizer, const Sample& sample) {
  const Question& question = sample.last();
  std::set<std::vector<Token>> different{part(sample, question.answer)};
  std::vector<std::vector<std::string>> decoys;
  for (const auto& decoy : question.decoys) {
    CHECK(std::ssize(decoy) == question.answer.length);
    CHECK(different.insert(decoy).second);
    decoys.push_back(split(compact(tokenizer, decoy), ','));
  }
  return decoys;
}

TEST_CASE(
    "Needle decoys are values stated in full under other keys, as many as there are to nine") {
  for (const std::string kind : {"mk1", "mk2", "mk3"}) {
    for (const Tokenizer* tokenizer : {words.get(), bytes.get(), bpe.get()}) {
      const auto data = dataset(kind, *tokenizer);
      for (i64 i = 0; i < 60; ++i) {
        // Short ones state fewer than nine others, so that all of them are decoys.
        const Sample sample = data->sample(Split::test, i, (i % 3 == 0 ? 3000 : 500) + i);
        const std::string text = prompt_of(*tokenizer, sample);
        const std::set<std::string> stated = others_stated(text);
        INFO(kind << " " << tokenizer->name() << " " << text);
        const auto decoys = decoys_of(*tokenizer, sample);
        for (const auto& decoy : decoys) CHECK(stated.contains(decoy.at(0)));
        if (tokenizer == words.get()) {
          CHECK(decoys.size() == std::min<std::size_t>(stated.size(), kNeedleDecoys));
        }
      }
    }
  }
}

TEST_CASE("Where all values stated are asked, decoys are other orders of them") {
  for (const std::string kind : {"mv", "mq"}) {
    for (const Tokenizer* tokenizer : {words.get(), bytes.get(), bpe.get()}) {
      const Sample sample = dataset(kind, *tokenizer)->sample(Split::test, 4, 1200);
      auto answer = answer_of(*tokenizer, sample);
      std::ranges::sort(answer);
      const auto decoys = decoys_of(*tokenizer, sample);
      CHECK(decoys.size() == kNeedleDecoys);
      for (auto decoy : decoys) {
        std::ranges::sort(decoy);
        CHECK(decoy == answer);
      }
    }
  }
}

TEST_CASE("A lone needle has nine decoys that its context does not state") {
  for (const std::string kind : {"s1", "s2", "s3"}) {
    for (const Tokenizer* tokenizer : {words.get(), bytes.get(), bpe.get()}) {
      const Sample sample = dataset(kind, *tokenizer)->sample(Split::test, 4, 1200);
      const auto decoys = decoys_of(*tokenizer, sample);
      CHECK(decoys.size() == kNeedleDecoys);
      for (const auto& decoy : decoys) {
        CHECK(decoy.size() == 1);
        CHECK(prompt_of(*tokenizer, sample).find(decoy.at(0)) == std::string::npos);
      }
    }
  }
}

TEST_CASE("Numbers of one digit still give all kinds, and settings that cannot be are refused") {
  for (const std::string_view kind : Names::names) {
    const auto data = dataset(kind, *words, {{"digits", "1"}});
    const Sample sample = data->sample(Split::train, 0, 256);
    CHECK(solve(prompt_of(*words, sample)) == answer_of(*words, sample));
  }
  CHECK_THROWS_WITH(dataset("mk2", *words, {{"path", "x.txt"}}), Contains("kind mk2 has no prose"));
  CHECK_THROWS_WITH(dataset("s2", *words, {{"depths", ""}}), Contains("needle depths: none"));
}

TEST_CASE("Prose of the user's own hides the needle and gives its hash") {
  const TempFolder folder;
  const std::string path = folder.write("own.txt", "Quite another story. It has two sentences.");
  const auto data = dataset("s3", *bytes, {{"path", path}});
  const std::string text = prompt_of(*bytes, data->sample(Split::test, 1, 900));
  CHECK_THAT(text, Contains("Quiteanotherstory."));
  CHECK(data->sha().size() == 64);
  CHECK(dataset("s3", *bytes)->sha().empty());
}

TEST_CASE("Needle samples follow from seed, split and number") {
  for (const std::string_view kind : Names::names) {
    check_reproducible("needle", {{"kind", std::string(kind)}}, *words, 400);
  }
  CHECK(task_vocabulary("needle") == needle_words());
}

}  // namespace
}  // namespace longreach::datasets
