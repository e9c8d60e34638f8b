// What a run found, for the terminal.
#pragma once

#include <string>

#include "harness/results.h"

namespace longreach::harness {

/// Which backend, at what cost, how sure: for each model (the first two) a line for each backend
/// (the first ten) at the longest length that all of them reached, with the main score of its
/// leading task, the state, the time to decode a token and the difference from the baseline, and in
/// words which are better or worse than it in every run, after the correction, and which cannot be
/// told apart; then how many cells have no result, and why the first of them. A score of several
/// seeds or rates is told as a range.
/// Tables wider than `columns` are told in several pieces.
std::string summary(const StoredResults&, std::size_t columns = std::string::npos);

/// All of it: for each model a row for each backend, length, seed and rate, with a column for each
/// task's main score and its interval; then every cell that is not ok.
std::string summary_table(const StoredResults&, std::size_t columns = std::string::npos);

/// A column's head with its unit after a comma, or on a line of its own; without one that the name
/// tells ("bits_per_byte").
std::string with_unit(std::string name, const std::string& unit, char gap);

}  // namespace longreach::harness
