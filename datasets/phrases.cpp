// The phrases of phrases.h.
#include "datasets/phrases.h"

#include <algorithm>

#include "core/error.h"

namespace longreach::datasets {

Phrase add_phrase(Prompt& prompt, std::span<const std::string> parts) {
  check(!parts.empty(), "a phrase has parts");
  const Phrase phrase{prompt.add(parts.front()), parts.size()};
  for (const std::string& part : parts.subspan(1)) prompt.add(part);
  return phrase;
}

Phrase add_phrase(Prompt& prompt, std::initializer_list<std::string> parts) {
  return add_phrase(prompt, std::span(parts.begin(), parts.size()));
}

Span span_of(const Prompt::Assembled& made, const Phrase& phrase) {
  const i64 begin = made.pieces[phrase.first].begin;
  return {begin, made.pieces[phrase.first + phrase.parts - 1].end() - begin};
}

Span span_of(const Prompt::Assembled& made, const Phrase& phrase, std::size_t part) {
  check(part < phrase.parts, "a phrase has that part");
  return made.pieces[phrase.first + part];
}

std::span<const Token> tokens_at(const std::vector<Token>& tokens, const Span& span) {
  return std::span(tokens).subspan(static_cast<std::size_t>(span.begin),
                                   static_cast<std::size_t>(span.length));
}

std::string reference_at(const Tokenizer& tokenizer, const std::vector<Token>& tokens,
                         const Span& span) {
  std::string text = tokenizer.decode(tokens_at(tokens, span));
  text.erase(0, text.find_first_not_of(' '));
  return text;
}

i64 longest_of(const Tokenizer& tokenizer, std::span<const std::string> texts) {
  i64 longest = 0;
  for (const std::string& text : texts) {
    longest = std::max<i64>(longest, std::ssize(tokenizer.encode(text)));
  }
  return longest;
}

i64 longest_text(const Tokenizer& tokenizer, i64 count, std::string_view alphabet) {
  i64 first = 0, other = 0;
  for (const char c : alphabet) {
    const std::string text(1, c);
    first = std::max<i64>(first, std::ssize(tokenizer.encode(spaced(text))));
    other = std::max<i64>(other, std::ssize(tokenizer.encode(text)));
  }
  return first + (count - 1) * other;
}

void require_length(i64 length, i64 smallest, std::string_view where) {
  if (length < smallest) {
    throw error("{}: {} tokens: does not fit; smallest length is {}", where, length, smallest);
  }
}

double depth_of(const Prompt::Assembled& made, const Span& evidence) {
  i64 before = 0, all = 0;
  for (const Span& span : made.filler) {
    all += span.length;
    if (span.begin < evidence.begin) before += span.length;
  }
  return all == 0 ? 0 : 100 * static_cast<double>(before) / static_cast<double>(all);
}

std::vector<Token> joined(const Tokenizer& tokenizer, std::span<const std::vector<Token>> values) {
  const std::vector<Token> between = tokenizer.encode(kBetweenValues);
  std::vector<Token> tokens;
  for (const std::vector<Token>& value : values) {
    if (!tokens.empty()) tokens.insert(tokens.end(), between.begin(), between.end());
    tokens.insert(tokens.end(), value.begin(), value.end());
  }
  return tokens;
}

ListedAnswer::ListedAnswer(const Tokenizer& tokenizer, std::span<const std::vector<Token>> values,
                           Prompt& prompt)
    : tokenizer_(tokenizer) {
  check(!values.empty(), "an answer has values");
  for (const std::vector<Token>& value : values) {
    if (!pieces_.empty()) prompt.add(kBetweenValues);
    pieces_.push_back(prompt.add(value));
  }
}

Span ListedAnswer::value(std::size_t i, const Prompt::Assembled& made) const {
  return made.pieces[pieces_[i]];
}

Question ListedAnswer::question(const Prompt::Assembled& made) const {
  Question question;
  const i64 begin = made.pieces[pieces_.front()].begin;
  question.answer = {begin, made.pieces[pieces_.back()].end() - begin};
  for (const Prompt::Piece piece : pieces_) {
    question.references.push_back(reference_at(tokenizer_, made.tokens, made.pieces[piece]));
  }
  return question;
}

}  // namespace longreach::datasets
