// Tests datasets/variable_tracking.cpp.
#include "datasets/variable_tracking.h"

#include <algorithm>
#include <map>
#include <regex>

#include "tests/datasets/solving.h"

namespace longreach::datasets {
namespace {

using Catch::Matchers::Contains;

const std::unique_ptr<Tokenizer> bytes = byte_tokenizer();
const std::unique_ptr<Tokenizer> words = word_tokenizer(variable_tracking_words());
const std::unique_ptr<Tokenizer> bpe = tiny_bpe();

auto dataset(const Tokenizer& tokenizer, tests::Settings settings = {}) {
  return make_dataset("variable_tracking", std::move(settings), tokenizer, Rng(2));
}

/// Runs the assignments of a text without spaces: the variables that hold the value asked, in the
/// order they come to hold it.
std::vector<std::string> solve(const std::string& text) {
  static const std::regex assignment(R"(VAR([A-Z]+?)=(?:VAR([A-Z]+)|([0-9]+))\.)");
  static const std::regex question(R"(findallvariablesthatholdthevalue([0-9]+)\.theyare:$)");
  std::smatch asked;
  REQUIRE(std::regex_search(text, asked, question));
  std::map<std::string, std::string> values;
  std::vector<std::string> order;
  for (std::sregex_iterator at(text.begin(), text.end(), assignment), end; at != end; ++at) {
    const std::string name = (*at)[1], from = (*at)[2];
    if (!from.empty()) REQUIRE(values.contains(from));
    REQUIRE_FALSE(values.contains(name));
    values[name] = from.empty() ? (*at)[3].str() : values[from];
    order.push_back(name);
  }
  std::erase_if(order, [&](const std::string& name) { return values[name] != asked[1]; });
  return order;
}

TEST_CASE("The variables to find follow from running the assignments") {
  for (const Tokenizer* tokenizer : {bytes.get(), words.get(), bpe.get()}) {
    for (const std::string chains : {"1", "3"}) {
      const auto data = dataset(*tokenizer, {{"chains", chains}, {"hops", "5"}});
      for (i64 i = 0; i < 20; ++i) {
        const Sample sample = data->sample(Split::test, i, 900 + 17 * i);
        INFO(tokenizer->name() << " " << i);
        const auto answer = answer_of(*tokenizer, sample);
        CHECK(answer.size() == 6);
        CHECK(answer.front().size() == 5);
        CHECK(solve(prompt_of(*tokenizer, sample)) == answer);
      }
    }
  }
}

TEST_CASE("Variable tracking evidence is the asked chain's assignments in order") {
  const Sample sample = dataset(*bytes, {{"chains", "2"}})->sample(Split::train, 1, 1000);
  const auto answer = answer_of(*bytes, sample);
  const auto& evidence = sample.last().evidence;
  REQUIRE(evidence.size() == 5);
  for (std::size_t i = 0; i < 5; ++i) {
    const std::string text = compact(*bytes, part(sample, evidence[i]));
    CHECK(text.starts_with("VAR" + answer[i] + "="));
    if (i > 0) CHECK(text == "VAR" + answer[i] + "=VAR" + answer[i - 1] + ".");
    if (i > 0) CHECK(evidence[i].begin >= evidence[i - 1].end());
  }
}

TEST_CASE("Renaming a variable where it is set and used changes the solution as the fact says") {
  for (const Tokenizer* tokenizer : {bytes.get(), words.get(), bpe.get()}) {
    const Sample sample = dataset(*tokenizer)->sample(Split::test, 3, 700);
    INFO(tokenizer->name());
    REQUIRE(sample.facts.size() == 5);
    for (std::size_t i = 0; i < 5; ++i) {
      CHECK(sample.facts[i].stated.size() == (i < 4 ? 2 : 1));
      const Sample other = swapped(sample, sample.facts[i]);
      CHECK(answer_of(*tokenizer, other)[i] != answer_of(*tokenizer, sample)[i]);
      CHECK(solve(prompt_of(*tokenizer, other)) == answer_of(*tokenizer, other));
    }
  }
}

TEST_CASE("Variable tracking lengths are exact and the smallest is told") {
  const auto seed = GENERATE(31U, 32U);
  for (const Tokenizer* tokenizer : {bytes.get(), words.get(), bpe.get()}) {
    const auto data = dataset(*tokenizer);
    check_lengths(*data, *tokenizer, smallest_length(*data), seed);
  }
  // VAR ##### = ##### . = 13; four of VAR ##### = VAR ##### . = 14; find all variables that hold
  // the value ##### . they are : = 7 + 5 + 4; five names of 5 letters with four commas = 29.
  CHECK(smallest_length(*dataset(*words)) == 13 + 4 * 14 + 16 + 29);
  CHECK_NOTHROW(dataset(*words)->sample(Split::test, 0, 114));
  CHECK_THROWS_WITH(dataset(*words)->sample(Split::test, 0, 113),
                    Contains("variable_tracking: 113"));
}

TEST_CASE("Variables' assignments spread over all of the filler, which is noise unless told") {
  const auto data = dataset(*words, {{"hops", "0"}});
  i64 late = 0;
  for (i64 i = 0; i < 1000; ++i) {
    late += data->sample(Split::test, i, 400).last().evidence.front().begin > 200;
  }
  CHECK(std::abs(late - 500) < 120);
  const Sample sample = data->sample(Split::test, 0, 400);
  CHECK_THAT(prompt_of(*words, sample), Contains("thegrassisgreen.theskyisblue."));
  CHECK_THAT(
      prompt_of(*words, dataset(*words, {{"haystack", "prose"}})->sample(Split::test, 0, 900)),
      !Contains("thegrassisgreen"));
}

TEST_CASE("No name is the word that announces one") {
  // 10100 of 17576 names: each sample would have it with probability 0.57.
  const auto data =
      dataset(*bytes, {{"letters", "3"}, {"digits", "3"}, {"chains", "100"}, {"hops", "100"}});
  for (i64 i = 0; i < 3; ++i) {
    const std::string text = prompt_of(*bytes, data->sample(Split::test, i, 260'000));
    CHECK(text.find("VARVAR=") == std::string::npos);
  }
}

TEST_CASE("Short names are all different, and too few are refused") {
  const auto data =
      dataset(*words, {{"letters", "1"}, {"digits", "1"}, {"chains", "8"}, {"hops", "2"}});
  const Sample sample = data->sample(Split::train, 0, 400);
  CHECK(solve(prompt_of(*words, sample)) == answer_of(*words, sample));
  CHECK_THROWS_WITH(dataset(*words, {{"letters", "1"}, {"hops", "30"}}),
                    Contains("letters: 1 are too few for 33 names"));
  CHECK_THROWS_WITH(dataset(*words, {{"digits", "1"}, {"chains", "11"}}),
                    Contains("digits: 1 are too few for 11 values"));
}

TEST_CASE("Variable tracking samples follow from seed, split and number") {
  check_reproducible("variable_tracking", {}, *words, 256);
  CHECK(task_vocabulary("variable_tracking") == variable_tracking_words());
}

}  // namespace
}  // namespace longreach::datasets
