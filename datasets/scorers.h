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

/// An answer's text for comparison: ASCII letters in lower case, each run of white space one space
/// and none at the ends, and no punctuation (.,;:!?) at the end unless there is nothing else.
std::string normalized_answer(std::string_view text);

/// Whether the two are the same once normalized.
bool exact_match(std::string_view generated, std::string_view expected);

/// Share of the references, at least one, that the generated text contains, whatever the case and
/// the white space (string_match_all of RULER, Hsieh et al. 2024, arXiv 2404.06654). A reference of
/// white space alone is found in such text alone.
double found_share(std::string_view generated, std::span<const std::string> references);

/// How much the words of two texts have in common, each in [0, 1].
struct WordOverlap {
  double precision = 0;  ///< share of the generated words that are expected
  double recall = 0;     ///< share of the expected words that were generated
  double f1 = 0;         ///< harmonic mean of the two
};

/// Of words as bags: one that is generated twice counts twice only when it is expected twice (F1 of
/// SQuAD, Rajpurkar et al. 2016, arXiv 1606.05250). Words are what white space separates, in lower
/// case and without ASCII punctuation around them; articles count. Without any word on one side all
/// three are 0, on both sides 1.
WordOverlap word_overlap(std::string_view generated, std::string_view expected);

}  // namespace longreach::datasets
