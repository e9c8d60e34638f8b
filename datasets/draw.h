// What the task generators draw alike: choices, orders, and where facts lie in the filler.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/random.h"
#include "datasets/tokenizer.h"

namespace longreach::datasets {

/// One of the values, all being equally likely; there is at least one.
template <class Values>
const auto& pick(const Values& values, Rng& rng) {
  return values[static_cast<std::size_t>(rng.below(std::ssize(values)))];
}

/// Fisher-Yates: every order is equally likely.
template <class T>
void shuffle(std::vector<T>& values, Rng& rng) {
  for (i64 i = std::ssize(values) - 1; i > 0; --i) {
    std::swap(values[static_cast<std::size_t>(i)],
              values[static_cast<std::size_t>(rng.below(i + 1))]);
  }
}

/// `count` different numbers of [0, of), in random order.
std::vector<i64> draw_distinct(i64 count, i64 of, Rng& rng);

/// `count` different numbers of [0, classes.size()), those of a class next to each other as far as
/// they go: number n has the class classes[n]. Classes, and the numbers of each, come in random
/// order.
std::vector<i64> draw_by_class(i64 count, std::span<const std::size_t> classes, Rng& rng);

/// A whole number that is `expected` on average: one of the two nearest.
i64 draw_count(double expected, Rng& rng);

/// A place in [0, 1) for sample `index` of a test set: the golden-ratio sequence, whose first n
/// members lie evenly whatever n is.
double even_place(i64 index);

/// Shares of the gaps before, between and behind `facts` facts (one more than facts), which lie at
/// independent uniform places. When `anchor` is a fact's number, that fact lies at `place` and the
/// others on their sides of it.
std::vector<double> gap_shares(i64 facts, i64 anchor, double place, Rng& rng);

/// `count` characters of `alphabet`, drawn evenly.
std::string draw_text(i64 count, std::string_view alphabet, Rng& rng);

/// `draw` until it gives a text that `used` lacks; the caller sees to it that there are some.
std::string draw_unlike(const std::function<std::string()>& draw,
                        std::span<const std::string> used);

/// `draw` until it gives `count` tokens; empty when 64 draws do not.
std::vector<Token> draw_alike(std::size_t count, const std::function<std::vector<Token>()>& draw);

/// A random member of `pool`, other than `text`, that the tokenizer writes with as many tokens as
/// `text`, each after a space; none when there is none.
std::optional<std::string_view> draw_as_long(const Tokenizer&, std::string_view text,
                                             std::span<const std::string_view> pool, Rng& rng);

}  // namespace longreach::datasets
