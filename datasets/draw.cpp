// The drawing of draw.h.
#include "datasets/draw.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>

#include "core/error.h"

namespace longreach::datasets {

std::vector<i64> draw_distinct(i64 count, i64 of, Rng& rng) {
  check(0 <= count && count <= of, "there are that many different numbers");
  std::vector<i64> numbers(static_cast<std::size_t>(of));
  std::iota(numbers.begin(), numbers.end(), 0);
  for (i64 i = 0; i < count; ++i) {
    std::swap(numbers[static_cast<std::size_t>(i)],
              numbers[static_cast<std::size_t>(i + rng.below(of - i))]);
  }
  numbers.resize(static_cast<std::size_t>(count));
  return numbers;
}

std::vector<i64> draw_by_class(i64 count, std::span<const std::size_t> classes, Rng& rng) {
  std::vector<i64> numbers = draw_distinct(std::ssize(classes), std::ssize(classes), rng);
  const auto class_of = [classes](i64 number) { return classes[static_cast<std::size_t>(number)]; };
  for (auto first = numbers.begin(); first != numbers.end();) {
    first = std::stable_partition(first, numbers.end(), [&, one = class_of(*first)](i64 number) {
      return class_of(number) == one;
    });
  }
  check(0 <= count && count <= std::ssize(numbers), "there are that many numbers");
  numbers.resize(static_cast<std::size_t>(count));
  return numbers;
}

i64 draw_count(double expected, Rng& rng) {
  return static_cast<i64>(std::floor(expected + rng.uniform()));
}

double even_place(i64 index) {
  // Multiples of 1 / golden ratio modulo 1, in fixed point so that large numbers keep their places.
  constexpr std::uint64_t kInverseGoldenRatio = 0x9E3779B97F4A7C15;
  const std::uint64_t place = (static_cast<std::uint64_t>(index) + 1) * kInverseGoldenRatio;
  return static_cast<double>(place >> 11) * 0x1p-53;
}

std::vector<double> gap_shares(i64 facts, i64 anchor, double place, Rng& rng) {
  check(facts >= 1 && anchor < facts && 0 <= place && place <= 1, "a place for a fact there is");
  std::vector<double> places(static_cast<std::size_t>(facts));
  for (i64 i = 0; i < facts; ++i) {
    double& at = places[static_cast<std::size_t>(i)];
    at = rng.uniform();
    if (anchor >= 0) at = i < anchor ? place * at : i == anchor ? place : place + (1 - place) * at;
  }
  std::ranges::sort(places);
  std::vector<double> shares;
  double before = 0;
  for (const double at : places) {
    shares.push_back(at - before);
    before = at;
  }
  shares.push_back(1 - before);
  return shares;
}

std::string draw_text(i64 count, std::string_view alphabet, Rng& rng) {
  std::string text(static_cast<std::size_t>(count), ' ');
  for (char& c : text) c = pick(alphabet, rng);
  return text;
}

std::string draw_unlike(const std::function<std::string()>& draw,
                        std::span<const std::string> used) {
  while (true) {
    std::string text = draw();
    if (std::ranges::find(used, text) == used.end()) return text;
  }
}

std::vector<Token> draw_alike(std::size_t count, const std::function<std::vector<Token>()>& draw) {
  constexpr int kDraws = 64;
  for (int i = 0; i < kDraws; ++i) {
    std::vector<Token> tokens = draw();
    if (tokens.size() == count) return tokens;
  }
  return {};
}

std::optional<std::string_view> draw_as_long(const Tokenizer& tokenizer, std::string_view text,
                                             std::span<const std::string_view> pool, Rng& rng) {
  const auto tokens = [&tokenizer](std::string_view value) {
    return tokenizer.encode(" " + std::string(value)).size();
  };
  const std::size_t wanted = tokens(text);
  std::vector<std::string_view> choice;
  for (const std::string_view value : pool) {
    if (value != text && tokens(value) == wanted) choice.push_back(value);
  }
  if (choice.empty()) return std::nullopt;
  return pick(choice, rng);
}

}  // namespace longreach::datasets
