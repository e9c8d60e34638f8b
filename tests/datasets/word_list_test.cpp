// Tests datasets/word_list.cpp.
#include "datasets/word_list.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

namespace longreach::datasets {
namespace {

TEST_CASE("List words are all different, of five letters, and no words of our haystacks") {
  const std::vector<std::string>& words = list_words();
  REQUIRE(std::ssize(words) == kListWords);
  CHECK(std::set<std::string>(words.begin(), words.end()).size() == words.size());
  const std::vector<std::string> haystack = haystack_words();
  for (const std::string& word : words) {
    CHECK(word.size() == 5);
    CHECK(std::ranges::find(haystack, word) == haystack.end());
  }
}

TEST_CASE("A list has each word as often as told, in an order of its own, after prose that fills") {
  const auto bytes = byte_tokenizer();
  const WordList list(*bytes, " . which ? they are :");
  const std::string a = list_words()[7], b = list_words()[8], c = list_words()[9];
  // " read this list of words :", " . which ? they are :" and " xxxxx , xxxxx".
  const std::vector<WordList::Word> asked{8, 7};
  CHECK(list.size_around(asked) == 26 + 21 + 14);
  CHECK(list.size_of(7) == 6);
  CHECK(list.size_of(WordList::kDots) == 4);
  const WordList::Task task{
      .counts = {{7, 3}, {8, 4}, {WordList::kDots, 2}}, .asked = asked, .spare = {9}};
  const i64 smallest = 61 + 7 * 6 + 2 * 4;
  std::set<std::string> orders;
  for (i64 i = 0; i < 20; ++i) {
    const Sample sample = list.write(Split::test, smallest + 30, task, Rng(1).fork(i), "test");
    REQUIRE(std::ssize(sample.tokens) == smallest + 30);
    REQUIRE(sample.filler.size() == 1);
    CHECK(sample.filler[0].begin == 0);
    CHECK(sample.filler[0].length == 30);
    const Span& evidence = sample.last().evidence.front();
    const std::string text = bytes->decode(std::span(sample.tokens)
                                               .subspan(static_cast<std::size_t>(evidence.begin),
                                                        static_cast<std::size_t>(evidence.length)));
    orders.insert(text);
    const auto count = [&](const std::string& word) {
      i64 found = 0;
      for (std::size_t at = text.find(word); at != text.npos; at = text.find(word, at + 1)) ++found;
      return found;
    };
    CHECK(count(" " + a) == 3);
    CHECK(count(" " + b) == 4);
    CHECK(count(" ...") == 2);
    CHECK(count(" " + c) == 0);
    CHECK(sample.last().references == std::vector<std::string>{b, a});
  }
  CHECK(orders.size() == 20);
  CHECK_THROWS_WITH(list.write(Split::test, smallest - 1, task, Rng(1), "test"),
                    Catch::Matchers::Contains("smallest length is 111"));
}

}  // namespace
}  // namespace longreach::datasets
