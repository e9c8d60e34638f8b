// What a run found, for the terminal.
#pragma once

#include <string>

#include "harness/results.h"

namespace longreach::harness {

/// Which backend, at what cost, how sure: for each model (the first two) a line for each backend
/// (the first ten) at the longest length that all of them reached, with the main score of its
/// leading task, the state, the time to decode a token and the difference from the baseline; then
/// how many cells have no result, and why the first of them. A score of several seeds or rates is
/// told as a range.
std::string summary(const StoredResults&);

/// All of it: for each model a row for each backend, length, seed and rate, with a column for each
/// task's main score and its interval; then every cell that is not ok.
std::string summary_table(const StoredResults&);

}  // namespace longreach::harness
