// Tests datasets/split_pattern.cpp, with the patterns of known models on texts cut by hand.
#include "datasets/split_pattern.h"

#include <catch2/catch.hpp>

#include "tests/datasets/bpe_files.h"

namespace longreach::datasets {
namespace {

using Catch::Matchers::Contains;
using Pieces = std::vector<std::string>;
using Kind = SplitPattern::Kind;

const std::string kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

Pieces cut(const SplitPattern& pattern, const std::vector<std::string_view>& texts) {
  const std::vector<std::string_view> pieces = pattern.split(texts);
  return {pieces.begin(), pieces.end()};
}
Pieces cut(const std::string& regex, std::string_view text) {
  return cut(SplitPattern(regex, Kind::regex, "here"), {text});
}

TEST_CASE("GPT-2's pattern keeps words with the space before them and numbers whole") {
  CHECK(cut(kGpt2, "He's got 3500  dogs.\n\n  Yes") ==
        Pieces{"He", "'s", " got", " 3500", " ", " dogs", ".", "\n\n ", " Yes"});
  CHECK(cut(kGpt2, "HE'S") == Pieces{"HE", "'", "S"});  // small letters only
  CHECK(cut(kGpt2, "caf\xC3\xA9!  ") == Pieces{"caf\xC3\xA9", "!", "  "});
  CHECK(cut(kGpt2, "").empty());
}

TEST_CASE("Llama 3's pattern cuts numbers into threes and keeps line breaks with marks") {
  CHECK(cut(kLlama3, "He's got 3500  dogs.\n\n  Yes") ==
        Pieces{"He", "'s", " got", " ", "350", "0", " ", " dogs", ".\n\n", " ", " Yes"});
  CHECK(cut(kLlama3, "HE'S \"it\"") == Pieces{"HE", "'S", " \"", "it", "\""});
  CHECK(cut(kLlama3, " \n \nx") == Pieces{" \n \n", "x"});
  CHECK(cut(kLlama3, "\xE3\x80\x80\xE6\x97\xA5") == Pieces{"\xE3\x80\x80\xE6\x97\xA5"});
}

TEST_CASE("Qwen 2's pattern makes a piece of each digit") {
  CHECK(cut(kQwen2, "in 1999, I'LL") == Pieces{"in", " ", "1", "9", "9", "9", ",", " I", "'LL"});
}

TEST_CASE("Steps cut the pieces of the step before, and see no further than their ends") {
  const SplitPattern digits(R"(\p{N})", Kind::regex, "here"), words(kGpt2, Kind::regex, "here");
  // The space before 3 ends its piece, so it is not kept for a following word.
  const std::vector<std::string_view> pieces = digits.split({"He's got 35  dogs"});
  CHECK(Pieces(pieces.begin(), pieces.end()) == Pieces{"He's got ", "3", "5", "  dogs"});
  CHECK(cut(words, pieces) == Pieces{"He", "'s", " got", " ", "3", "5", " ", " dogs"});
}

TEST_CASE("What no match covers is a piece too, and an empty match cuts") {
  CHECK(cut("b+", "abbcb") == Pieces{"a", "bb", "c", "b"});
  CHECK(cut("x*", "a\xC3\xA9xb") == Pieces{"a", "\xC3\xA9", "x", "b"});
  CHECK(cut("z", "ab") == Pieces{"ab"});
  CHECK(cut("(?=b)", "abab") == Pieces{"a", "ba", "b"});
}

TEST_CASE("A literal is no pattern") {
  CHECK(cut(SplitPattern(".", Kind::literal, "here"), {"a.b"}) == Pieces{"a", ".", "b"});
  CHECK(cut(SplitPattern("\\E.", Kind::literal, "here"), {"a\\E.b"}) == Pieces{"a", "\\E.", "b"});
}

TEST_CASE("A pattern that does not compile is refused with its place") {
  const auto refusal = [](const std::string& regex) {
    return message_of([&] { SplitPattern(regex, Kind::regex, "here"); });
  };
  CHECK_THAT(refusal("a(b"), Contains("here: the split pattern 'a(b' does not compile"));
  CHECK_THAT(refusal("[a"), Contains("does not compile"));
  CHECK_THAT(refusal("\xFF"), Contains("does not compile"));
  CHECK_THAT(refusal("\\p{Nothing}"), Contains("does not compile"));
  CHECK_THAT(refusal("\\C"), Contains("does not compile"));
  CHECK_THAT(refusal(std::string(100'000, '(') + std::string(100'000, ')')),
             Contains("does not compile"));
  CHECK_THAT(refusal("(?:(?:a{1000}){1000}){1000}"), Contains("does not compile"));
}

TEST_CASE("A pattern whose steps explode on a text is stopped") {
  // Each further letter doubles the ways to cut the run, and none leads to a digit.
  const std::string text = std::string(60, 'a') + "!1";
  for (const std::string regex : {"(?:a|aa)+[0-9]", "(a+)+[0-9]", "(?:a*)*\\d", "(a?){60}[0-9]"}) {
    INFO(regex);
    CHECK_THAT(message_of([&] { cut(regex, text); }), Contains("fails on a text of 62 bytes"));
  }
  CHECK_THAT(message_of([&] { cut("^(\\((?1)*\\))*$", std::string(1'000'000, '(')); }),
             Contains("fails on a text"));
}

TEST_CASE("Long runs are cut in about the time it takes to read them") {
  for (const std::string& regex : {kGpt2, kLlama3, kQwen2}) {
    for (const std::string run : {" ", "a", "\n", "1", "!", "\xC3\xA9", " \n", "a "}) {
      std::string text;
      while (text.size() < 200'000) text += run;
      std::string joined;
      for (const std::string& piece : cut(regex, text)) joined += piece;
      const bool same = joined == text;
      CHECK(same);
    }
  }
}

}  // namespace
}  // namespace longreach::datasets
