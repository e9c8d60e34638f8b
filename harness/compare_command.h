// `compare`: what changed between runs, for people and for CI.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "harness/compare.h"

namespace longreach::harness {

struct CompareRequest {
  std::vector<std::string> folders;  ///< the base first; one alone where backends are matched
  CompareChoice choice;
  std::vector<std::string> lengths, matches, thresholds;  ///< as written: "4k", "full=infini", "2%"
  std::string format;   ///< table, markdown, html, csv, json; "": of `output`'s ending, or table
  std::string output;   ///< file for `format`; the table then goes to standard output all the same
  std::string command;  ///< the whole command line, to be told in reports
};

/// Tells the comparison on `out` and every regression in a line on `messages`. Returns an exit
/// code: kExitRegression when there is one. Throws Error for a folder without a store, runs that
/// share no measurement, and names that are in none of them.
int compare_command(const CompareRequest&, std::ostream& out, std::ostream& messages);

/// The comparison as compare_command() tells it on a terminal; significant rows are bold when asked
/// for, and a table wider than `columns` comes in several pieces.
std::string comparison_table(const reports::RunComparison&, bool bold,
                             std::size_t columns = std::string::npos);

}  // namespace longreach::harness
