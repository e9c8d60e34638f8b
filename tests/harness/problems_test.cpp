// Problems of a configuration: each once, in order, no more than people read.
#include "harness/problems.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "core/error.h"

using namespace longreach;
using namespace longreach::harness;

namespace {

std::string text_of(const Problems& problems) {
  try {
    problems.raise();
  } catch (const Error& failure) {
    return failure.what();
  }
  return "";
}

}  // namespace

TEST_CASE("Problems are told in the order found, each once, and none is no error") {
  Problems problems;
  CHECK(problems.empty());
  CHECK(text_of(problems) == "");
  for (const char* text : {"b", "a", "b"}) problems.add(text);
  CHECK(text_of(problems) == "b\na");
}

TEST_CASE("Of many problems fifty are told and the others counted, each once") {
  Problems problems;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 73; ++i) problems.add(fmt::format("problem {}", i));
  }
  CHECK(problems.full());
  const std::string text = text_of(problems);
  CHECK(std::ranges::count(text, '\n') == 50);
  CHECK(text.ends_with("problem 49\nand 23 more; put these right first"));
}

TEST_CASE("What strangers wrote is shown on one line, without control characters, shortened") {
  CHECK(one_line("a\nb\tc\x1b[0m") == "a\\nb\\x09c\\x1b[0m");
  CHECK(one_line("h\xC3\xA9") == "h\xC3\xA9");
  CHECK(one_line("h\xC3") == "h\\xc3");
  const std::string shown = one_line(std::string(299, 'a') + std::string(400, 'b') + "end");
  CHECK(shown.size() < 450);
  CHECK(shown.starts_with("aaa"));
  CHECK(shown.ends_with("bend"));
  // No character is cut in two: 151 of two bytes each begin before the 300th byte.
  std::string accents = "x";
  for (int i = 0; i < 400; ++i) accents += "\xC3\xA9";
  const std::string cut = one_line(accents);
  CHECK(cut.substr(297, 7) == "\xC3\xA9 ... ");
}
