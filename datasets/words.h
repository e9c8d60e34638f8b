// What task generators share: random texts, other texts of as many tokens, answers of several
// texts.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/random.h"
#include "datasets/prompt.h"

namespace longreach::datasets {

/// What stands between the values of an answer.
inline constexpr std::string_view kBetweenValues = " ,";

/// `count` different numbers of [0, of), in random order.
std::vector<i64> draw_distinct(i64 count, i64 of, Rng rng);

/// `count` characters of `alphabet`, drawn evenly.
std::string draw_text(i64 count, std::string_view alphabet, Rng& rng);

/// `draw` until it gives a text that `used` lacks; the caller sees to it that there are some.
std::string draw_unlike(const std::function<std::string()>& draw,
                        std::span<const std::string> used);

/// `draw` until it gives `count` tokens; empty when 64 draws do not.
std::vector<Token> draw_alike(std::size_t count, const std::function<std::vector<Token>()>& draw);

/// Values with kBetweenValues between them.
std::vector<Token> joined(const Tokenizer&, std::span<const std::vector<Token>> values);

/// An answer at the end of a prompt, each value a piece of its own, with kBetweenValues between.
class Answer {
 public:
  Answer(const Tokenizer&, std::span<const std::vector<Token>> values, Prompt&);
  /// The question so answered: its answer, and its references, the values as the tokenizer decodes
  /// them, without the space before them.
  Question question(const Prompt::Assembled&) const;
  /// Where the i-th value is.
  Span value(std::size_t i, const Prompt::Assembled&) const;

 private:
  const Tokenizer& tokenizer_;
  std::vector<Prompt::Piece> pieces_;
};

}  // namespace longreach::datasets
