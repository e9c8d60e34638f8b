// Frequent words: made-up words between dots, their frequencies a power law; which three come most
// often?
//
// The task is RULER's (Hsieh et al. 2024, arXiv 2404.06654, FWE), its words and wording ours.
#pragma once

#include <string>
#include <vector>

#include "datasets/dataset.h"

namespace longreach::datasets {

/// Raised when a sample's text, weights or facts change.
inline constexpr i64 kFrequentWordsVersion = 1;
inline constexpr i64 kFrequentWordsAsked = 3;

/// The task's closed vocabulary.
std::vector<std::string> frequent_words_words();

}  // namespace longreach::datasets
