// A plan for people: its cells, and what they are predicted to take.
#pragma once

#include <string>
#include <vector>

#include "harness/predict.h"

namespace longreach::harness {

struct PlanTable {
  std::string text;        ///< a line a cell, totals, what the configuration became
  i64 cells = 0, fit = 0;  ///< those that `limit` leaves room for
};

/// `limit` is the memory that a cell may have, in bytes.
PlanTable plan_table(const Experiment&, const std::vector<Cell>& plan, Predictor&, i64 limit);

}  // namespace longreach::harness
