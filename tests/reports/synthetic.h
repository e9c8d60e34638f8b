// Made-up results with the shape of real ones, for looking at a report and for testing it.
#pragma once

#include <string>
#include <vector>

#include "core/record.h"
#include "reports/report.h"

namespace longreach::reports {

/// Owns what a Results views.
struct Synthetic {
  std::vector<Record> records;
  std::vector<SampleRecord> samples;
  std::vector<Curve> curves;

  /// Views this object, which must outlive the answer.
  Results results() const;
};

/// Three backends, two models, two training seeds, four lengths; some cells without a result.
Synthetic synthetic();

/// What the registered report `name` writes of `results`, with its default parameters.
std::string written(const std::string& name, const Results& results);

}  // namespace longreach::reports
