// Tests metrics/blocks.cpp.
#include "metrics/blocks.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "tests/metrics/models.h"

namespace longreach::metrics {
namespace {

using Catch::Matchers::Contains;

std::vector<Token> counting(i64 n) {
  std::vector<Token> tokens(static_cast<std::size_t>(n));
  std::iota(tokens.begin(), tokens.end(), 0);
  return tokens;
}

std::vector<i64> ends(const std::vector<Block>& blocks) {
  std::vector<i64> out;
  for (const Block& block : blocks) out.push_back(block.end);
  return out;
}

TEST_CASE("Blocks lie spacing apart from the first end with a full context before it") {
  const std::vector<Token> text = counting(30);
  // A context of 10 reads tokens 0..9 and predicts token 10 at last: the first end is 11.
  CHECK(ends(spread_blocks({text}, 10, 5, 0, "test")) == std::vector<i64>{11, 16, 21, 26});
}

TEST_CASE("Fewer blocks than there are spread over all of them") {
  const std::vector<Token> text = counting(11 + 9);
  // Ten ends 11..20; two of them: numbers (2i + 1) * 10 / 4 = 2 and 7.
  CHECK(ends(spread_blocks({text}, 10, 1, 2, "test")) == std::vector<i64>{13, 18});
}

TEST_CASE("Every document that is long enough has blocks") {
  const std::vector<Token> one = counting(11), two = counting(10), three = counting(12);
  const std::vector<Block> blocks = spread_blocks({one, two, three}, 10, 1, 0, "test");
  REQUIRE(blocks.size() == 3);
  CHECK(blocks[0].document == 0);
  CHECK(blocks[1].document == 2);
  CHECK(blocks[2].document == 2);
}

TEST_CASE("Text shorter than the context is an error that says how long it is") {
  const std::vector<Token> text = counting(30);
  CHECK_THROWS_WITH(spread_blocks({text}, 30, 5, 0, "test"),
                    Contains("test:") && Contains("31 tokens") && Contains("longest has 30"));
}

/// "document end targets" of each, whose context is all in targets.
std::vector<std::string> windows(const std::vector<Block>& blocks) {
  std::vector<std::string> out;
  for (const Block& block : blocks) {
    CHECK(block.context == block.targets);
    out.push_back(fmt::format("{} {} {}", block.document, block.end, block.targets));
  }
  return out;
}

TEST_CASE("Windows over documents score every token but the first, the last window being short") {
  const std::vector<Token> one = counting(1), short_one = counting(4), exact = counting(11),
                           longer = counting(13), none;
  // Of 11 tokens 1 to 5 and 6 to 10 are targets; of 13 also 11 and 12, read after token 10.
  CHECK(windows(document_blocks({one, short_one, none, exact, longer}, 5, 0, "test")) ==
        std::vector<std::string>{"1 4 3", "3 6 5", "3 11 5", "4 6 5", "4 11 5", "4 13 2"});
  CHECK_THROWS_WITH(document_blocks({one, none}, 5, 0, "test"),
                    Contains("test:") && Contains("second token"));
}

TEST_CASE("A limit on tokens keeps evenly spread windows of all sizes below it, at least one") {
  const std::vector<Token> small = counting(3), large = counting(11);
  const Documents documents{small, small, large, small, small, large};
  // Sizes 2 2 10 2 2 10. Three windows are numbers 1, 3 and 5: 14 tokens.
  CHECK(windows(document_blocks(documents, 10, 14, "test")) ==
        std::vector<std::string>{"1 3 2", "3 3 2", "5 11 10"});
  // Five are 0, 1, 3, 4 and 5: 18.
  CHECK(document_blocks(documents, 10, 24, "test").size() == 5);
  CHECK(document_blocks(documents, 10, 28, "test").size() == 6);
  CHECK(document_blocks(documents, 10, 1, "test").size() == 1);
}

TEST_CASE("A block's hash depends on its targets and their place and on nothing before them") {
  std::vector<Token> text = counting(20), other = text;
  other[0] = 99;
  const Block block{0, 20, 8, 5};
  CHECK(block_sha({text}, block) == block_sha({other}, block));
  other[15] = 99;
  CHECK(block_sha({text}, block) != block_sha({other}, block));
  const std::vector<Token> constant(20, 1);
  CHECK(block_sha({constant}, {0, 20, 8, 5}) != block_sha({constant}, {0, 19, 8, 5}));
  CHECK(block_sha({constant, constant}, {0, 20, 8, 5}) !=
        block_sha({constant, constant}, {1, 20, 8, 5}));
}

TEST_CASE("The model reads exactly the context before the last target, and the losses are its") {
  // After token t this model gives t + 1 the logit 3, but only when it sees exactly 6 tokens.
  const model::Transformer model = oracle_model(
      40, [](std::span<const Token> seen) { return seen.size() == 6 ? seen.back() + 1 : -1; }, 3);
  const std::vector<Token> text = counting(40);
  const std::vector<Block> blocks{{0, 7, 6, 2}, {0, 30, 6, 2}};
  const auto losses = block_losses(model, {text}, blocks);
  REQUIRE(losses.size() == 2);
  const double uniform = std::log(40.0), predicted = std::log(39 + std::exp(3.0)) - 3;
  for (const auto& block : losses) {
    REQUIRE(block.size() == 2);
    CHECK(block[0] == Approx(uniform).epsilon(1e-5));
    CHECK(block[1] == Approx(predicted).epsilon(1e-5));
  }
}

TEST_CASE("Losses do not depend on how many blocks go side by side") {
  const model::Transformer model = full_model(40);
  std::vector<Token> text;
  Rng rng(5);
  for (int i = 0; i < 3000; ++i) text.push_back(static_cast<Token>(rng.below(40)));
  std::vector<Block> blocks = spread_blocks({text}, 700, 100, 0, "test");
  for (Block& block : blocks) block.targets = 10;
  REQUIRE(blocks.size() > 8192 / 700);  // several batches
  const auto together = block_losses(model, {text}, blocks);
  for (std::size_t i = 0; i < blocks.size(); i += 7) {
    const auto alone = block_losses(model, {text}, std::span(blocks).subspan(i, 1));
    for (std::size_t t = 0; t < 10; ++t) {
      CHECK(together[i][t] == Approx(alone[0][t]).epsilon(1e-5));
    }
  }
}

TEST_CASE("Blocks of several sizes keep their order and their own losses") {
  const model::Transformer model = full_model(40);
  const std::vector<Token> text = counting(40);
  const std::vector<Block> blocks{{0, 30, 6, 2}, {0, 9, 8, 8}, {0, 20, 6, 2}, {0, 40, 6, 5}};
  const auto together = block_losses(model, {text}, blocks);
  REQUIRE(together.size() == 4);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const auto alone = block_losses(model, {text}, std::span(blocks).subspan(i, 1));
    REQUIRE(together[i].size() == static_cast<std::size_t>(blocks[i].targets));
    for (std::size_t t = 0; t < alone[0].size(); ++t) {
      CHECK(together[i][t] == Approx(alone[0][t]).epsilon(1e-5));
    }
  }
}

}  // namespace
}  // namespace longreach::metrics
