// Tests datasets/scorers.cpp.
#include "datasets/scorers.h"

#include <catch2/catch.hpp>

namespace longreach::datasets {
namespace {

TEST_CASE("The first integer of text is its first run of digits, zeros and all") {
  CHECK(first_integer("the code is 04719.") == "04719");
  CHECK(first_integer("12 34") == "12");
  CHECK(first_integer("99") == "99");
  CHECK(first_integer("none here") == "");
  CHECK(first_integer("") == "");
}

TEST_CASE("Word tokens of single digits form one integer until another word ends it") {
  const auto words = word_tokenizer({"is", ".", "0", "4", "7"});
  CHECK(first_integer(*words, words->encode("is 4 7 0 . 7 7")) == "470");
  CHECK(first_integer(*words, words->encode("4 7")) == "47");
  CHECK(first_integer(*words, words->encode("is .")) == "");
}

TEST_CASE("Byte tokens give the same integer as the text they spell") {
  const auto bytes = byte_tokenizer();
  for (const std::string text : {"is 470. 77", "4 7", "", " .", "x12y34"}) {
    CHECK(first_integer(*bytes, bytes->encode(text)) == first_integer(text));
  }
}

TEST_CASE("Tokens of several characters start, continue and end an integer where its digits do") {
  const auto pieces = word_tokenizer({"is:4", "70", "1.", "x9"});
  CHECK(first_integer(*pieces, std::vector<Token>{0, 1, 2, 1}) == "4701");
  CHECK(first_integer(*pieces, std::vector<Token>{1, 3}) == "70");
}

TEST_CASE("Digit accuracy compares place by place") {
  CHECK(digit_accuracy("47192", "47192") == 1);
  CHECK(digit_accuracy("47199", "47192") == Approx(0.8));
  CHECK(digit_accuracy("7192", "47192") == 0);  // each digit one place off
  CHECK(digit_accuracy("471", "47192") == Approx(0.6));
  CHECK(digit_accuracy("471925", "47192") == 1);
  CHECK(digit_accuracy("", "47192") == 0);
}

TEST_CASE("Answers are compared whatever their case, white space and final punctuation") {
  CHECK(normalized_answer("  The   Green\n Lamp.  ") == "the green lamp");
  CHECK(normalized_answer("well, yes ?!.") == "well, yes");
  CHECK(normalized_answer("3.5") == "3.5");
  CHECK(normalized_answer(" ?! ") == "?!");  // nothing else: it is the answer
  CHECK(normalized_answer("") == "");
  CHECK(normalized_answer("\xc3\x84pfel") == "\xc3\x84pfel");  // letters beyond ASCII stay
  CHECK(exact_match(" 47192", "47192."));
  CHECK(exact_match("ANNA", "anna"));
  CHECK_FALSE(exact_match("anna b", "annab"));
  CHECK_FALSE(exact_match("47192 47192", "47192"));
  CHECK_FALSE(exact_match("", "?"));
}

TEST_CASE("The share found counts references inside the text, in any order") {
  const std::vector<std::string> references{" 123", "Blue  Door", "789", "4"};
  CHECK(found_share("it says 789, the blue door and 123", references) == Approx(0.75));
  CHECK(found_share("12 3", references) == 0);
  CHECK(found_share("a4", references) == Approx(0.25));
  CHECK(found_share("", references) == 0);
  CHECK(found_share("a", std::vector<std::string>{" \n"}) == 0);
  CHECK(found_share("", std::vector<std::string>{" \n"}) == 1);
}

TEST_CASE("Words overlap as bags: each counts as often as both sides have it") {
  // Said: the red red lamp (4 words); wanted: the red lamp of anna (5). Common: the, red, lamp.
  const WordOverlap overlap = word_overlap("The red, red lamp!", "the (red) lamp of Anna");
  CHECK(overlap.precision == Approx(3.0 / 4));
  CHECK(overlap.recall == Approx(3.0 / 5));
  CHECK(overlap.f1 == Approx(2 * 3.0 / (4 + 5)));  // 2 common / (said + wanted)
  const WordOverlap twice = word_overlap("red red", "red red blue");
  CHECK(twice.precision == 1);
  CHECK(twice.recall == Approx(2.0 / 3));
  CHECK(word_overlap("red", "red red").precision == 1);
  CHECK(word_overlap("red", "red red").recall == 0.5);
  CHECK(word_overlap("don't", "don't").f1 == 1);
  CHECK(word_overlap("dont", "don't").f1 == 0);
}

TEST_CASE("Without words there is no overlap but with another text that has none") {
  CHECK(word_overlap("", "red").f1 == 0);
  CHECK(word_overlap("red", "...").recall == 0);
  CHECK(word_overlap(" - ", "...").precision == 1);
  CHECK(word_overlap("green", "red").f1 == 0);
}

}  // namespace
}  // namespace longreach::datasets
