// Runs held against a base run: what `compare` found, and the formats it is told in.
#pragma once

#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "core/record.h"

namespace longreach::reports {

struct ComparedRun {
  std::string label;                          ///< "A": the base; "B", "C": those held against it
  std::string folder;                         ///< as it was given
  std::string name;                           ///< of its experiment
  std::vector<std::string> builds, machines;  ///< of its cells, each once
};

/// What a row is of: a mean over pairs of samples, a ratio of repeated times, or numbers that are
/// known exactly, for which there is nothing to test.
enum class Effect { difference, ratio, exact };
enum class Change { none, improvement, regression };

/// One score of a cell in the base and in another run.
struct ComparedRow {
  std::string run;  ///< label of the other run
  std::shared_ptr<const CellInfo> base, other;
  Measurement of;               ///< the base's: value, unit, direction, depth
  std::optional<double> value;  ///< the other's
  Effect kind = Effect::difference;
  Measurement effect;            ///< with interval, n, p, p_adjusted, detectable
  std::string threshold;         ///< what a regression must exceed: "0.01", "2%"
  bool significant = false;      ///< after the correction
  Change change = Change::none;  ///< significant, and beyond the threshold
};

/// What stands in one run without a counterpart that it may be compared with.
struct NotCompared {
  std::string what, reason;  ///< "reader full perplexity 4k", "only in A"
};

struct RunComparison {
  std::vector<ComparedRun> runs;  ///< the base first
  double confidence = 0.95;
  std::string correction;  ///< "Holm over 12 tests"; "": none
  std::string command;
  std::vector<ComparedRow> rows;
  std::vector<NotCompared> not_compared;
  i64 other_scores = 0;  ///< scores of tasks that were not asked for
  i64 parts = 0;  ///< rows of part of a score (kind, distance, layer), which are not compared

  i64 count(Change) const;
};

/// A table as people read it. Columns that are the same in all rows are left out and told in words.
struct ComparisonText {
  std::string constant;  ///< "model reader, seed 1, rate 0.004"; may be empty
  std::vector<std::string> head;
  std::size_t keys = 0;              ///< the first columns, which say what a row is of
  std::vector<std::size_t> numbers;  ///< columns to be aligned right
  std::vector<std::vector<std::string>> rows;
};
ComparisonText comparison_text(const RunComparison&);

/// "2 regressions, 1 improvement, 9 without a significant difference beyond the threshold".
std::string comparison_summary(const RunComparison&);

/// How one reads the numbers: "95% intervals; adjusted p: Holm over 12 tests".
std::string comparison_method(const RunComparison&);

/// What is not compared for one reason, in order.
struct NotComparedGroup {
  std::string reason;
  std::vector<std::string> what;
};
std::vector<NotComparedGroup> by_reason(const RunComparison&);

/// "3 more scores of these tasks (--all)", ...
std::vector<std::string> comparison_notes(const RunComparison&);

/// Each a whole file. JSON and CSV have one schema (docs/comparing.md); Markdown and HTML are inert
/// whatever names they hold.
void write_comparison_csv(const RunComparison&, std::ostream&);
void write_comparison_json(const RunComparison&, std::ostream&);
void write_comparison_markdown(const RunComparison&, std::ostream&);
void write_comparison_html(const RunComparison&, std::ostream&);

}  // namespace longreach::reports
