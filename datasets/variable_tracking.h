// Variable tracking: assignments "VAR FGHIJ = VAR ABCDE ." scattered through filler; which
// variables hold a value in the end?
//
// The task is RULER's (Hsieh et al. 2024, arXiv 2404.06654); the wording is ours.
#pragma once

#include <string>
#include <vector>

#include "datasets/dataset.h"

namespace longreach::datasets {

/// Raised when a sample's text, weights or facts change.
inline constexpr i64 kVariableTrackingVersion = 1;

/// The task's closed vocabulary.
std::vector<std::string> variable_tracking_words();

}  // namespace longreach::datasets
