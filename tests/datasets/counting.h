// Solves tasks of word lists by counting.
#pragma once

#include <algorithm>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tests/datasets/solving.h"

namespace longreach::datasets {

struct Tally {
  std::vector<std::string> words;  ///< in the order they first come
  std::map<std::string, i64> counts;
  i64 of(std::size_t i) const { return counts.at(words[i]); }
};

/// What a sample's list holds, dots left out.
inline Tally tally(const Tokenizer& tokenizer, const Sample& sample) {
  const std::string text = tokenizer.decode(
      std::span(sample.tokens).first(static_cast<std::size_t>(sample.last().answer.begin)));
  const std::string before = "read this list of words :";
  REQUIRE(text.find(before) != std::string::npos);
  std::istringstream in(text.substr(text.find(before) + before.size()));
  Tally tally;
  for (std::string word; in >> word && word != ".";) {
    if (word == "...") continue;
    if (++tally.counts[word] == 1) tally.words.push_back(word);
  }
  return tally;
}

/// The same, the most frequent first, those of a count in the order they first come.
inline Tally ranked(const Tokenizer& tokenizer, const Sample& sample) {
  Tally all = tally(tokenizer, sample);
  std::ranges::stable_sort(all.words, std::greater{},
                           [&](const std::string& word) { return all.counts.at(word); });
  return all;
}

/// The `count` most frequent; none when the last of them is no more frequent than the next.
inline std::vector<std::string> most_frequent(const Tokenizer& tokenizer, const Sample& sample,
                                              std::size_t count) {
  const Tally all = ranked(tokenizer, sample);
  if (all.words.size() <= count || all.of(count - 1) == all.of(count)) return {};
  return {all.words.begin(), all.words.begin() + static_cast<std::ptrdiff_t>(count)};
}

}  // namespace longreach::datasets
