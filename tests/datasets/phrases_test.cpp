// Tests datasets/phrases.cpp.
#include "datasets/phrases.h"

#include <catch2/catch.hpp>

namespace longreach::datasets {
namespace {

TEST_CASE("An answer's references are its values without the space before them") {
  const auto bytes = byte_tokenizer();
  const std::vector<std::vector<Token>> values{bytes->encode(" ab"), bytes->encode(" c d")};
  Prompt prompt(*bytes);
  prompt.add(" which ?");
  const ListedAnswer answer(*bytes, values, prompt);
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
