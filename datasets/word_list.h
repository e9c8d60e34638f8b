// A list of words in random order, each so many times, and a question that takes counting them:
// what common_words and frequent_words have in common.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/prompt.h"

namespace longreach::datasets {

/// How many words there are to draw from.
inline constexpr i64 kListWords = 2000;
/// Words of list_words() that a list leaves out, at least, to swap in.
inline constexpr i64 kSpareWords = 10;

/// kListWords words that mean nothing, of five letters each, none of which our haystacks have.
const std::vector<std::string>& list_words();

/// What our lists, the prose before them and `texts` are written with.
std::vector<std::string> list_vocabulary(std::span<const std::string_view> texts);

/// The tasks of one question in one tokenizer's tokens: prose, " read this list of words :", the
/// words, `question`, the answer.
class WordList {
 public:
  using Word = i64;                          ///< its place in list_words(), or kDots
  static constexpr Word kDots = kListWords;  ///< "...", which is no word

  /// `question` is " . which words ... ? they are :".
  WordList(const Tokenizer&, std::string_view question);

  /// Tokens of one occurrence.
  i64 size_of(Word word) const { return std::ssize(words_[static_cast<std::size_t>(word)]); }
  /// Tokens of all but the list: what a length leaves for it is the rest.
  i64 size_around(std::span<const Word> asked) const;

  struct Counted {
    Word word = 0;
    i64 count = 0;
  };
  struct Task {
    std::vector<Counted> counts;
    std::vector<Word> asked;     ///< the answer
    bool by_appearance = false;  ///< it names them as they first come, else in the order given
    std::vector<Word> spare;     ///< words of no count
  };
  /// Exactly `length` tokens, the prose taking what the list leaves. Evidence is the whole list. A
  /// fact is all that the list has of a word asked, its counterfactual a spare word of as many
  /// tokens. Throws Error, opening with `where`, when the length is too short.
  Sample write(Split, i64 length, const Task&, const Rng&, std::string_view where) const;

 private:
  const Tokenizer& tokenizer_;
  std::string question_;
  std::vector<std::vector<Token>> words_;
  std::unique_ptr<Haystack> haystack_;
};

}  // namespace longreach::datasets
