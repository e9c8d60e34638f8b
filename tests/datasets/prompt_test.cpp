// Tests datasets/prompt.cpp.
#include "datasets/prompt.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <numeric>
#include <set>
#include <sstream>

#include "core/error.h"
#include "tests/datasets/files.h"

namespace longreach::datasets {
namespace {

using Catch::Matchers::Contains;

std::string text(const Tokenizer& tokenizer, const std::vector<Token>& tokens) {
  return tokenizer.decode(tokens);
}

TEST_CASE("A prompt has exactly the length asked for, whatever the gaps' shares") {
  const auto bytes = byte_tokenizer();
  const auto haystack = make_haystack({}, *bytes);
  const auto seed = GENERATE(1, 2, 3);
  Rng rng(static_cast<std::uint64_t>(seed));
  INFO("seed " << seed);
  for (int round = 0; round < 50; ++round) {
    Prompt prompt(*bytes);
    double shares = 0;
    for (i64 part = 0, parts = 1 + rng.below(6); part < parts; ++part) {
      const double share = rng.below(3) == 0 ? 0 : rng.uniform();
      shares += share;
      prompt.gap(share);
      prompt.add(std::string(static_cast<std::size_t>(1 + rng.below(20)), 'x'));
    }
    if (shares == 0) prompt.gap(1);
    const i64 length = prompt.smallest() + rng.below(400);
    const Prompt::Assembled made = prompt.assemble(length, *haystack, Split::test, rng, "test");
    CHECK(std::ssize(made.tokens) == length);
    i64 covered = 0;
    for (const Span& span : made.pieces) {
      covered += span.length;
      for (i64 t = span.begin; t < span.end(); ++t) CHECK(made.tokens[t] == 'x');
    }
    for (const Span& span : made.filler) covered += span.length;
    CHECK(covered == length);
  }
}

TEST_CASE("Gaps share the room as they say and end with whole sentences") {
  const auto words = word_tokenizer([] {
    auto all = haystack_words();
    all.push_back("KEY");
    return all;
  }());
  Prompt prompt(*words);
  prompt.gap(1);
  const Prompt::Piece key = prompt.add(" KEY");
  prompt.gap(3);
  const auto made = prompt.assemble(101, *make_haystack({}, *words), Split::test, Rng(5), "test");
  CHECK(made.pieces[key].begin == 25);
  REQUIRE(made.filler.size() == 2);
  CHECK(made.filler[0].length == 25);
  CHECK(made.filler[1].length == 75);
  CHECK(words->decode(std::span(made.tokens).subspan(24, 1)) == ".");
  CHECK(words->decode(std::span(made.tokens).last(1)) == ".");
}

TEST_CASE("More filler keeps what the less of it ended with") {
  const auto bytes = byte_tokenizer();
  const auto haystack = make_haystack({}, *bytes);
  std::vector<Token> few, many;
  haystack->append(100, Split::test, Rng(3), few);
  haystack->append(1000, Split::test, Rng(3), many);
  CHECK(std::equal(few.rbegin(), few.rend(), many.rbegin()));
  std::vector<Token> other;
  haystack->append(100, Split::test, Rng(4), other);
  CHECK(other != few);
}

TEST_CASE("A prompt that does not fit says what the smallest length is") {
  const auto bytes = byte_tokenizer();
  const auto haystack = make_haystack({}, *bytes);
  Prompt prompt(*bytes);
  prompt.add("12345");
  CHECK_THROWS_WITH(prompt.assemble(4, *haystack, Split::test, Rng(1), "needle"),
                    Contains("needle: 4 tokens: does not fit; smallest length is 5"));
  CHECK_THROWS_WITH(prompt.assemble(6, *haystack, Split::test, Rng(1), "needle"),
                    Contains("the only length is 5"));
  CHECK(prompt.assemble(5, *haystack, Split::test, Rng(1), "needle").tokens.size() == 5);
}

TEST_CASE("Noise repeats one sentence and takes no file") {
  const auto bytes = byte_tokenizer();
  const auto haystack = make_haystack({.kind = HaystackKind::noise, .path = ""}, *bytes);
  std::vector<Token> tokens;
  haystack->append(200, Split::test, Rng(1), tokens);
  const std::string written = text(*bytes, tokens);
  const std::string sentence = " the grass is green . the sky is blue . the sun is yellow .";
  CHECK(written.ends_with(sentence + sentence));
  CHECK_THROWS_WITH(make_haystack({.kind = HaystackKind::noise, .path = "x"}, *bytes),
                    Contains("haystack: prose"));
}

TEST_CASE("A file of the user's gives its sentences in order, again and again, and its hash") {
  const TempFolder folder;
  const std::string path = folder / "own.txt";
  std::ofstream(path) << "One is 1.5 long.  Two\nfollows! Is it three?\n\nFour";
  const auto bytes = byte_tokenizer();
  const auto haystack = make_haystack({.kind = HaystackKind::prose, .path = path}, *bytes);
  std::vector<Token> tokens;
  haystack->append(200, Split::test, Rng(1), tokens);
  const std::string all = " One is 1.5 long. Two\nfollows! Is it three? Four";
  CHECK(text(*bytes, tokens).find(all + all) != std::string::npos);
  CHECK(haystack->sha().size() == 64);
  std::ofstream(path, std::ios::app) << " Five.";
  CHECK(make_haystack({.kind = HaystackKind::prose, .path = path}, *bytes)->sha() !=
        haystack->sha());
}

TEST_CASE("Train and test read disjoint sentences of a user's file that has enough of them") {
  const TempFolder folder;
  const auto bytes = byte_tokenizer();
  const auto numbers_of = [&](const Haystack& haystack, Split split) {
    std::set<std::string> found;
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
      std::vector<Token> tokens;
      haystack.append(900, split, Rng(seed), tokens);
      const std::string read = text(*bytes, tokens);
      std::istringstream in(read.substr(read.find('.') + 1));  // the first may be cut
      for (std::string word; in >> word;) {
        if (word.find_first_of("0123456789") != std::string::npos) found.insert(word);
      }
    }
    return found;
  };
  for (const i64 sentences : {19, 20, 100}) {
    std::string content;
    for (i64 i = 0; i < sentences; ++i) content += "Number " + std::to_string(i) + " . ";
    const std::string path = folder.write("own.txt", content);
    const auto haystack = make_haystack({.kind = HaystackKind::prose, .path = path}, *bytes);
    std::set<std::string> train, test;
    for (i64 i = 0; i < sentences; ++i) {
      const bool held_out = sentences - i <= sentences / 10;
      if (!held_out || sentences < 20) train.insert(std::to_string(i));
      if (held_out || sentences < 20) test.insert(std::to_string(i));
    }
    CHECK(numbers_of(*haystack, Split::train) == train);
    CHECK(numbers_of(*haystack, Split::test) == test);
    CHECK_THAT(haystack->description(),
               Contains(sentences < 20 ? "too few to hold some out"
                                       : fmt::format("the last {} for test", sentences / 10)));
  }
}

TEST_CASE("A file without text is refused") {
  const TempFolder folder;
  const std::string path = folder / "blank.txt";
  std::ofstream(path) << " \n ";
  CHECK_THROWS_AS(make_haystack({.kind = HaystackKind::prose, .path = path}, *byte_tokenizer()),
                  Error);
}

TEST_CASE("Answers weigh 1 together and all else a tenth, but for the first token") {
  const std::vector<Question> questions{{.answer = {5, 2}}, {.answer = {9, 3}}};
  const std::vector<float> weights = answer_weights(20, questions);
  REQUIRE(weights.size() == 20);
  CHECK(weights[0] == 0);
  CHECK(weights[5] == Approx(0.2));
  CHECK(weights[11] == Approx(0.2));
  CHECK(weights[7] == Approx(0.1 / 14));
  CHECK(std::accumulate(weights.begin(), weights.end(), 0.0) == Approx(1.1));
}

}  // namespace
}  // namespace longreach::datasets
