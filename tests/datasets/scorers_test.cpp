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

}  // namespace
}  // namespace longreach::datasets
