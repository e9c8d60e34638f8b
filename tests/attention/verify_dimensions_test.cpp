// Tests of attention/verify_dimensions.h: what is drawn, and how far a failing case shrinks.
#include "attention/verify_dimensions.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <vector>

namespace longreach::attention {
namespace {

using Fails = std::function<bool(const Dimensions&)>;

/// The least and the most of a size over many draws.
struct Extremes {
  i64 least, most;
  bool operator==(const Extremes&) const = default;
};
Extremes extremes(const std::vector<Dimensions>& drawn, i64 (*size)(const Dimensions&)) {
  const auto [least, most] = std::ranges::minmax(drawn, {}, size);
  return {size(least), size(most)};
}

std::vector<Dimensions> draws(Dimensions (*draw)(Rng)) {
  std::vector<Dimensions> drawn;
  // So many that a size of seventy values misses none: e^(-3000 / 70) is 2e-19.
  for (i64 i = 0; i < 3000; ++i) drawn.push_back(draw(Rng(1).fork(i)));
  return drawn;
}

i64 tokens(const Dimensions& d) { return d.tokens; }
i64 batch(const Dimensions& d) { return d.batch; }
i64 kv_heads(const Dimensions& d) { return d.shape.kv_heads; }
i64 group(const Dimensions& d) { return d.shape.group(); }
i64 head_dim(const Dimensions& d) { return d.shape.head_dim; }
i64 repeated(const Dimensions& d) { return d.repeated; }

/// All that one step less of a single size makes of a case.
std::vector<Dimensions> one_less(const Dimensions& d) {
  std::vector<Dimensions> all;
  const auto [query_heads, kv, size] = d.shape;
  const i64 per_head = d.shape.group();
  const auto add = [&](const Shape& shape, i64 streams, i64 length, bool repeated) {
    all.push_back({shape, streams, length, repeated});
  };
  if (d.tokens > 1) add(d.shape, d.batch, d.tokens - 1, d.repeated);
  if (d.batch > 1) add(d.shape, d.batch - 1, d.tokens, d.repeated);
  if (kv > 1) add({(kv - 1) * per_head, kv - 1, size}, d.batch, d.tokens, d.repeated);
  if (per_head > 1) add({kv * (per_head - 1), kv, size}, d.batch, d.tokens, d.repeated);
  if (size > 2) add({query_heads, kv, size - 2}, d.batch, d.tokens, d.repeated);
  if (d.repeated) add(d.shape, d.batch, d.tokens, false);
  return all;
}

/// One size that matters, several, a sum and a product of them, and lengths that fail in steps.
const std::vector<Fails> kFailures{
    [](const Dimensions&) { return true; },
    [](const Dimensions& d) { return d.tokens >= 13; },
    [](const Dimensions& d) { return d.tokens >= 7 && group(d) >= 2; },
    [](const Dimensions& d) { return d.shape.query_heads >= 3; },
    [](const Dimensions& d) { return d.tokens * d.batch >= 30; },
    [](const Dimensions& d) { return d.tokens + d.shape.head_dim >= 40; },
    [](const Dimensions& d) { return d.tokens % 2 == 1 && d.tokens > 10; },
    [](const Dimensions& d) { return d.shape.head_dim % 8 == 0; },
    [](const Dimensions& d) { return d.tokens % 5 == d.batch; },
    [](const Dimensions& d) { return d.repeated && d.tokens >= 9; },
};

}  // namespace

TEST_CASE("Small draws reach the whole of their ranges and nothing beyond") {
  const std::vector<Dimensions> drawn = draws(draw_small);
  CHECK(extremes(drawn, tokens) == Extremes{1, 70});
  CHECK(extremes(drawn, batch) == Extremes{1, 3});
  CHECK(extremes(drawn, kv_heads) == Extremes{1, 3});
  CHECK(extremes(drawn, group) == Extremes{1, 4});
  CHECK(extremes(drawn, head_dim) == Extremes{2, 20});
  CHECK(extremes(drawn, repeated) == Extremes{0, 1});
}

TEST_CASE("Wide draws have heads of 64 or 128 and at most 70 tokens") {
  const std::vector<Dimensions> drawn = draws(draw_wide);
  CHECK(extremes(drawn, tokens) == Extremes{1, 70});
  CHECK(extremes(drawn, batch) == Extremes{1, 2});
  CHECK(extremes(drawn, head_dim) == Extremes{64, 128});
  CHECK(std::ranges::all_of(
      drawn, [](i64 size) { return size % 64 == 0; }, head_dim));
}

TEST_CASE("Long draws have 300 to 600 tokens of heads no larger than 16") {
  const std::vector<Dimensions> drawn = draws(draw_long);
  CHECK(extremes(drawn, tokens).least >= 300);
  CHECK(extremes(drawn, tokens).least <= 305);  // all but surely: e^(-3000 * 6 / 301)
  CHECK(extremes(drawn, tokens).most <= 600);
  CHECK(extremes(drawn, tokens).most >= 595);
  CHECK(extremes(drawn, head_dim) == Extremes{2, 16});
}

TEST_CASE("Every draw is a valid problem, the same again for the same numbers") {
  for (const auto draw : {draw_small, draw_wide, draw_long}) {
    for (i64 i = 0; i < 200; ++i) {
      const Dimensions drawn = draw(Rng(2).fork(i));
      CHECK_NOTHROW(validate(drawn.shape));
      CHECK(drawn == draw(Rng(2).fork(i)));
    }
  }
}

TEST_CASE("A failure of tokens and groups shrinks to exactly these") {
  const Dimensions start{{12, 3, 20}, 3, 70, true};
  CHECK(shrink(start, kFailures[0]) == Dimensions{{1, 1, 2}, 1, 1});
  CHECK(shrink(start, kFailures[1]) == Dimensions{{1, 1, 2}, 1, 13});
  CHECK(shrink(start, kFailures[2]) == Dimensions{{2, 1, 2}, 1, 7});
}

TEST_CASE("What a failing case shrinks to fails, and nothing one step smaller does") {
  for (std::size_t which = 0; which < kFailures.size(); ++which) {
    const Fails& fails = kFailures[which];
    i64 tried = 0;
    for (i64 i = 0; i < 300; ++i) {
      const Rng rng = Rng(3).fork(i);
      const Dimensions start = i % 2 == 0 ? draw_small(rng) : draw_long(rng);
      if (!fails(start)) continue;
      ++tried;
      const Dimensions small = shrink(start, fails);
      CAPTURE(which, describe(start), describe(small));
      REQUIRE(fails(small));
      REQUIRE(std::ranges::none_of(one_less(small), fails));
    }
    CAPTURE(which);
    CHECK(tried > 20);
  }
}

TEST_CASE("Shrinking asks no more often than it may, and then returns what still fails") {
  const Dimensions start{{12, 3, 20}, 3, 600};
  for (const int attempts : {0, 1, 2, 5, 20, 200}) {
    for (const Fails& fails : kFailures) {
      if (!fails(start)) continue;
      int asked = 0;
      const auto counted = [&](const Dimensions& d) {
        ++asked;
        return fails(d);
      };
      const Dimensions small = shrink(start, counted, attempts);
      CAPTURE(attempts, asked, describe(small));
      CHECK(asked <= attempts);
      CHECK(fails(small));
      if (attempts == 0) CHECK(small == start);
    }
  }
}

TEST_CASE("A case is described by its heads, batch and tokens, and by whether these are repeated") {
  CHECK(describe({{4, 2, 8}, 2, 13}) == "heads 4/2 x 8, batch 2, 13 tokens");
  CHECK(describe({{4, 2, 8}, 2, 13, true}) == "heads 4/2 x 8, batch 2, 13 tokens repeated");
}

}  // namespace longreach::attention
