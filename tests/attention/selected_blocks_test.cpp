// Tests of attention/selected_blocks.cpp: which blocks are chosen, and how many pairs that makes.
#include "attention/selected_blocks.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <set>

namespace longreach::attention {
namespace {

/// Blocks chosen for a token of block `c`, given the scores of those that compete.
std::vector<float> chosen(const BlockRule& rule, i64 c, const std::vector<float>& scores) {
  CHECK(rule.candidates(c) == std::ssize(scores));
  std::vector<float> blocks(static_cast<std::size_t>(rule.top));
  choose_blocks(rule, c, scores.data(), blocks.data());
  return blocks;
}

}  // namespace

TEST_CASE("The best scores are chosen, their blocks numbered from the start of the stream") {
  const BlockRule rule{.block = 4, .top = 2, .local = 1, .sinks = 3};
  CHECK(chosen(rule, 9, {0.5F, -1, 3, 2, 1}) == std::vector<float>{3 + 2, 3 + 3});
  CHECK(chosen(rule, 9, {-5, -1, -3, -2, -4}) == std::vector<float>{3 + 1, 3 + 3});
}

TEST_CASE("Of blocks with equal scores the earlier are chosen") {
  const BlockRule rule{.block = 4, .top = 3, .local = 1, .sinks = 0};
  CHECK(chosen(rule, 7, {1, 1, 1, 1, 1, 1}) == std::vector<float>{0, 1, 2});
  CHECK(chosen(rule, 7, {1, 2, 1, 2, 1, 2}) == std::vector<float>{1, 3, 5});
  CHECK(chosen(rule, 7, {0, 2, 1, 1, 2, 1}) == std::vector<float>{1, 2, 4});
}

TEST_CASE("Scores that are not numbers still choose as many different blocks") {
  const BlockRule rule{.block = 4, .top = 3, .local = 1, .sinks = 0};
  for (const std::vector<float>& scores :
       {std::vector<float>{NAN, NAN, NAN, NAN, NAN}, std::vector<float>{1, NAN, 3, NAN, 2},
        std::vector<float>{NAN, 1, NAN, 2, 3}}) {
    const std::vector<float> blocks = chosen(rule, 6, scores);
    CHECK(std::set<float>(blocks.begin(), blocks.end()).size() == 3);
    CHECK(std::ranges::is_sorted(blocks));
  }
}

TEST_CASE("Pairs and scored blocks in closed form are the sums over tokens") {
  for (const BlockRule& rule : {BlockRule{1, 1, 0, 0}, BlockRule{3, 2, 1, 1}, BlockRule{4, 1, 0, 2},
                                BlockRule{5, 8, 2, 0}, BlockRule{64, 8, 1, 1}}) {
    i64 pairs = 0, scored = 0;
    for (i64 t = 0; t < 200; ++t) {
      CAPTURE(rule.block, rule.top, t);
      CHECK(rule.pairs_before(t) == pairs);
      CHECK(rule.scored_before(t) == scored);
      const i64 c = t / rule.block, competing = std::max<i64>(0, c - rule.local - rule.sinks);
      // Whole blocks: all before the own one but those that lost.
      pairs += rule.block * (c - std::max<i64>(0, competing - rule.top)) + t % rule.block + 1;
      if (competing > rule.top) scored += competing;
    }
  }
}

}  // namespace longreach::attention
