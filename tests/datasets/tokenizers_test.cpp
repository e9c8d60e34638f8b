// Tests datasets/tokenizers.cpp.
#include <catch2/catch.hpp>
#include <numeric>

#include "core/error.h"
#include "datasets/tokenizer.h"

namespace longreach::datasets {
namespace {

using Catch::Matchers::Contains;

TEST_CASE("Bytes round-trip all 256 values, each as its own number") {
  const auto tokenizer = byte_tokenizer();
  std::string text(256, '\0');
  std::iota(text.begin(), text.end(), '\0');
  const std::vector<Token> tokens = tokenizer->encode(text);
  REQUIRE(tokens.size() == 256);
  for (std::size_t byte = 0; byte < 256; ++byte) CHECK(tokens[byte] == static_cast<Token>(byte));
  CHECK(tokenizer->decode(tokens) == text);
  CHECK(tokenizer->vocabulary_size() == 256);
  CHECK(tokenizer->encode("").empty());
}

TEST_CASE("Words are cut at any run of spaces and joined by single ones") {
  const auto tokenizer = word_tokenizer({"the", "sea", ".", "4", "7"});
  const std::vector<Token> tokens = tokenizer->encode("  the\tsea \n. 7 ");
  CHECK(tokens == std::vector<Token>{0, 1, 2, 4});
  CHECK(tokenizer->decode(tokens) == "the sea . 7");
  CHECK(tokenizer->vocabulary_size() == 5);
  CHECK(tokenizer->encode(" \n").empty());
}

TEST_CASE("A piece that is no word becomes its characters, and a word stays whole") {
  const auto tokenizer = word_tokenizer({"4", "7", "47"});
  CHECK(tokenizer->encode("744") == std::vector<Token>{1, 0, 0});
  CHECK(tokenizer->encode("47") == std::vector<Token>{2});
}

TEST_CASE("Text without a token is named in the error") {
  const auto tokenizer = word_tokenizer({"the", "sea"});
  CHECK_THROWS_WITH(tokenizer->encode("the hill"), Contains("'hill'"));
  CHECK_THROWS_AS(tokenizer->decode(std::vector<Token>{2}), Error);
  CHECK_THROWS_AS(byte_tokenizer()->decode(std::vector<Token>{256}), Error);
  CHECK_THROWS_AS(byte_tokenizer()->decode(std::vector<Token>{-1}), Error);
}

TEST_CASE("Word lists with doubled, empty or spaced words are refused") {
  CHECK_THROWS_WITH(word_tokenizer({"sea", "sea"}), Contains("twice"));
  CHECK_THROWS_AS(word_tokenizer({""}), Error);
  CHECK_THROWS_AS(word_tokenizer({"the sea"}), Error);
}

TEST_CASE("A tokenizer's hash depends on its words and their order") {
  CHECK(word_tokenizer({"a", "b"})->sha() == word_tokenizer({"a", "b"})->sha());
  CHECK(word_tokenizer({"a", "b"})->sha() != word_tokenizer({"b", "a"})->sha());
  CHECK(word_tokenizer({"a", "b"})->sha() != word_tokenizer({"ab"})->sha());
  CHECK(byte_tokenizer()->sha() != word_tokenizer({})->sha());
}

}  // namespace
}  // namespace longreach::datasets
