// Common words: a list in which some words come much more often than all others; which?
//
// The task is RULER's (Hsieh et al. 2024, arXiv 2404.06654, CWE), its words and wording ours.
#pragma once

#include <string>
#include <vector>

#include "datasets/dataset.h"

namespace longreach::datasets {

/// Raised when a sample's text, weights or facts change.
inline constexpr i64 kCommonWordsVersion = 1;

/// How often words come in RULER's lists: below kLongList tokens less often.
struct WordFrequencies {
  i64 frequent = 0, rare = 0;
};
inline constexpr i64 kLongList = 4096;
inline constexpr WordFrequencies kShortListFrequencies{6, 1}, kLongListFrequencies{30, 3};

/// The task's closed vocabulary.
std::vector<std::string> common_words_words();

}  // namespace longreach::datasets
