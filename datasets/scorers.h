// Scores of generated answers.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "datasets/tokenizer.h"

namespace longreach::datasets {

/// The digits of the first integer written in text, leading zeros kept: "the code is 04719." ->
/// "04719"; "" when there is none.
std::string first_integer(std::string_view text);

/// The same of generated tokens, each decoded by itself: the integer goes on while whole tokens are
/// digits, so the spaces that a word tokenizer joins its tokens with do not end it.
std::string first_integer(const Tokenizer&, std::span<const Token> generated);

/// Share of the digits of `expected` that `found` has at the same place, in [0, 1]. `expected` is
/// not empty; digits that `found` lacks or has beyond it count as wrong or not at all.
double digit_accuracy(std::string_view found, std::string_view expected);

}  // namespace longreach::datasets
