// A comparison of two runs, made by hand.
#pragma once

#include <memory>
#include <string>

#include "reports/comparison.h"

namespace longreach::reports {

inline const std::string kHostile = "<script>alert(1)</script>|`x`\"'\n,&";

/// A regression and a ratio that is none, of a backend with this name.
inline RunComparison comparison(const std::string& backend = "full") {
  RunComparison found;
  found.runs = {{"A", "runs/base", "study", {"0.1.0"}, {"EPYC"}},
                {"B", backend, backend, {backend}, {backend}}};
  found.correction = "Holm over 2 tests";
  found.command = "longreach compare runs/base " + backend;
  CellInfo cell;
  cell.backend = backend;
  cell.model = "reader";
  cell.task = "passkey";
  cell.context_length = 4096;
  cell.seed = 7;
  ComparedRow row;
  row.run = "B";
  row.base = row.other = std::make_shared<const CellInfo>(cell);
  row.of.metric = "passkey/exact_match";
  row.of.higher_is_better = true;
  row.of.value = 0.75;
  row.value = 0.5;
  row.effect.value = -0.25;
  row.effect.ci_low = -0.375;
  row.effect.ci_high = -0.125;
  row.effect.n = 200;
  row.effect.p_value = 0.001;
  row.effect.p_adjusted = 0.002;
  row.effect.detectable = 0.0625;
  row.threshold = "1%";
  row.significant = true;
  row.change = Change::regression;
  found.rows.push_back(row);
  row.kind = Effect::ratio;
  row.of.metric = "latency/decode";
  row.of.value = 2;
  row.value.reset();
  row.effect = {};
  row.effect.value = 1.5;
  row.effect.p_adjusted = 1;
  row.significant = false;
  row.change = Change::none;
  found.rows.push_back(row);
  found.not_compared = {{backend + " 1", "only in A"}, {"one", "oom in B"}, {"two", "only in A"}};
  found.other_scores = 3;
  found.parts = 1;
  return found;
}

}  // namespace longreach::reports
