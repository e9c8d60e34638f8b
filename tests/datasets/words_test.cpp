// Tests datasets/words.cpp.
#include "datasets/words.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <set>

namespace longreach::datasets {
namespace {

TEST_CASE("Numbers drawn without repetition are all of them in every order") {
  std::map<std::vector<i64>, i64> orders;
  for (i64 i = 0; i < 6000; ++i) ++orders[draw_distinct(3, 3, Rng(1).fork(i))];
  REQUIRE(orders.size() == 6);
  // 1000 +- 29 each.
  for (const auto& [order, count] : orders) CHECK(std::abs(count - 1000) < 150);
  const std::vector<i64> some = draw_distinct(5, 1000, Rng(2));
  CHECK(std::set<i64>(some.begin(), some.end()).size() == 5);
  CHECK(*std::ranges::max_element(some) < 1000);
}

TEST_CASE("A random text has each character of its alphabet alike") {
  Rng rng(3);
  const std::string text = draw_text(9000, "xyz", rng);
  REQUIRE(text.size() == 9000);
  // 3000 +- 45.
  for (const char c : {'x', 'y', 'z'}) CHECK(std::abs(std::ranges::count(text, c) - 3000) < 230);
}

TEST_CASE("Other tokens are as many as asked for, or none when none are found") {
  Rng rng(4);
  const auto draw = [&] { return std::vector<Token>(static_cast<std::size_t>(rng.below(4))); };
  CHECK(draw_alike(3, draw).size() == 3);
  CHECK(draw_alike(4, draw).empty());
}

TEST_CASE("An answer's references are its values without the space before them") {
  const auto bytes = byte_tokenizer();
  const std::vector<std::vector<Token>> values{bytes->encode(" ab"), bytes->encode(" c d")};
  Prompt prompt(*bytes);
  prompt.add(" which ?");
  const Answer answer(*bytes, values, prompt);
  const Prompt::Assembled made =
      prompt.assemble(prompt.smallest(), *make_haystack({}, *bytes), Split::test, Rng(1), "test");
  CHECK(bytes->decode(made.tokens) == " which ? ab , c d");
  const Question question = answer.question(made);
  CHECK(question.references == std::vector<std::string>{"ab", "c d"});
  CHECK(question.answer.begin == 8);
  CHECK(question.answer.length == 9);
  CHECK(answer.value(1, made).begin == 13);
  CHECK(joined(*bytes, values) == bytes->encode(" ab , c d"));
}

}  // namespace
}  // namespace longreach::datasets
