// Tests datasets/draw.cpp.
#include "datasets/draw.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <map>
#include <numeric>
#include <set>

namespace longreach::datasets {
namespace {

TEST_CASE("A shuffle takes every order alike") {
  std::map<std::vector<int>, int> orders;
  Rng rng(1);
  for (int i = 0; i < 6000; ++i) {
    std::vector<int> values{1, 2, 3};
    shuffle(values, rng);
    ++orders[values];
  }
  CHECK(orders.size() == 6);
  // 1000 each, binomial deviation 28.9; five deviations allowed.
  for (const auto& [order, count] : orders) CHECK(std::abs(count - 1000) < 145);
}

TEST_CASE("Numbers drawn are different and in range") {
  Rng rng(2);
  for (i64 count = 0; count <= 10; ++count) {
    const std::vector<i64> drawn = draw_distinct(count, 10, rng);
    const std::set<i64> distinct(drawn.begin(), drawn.end());
    CHECK(std::ssize(distinct) == count);
    for (const i64 number : drawn) CHECK((0 <= number && number < 10));
  }
}

TEST_CASE("Numbers drawn by class keep classes together, and all come first alike") {
  constexpr std::array<std::size_t, 5> kClasses{0, 1, 0, 2, 1};
  std::array<i64, 5> first{};
  Rng rng(7);
  for (int i = 0; i < 5000; ++i) {
    const std::vector<i64> drawn = draw_by_class(4, kClasses, rng);
    REQUIRE(std::set(drawn.begin(), drawn.end()).size() == 4);
    std::vector<std::size_t> classes;
    for (const i64 number : drawn) classes.push_back(kClasses[static_cast<std::size_t>(number)]);
    const auto end = std::unique(classes.begin(), classes.end());
    CHECK(std::set(classes.begin(), end).size() == static_cast<std::size_t>(end - classes.begin()));
    ++first[static_cast<std::size_t>(drawn[0])];
  }
  // 1000 each, deviation 28.3; five allowed.
  for (const i64 count : first) CHECK(std::abs(count - 1000) < 142);
}

TEST_CASE("A number drawn for a share is one of its neighbours and right on average") {
  Rng rng(6);
  i64 sum = 0;
  for (int i = 0; i < 2000; ++i) {
    const i64 count = draw_count(1.25, rng);
    CHECK((count == 1 || count == 2));
    sum += count;
    CHECK(draw_count(3, rng) == 3);
  }
  // Deviation of the mean: sqrt(.25 * .75 / 2000) = .0097; five allowed.
  CHECK(static_cast<double>(sum) / 2000 == Approx(1.25).margin(0.049));
}

TEST_CASE("The first n even places leave no tenth of the range without its share") {
  for (const i64 n : {20, 50, 200}) {
    std::array<i64, 10> tenths{};
    for (i64 i = 0; i < n; ++i) ++tenths[static_cast<std::size_t>(10 * even_place(i))];
    for (const i64 count : tenths) CHECK(std::abs(count - n / 10) <= 1);
  }
  const double far = even_place(std::numeric_limits<i64>::max() - 1);
  CHECK((0 <= far && far < 1));
}

TEST_CASE("Gaps' shares sum to one and put the anchor where it should be") {
  Rng rng(3);
  for (i64 anchor = -1; anchor < 5; ++anchor) {
    const std::vector<double> shares = gap_shares(5, anchor, 0.3, rng);
    REQUIRE(shares.size() == 6);
    CHECK(std::accumulate(shares.begin(), shares.end(), 0.0) == Approx(1));
    for (const double share : shares) CHECK(share >= 0);
    if (anchor >= 0) {
      CHECK(std::accumulate(shares.begin(), shares.begin() + anchor + 1, 0.0) == Approx(0.3));
    }
  }
}

TEST_CASE("Without an anchor the gaps' shares are those of uniform places") {
  // The share before the first of 3 uniform places has mean 1 / 4 and deviation 0.194.
  Rng rng(4);
  double first = 0, last = 0;
  for (int i = 0; i < 2000; ++i) {
    const std::vector<double> shares = gap_shares(3, -1, 0, rng);
    first += shares.front();
    last += shares.back();
  }
  CHECK(first / 2000 == Approx(0.25).margin(0.022));
  CHECK(last / 2000 == Approx(0.25).margin(0.022));
}

TEST_CASE("What is drawn to take a word's place has its length in tokens and is another word") {
  const auto bytes = byte_tokenizer();
  constexpr std::array<std::string_view, 4> kPool{"red", "tan", "blue", "grey"};
  Rng rng(5);
  std::set<std::string_view> drawn;
  for (int i = 0; i < 20; ++i) drawn.insert(draw_as_long(*bytes, "red", kPool, rng).value());
  CHECK(drawn == std::set<std::string_view>{"tan"});
  CHECK_FALSE(draw_as_long(*bytes, "yellow", kPool, rng));
}

TEST_CASE("Numbers drawn without repetition are all of them in every order") {
  std::map<std::vector<i64>, i64> orders;
  Rng rng(1);
  for (i64 i = 0; i < 6000; ++i) ++orders[draw_distinct(3, 3, rng)];
  REQUIRE(orders.size() == 6);
  // 1000 +- 29 each.
  for (const auto& [order, count] : orders) CHECK(std::abs(count - 1000) < 150);
  const std::vector<i64> some = draw_distinct(5, 1000, rng);
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

}  // namespace
}  // namespace longreach::datasets
