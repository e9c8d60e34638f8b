// Scores as tables of backends by context length: what the formats for people share.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/record.h"
#include "reports/rows.h"

namespace longreach::reports {

enum class Scores { main, all };

/// What stands in one place of a table.
struct Score {
  Status status = Status::ok;  ///< of the cell; when not ok there are no numbers to quote
  std::optional<double> value, ci_low, ci_high;
  std::optional<i64> n;
  std::string ci_method;
};

/// One metric of one task under one model, pooled: without rows of parts of a cell.
struct ScoreTable {
  std::string model, task;
  std::string metric;  ///< "" when no cell of the task has a result
  std::string unit;
  std::optional<bool> higher_is_better;
  std::vector<std::optional<i64>> lengths;  ///< columns, ascending; nothing for rows without one

  struct Row {
    std::string backend;
    /// What tells rows of one backend apart where there are several: "seed 2, lr 0.004"; else "".
    std::string run;
    std::vector<std::optional<Score>> scores;  ///< as many as lengths
  };
  std::vector<Row> rows;  ///< in order of appearance

  /// Of every number in the table; nothing when they differ.
  std::optional<i64> common_n() const;
  /// How intervals were made, each way once, without the counts: "wilson 0.95".
  std::vector<std::string> methods() const;
  /// Digits after the point with which half an interval has two that count; negative: as %.3g.
  int decimals() const;
};

/// Every table of what is given, in order of appearance: of each task its main score
/// (main_scores.h), or all.
std::vector<ScoreTable> score_tables(const Rows<Record>&, Scores which);

/// With so many digits after the point, "1.5e-09" when negative.
std::string number_text(double value, int decimals);

/// "512", "4k"; "" for nothing.
std::string length_text(const std::optional<i64>& length);

}  // namespace longreach::reports

namespace longreach {
template <>
struct EnumNames<reports::Scores> {
  static constexpr std::array<std::string_view, 2> names{"main", "all"};
};
}  // namespace longreach
