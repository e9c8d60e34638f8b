// Sentences with places for values, and answers of several values, as pieces of a prompt.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/prompt.h"

namespace longreach::datasets {

/// A value as it stands in running text: after a space.
inline std::string spaced(std::string_view value) { return " " + std::string(value); }

/// Neighbouring pieces of a prompt that are read as one: " the cat is" " grey" " .". Values are
/// pieces of their own, so that their tokens are the same wherever they stand.
struct Phrase {
  Prompt::Piece first = 0;
  std::size_t parts = 0;
};

Phrase add_phrase(Prompt&, std::span<const std::string> parts);
Phrase add_phrase(Prompt&, std::initializer_list<std::string> parts);

/// Where the whole phrase came to stand.
Span span_of(const Prompt::Assembled&, const Phrase&);
/// Where its part `part`, counted from 0, did.
Span span_of(const Prompt::Assembled&, const Phrase&, std::size_t part);

std::span<const Token> tokens_at(const std::vector<Token>& tokens, const Span&);

/// What the tokenizer makes of the tokens there, without the spaces before it: a reference.
std::string reference_at(const Tokenizer&, const std::vector<Token>& tokens, const Span&);

/// Tokens of the longest of some texts, each by itself.
i64 longest_of(const Tokenizer&, std::span<const std::string> texts);

/// Tokens that `count` characters of `alphabet` after a space take at most, each by itself.
i64 longest_text(const Tokenizer&, i64 count, std::string_view alphabet);

/// Throws Error, as Prompt::assemble() does, for a length below what the longest of a task's
/// samples takes: so a task has one smallest length, and not each of its samples another.
void require_length(i64 length, i64 smallest, std::string_view where);

/// Per cent of the filler that stands before `evidence`; 0 when there is no filler.
double depth_of(const Prompt::Assembled&, const Span& evidence);

/// What stands between the values of an answer.
inline constexpr std::string_view kBetweenValues = " ,";

/// Values with kBetweenValues between them.
std::vector<Token> joined(const Tokenizer&, std::span<const std::vector<Token>> values);

/// An answer at the end of a prompt, each value a piece of its own, with kBetweenValues between.
class ListedAnswer {
 public:
  ListedAnswer(const Tokenizer&, std::span<const std::vector<Token>> values, Prompt&);
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
