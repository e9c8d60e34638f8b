// Runs held against a base run, paired by identical samples.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "harness/cell_pairs.h"
#include "harness/config.h"
#include "harness/measured.h"
#include "harness/thresholds.h"
#include "reports/comparison.h"

namespace longreach::harness {

/// What is compared: all where a list is empty.
struct CompareChoice {
  std::vector<std::string> models, backends, tasks, metrics;
  std::vector<i64> lengths;
  std::vector<BackendMatch> matches;  ///< instead of equal names
  bool all_scores = false;            ///< not only each task's main score and the timings
  bool depths = false;                ///< each depth of a score as well
  bool across_machines = false;       ///< timings of unlike machines too
};

/// A run as compare_runs() reads it.
struct RunToCompare {
  reports::ComparedRun about;
  std::vector<Measured> cells;  ///< without their samples
  std::function<std::vector<SampleRecord>(const std::string& cell_id)> samples;
};

/// Holds every run against the first. Compared are pooled measurements of cells that pair_cells()
/// pairs, of one metric, protocol and data_sha:
///
/// - scores of samples by paired_difference(), with the draws of the comparison within a run where
///   one of the two is the baseline;
/// - timings by time_ratio(), where machine and threads agree;
/// - what is exact by its difference, which has no p and is significant unless 0.
///
/// Everything else is listed with the reason. p_adjusted: Holm's over all tests of the table, but
/// for depths, of each of which Benjamini and Hochberg's over its heatmap.
reports::RunComparison compare_runs(std::vector<RunToCompare>, const CompareChoice&,
                                    const Thresholds&, const StatisticsChoice&, i64 seed);

}  // namespace longreach::harness
