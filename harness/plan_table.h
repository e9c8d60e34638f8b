// A plan for people: its cells, and what they are predicted to take.
#pragma once

#include <ostream>
#include <vector>

#include "harness/predict.h"

namespace longreach::harness {

/// Prints a line a cell, totals, and what the configuration became. Returns how many cells fit into
/// `limit`, the bytes of memory that each may have.
i64 print_plan(const Experiment&, const std::vector<Cell>& plan, Predictor&, i64 limit,
               std::ostream& out);

}  // namespace longreach::harness
