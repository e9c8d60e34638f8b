// The shared parts of task generators of words.h.
#include "datasets/words.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"

namespace longreach::datasets {
namespace {

constexpr int kDraws = 64;

}  // namespace

std::vector<i64> draw_distinct(i64 count, i64 of, Rng rng) {
  check(0 <= count && count <= of, "there are as many numbers as are drawn");
  std::vector<i64> numbers(static_cast<std::size_t>(of));
  std::iota(numbers.begin(), numbers.end(), 0);
  for (i64 i = 0; i < count; ++i) {
    std::swap(numbers[static_cast<std::size_t>(i)],
              numbers[static_cast<std::size_t>(i + rng.below(of - i))]);
  }
  numbers.resize(static_cast<std::size_t>(count));
  return numbers;
}

std::string draw_text(i64 count, std::string_view alphabet, Rng& rng) {
  std::string text(static_cast<std::size_t>(count), ' ');
  for (char& c : text) c = alphabet[static_cast<std::size_t>(rng.below(std::ssize(alphabet)))];
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
  for (int i = 0; i < kDraws; ++i) {
    std::vector<Token> tokens = draw();
    if (tokens.size() == count) return tokens;
  }
  return {};
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

Answer::Answer(const Tokenizer& tokenizer, std::span<const std::vector<Token>> values,
               Prompt& prompt)
    : tokenizer_(tokenizer) {
  check(!values.empty(), "an answer has values");
  for (const std::vector<Token>& value : values) {
    if (!pieces_.empty()) prompt.add(kBetweenValues);
    pieces_.push_back(prompt.add(value));
  }
}

Span Answer::value(std::size_t i, const Prompt::Assembled& made) const {
  return made.pieces[pieces_[i]];
}

Question Answer::question(const Prompt::Assembled& made) const {
  Question question;
  const i64 begin = made.pieces[pieces_.front()].begin;
  question.answer = {begin, made.pieces[pieces_.back()].end() - begin};
  for (const Prompt::Piece piece : pieces_) {
    const Span& span = made.pieces[piece];
    std::string text = tokenizer_.decode(
        std::span(made.tokens)
            .subspan(static_cast<std::size_t>(span.begin), static_cast<std::size_t>(span.length)));
    text.erase(0, text.find_first_not_of(' '));
    question.references.push_back(std::move(text));
  }
  return question;
}

}  // namespace longreach::datasets
