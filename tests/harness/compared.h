// Runs to compare, made by hand.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/error.h"
#include "harness/compare.h"
#include "harness/json_io.h"

namespace longreach::tests {

using namespace longreach::harness;

/// One cell whose samples have the hashes "0", "1", ... and these scores.
struct CellToCompare {
  std::string backend = "full", task = "find", metric = "passkey/exact_match";
  i64 length = 64;
  std::vector<double> scores = {};
  bool higher_is_better = true;

  Outcome outcome() const {
    Outcome made;
    CellInfo& info = made.info;
    info.cell_id = fmt::format("{} {} {}", backend, task, length);
    info.backend = backend;
    info.baseline = backend == "full";
    info.model = "clerk";
    info.task = task;
    info.context_length = length;
    info.seed = 1;
    info.threads = 1;
    info.machine = "here";
    info.cpu = "EPYC";
    Measurement m;
    m.metric = metric;
    m.unit = "1";
    m.higher_is_better = higher_is_better;
    m.value = 0;
    for (const double score : scores) *m.value += score / static_cast<double>(scores.size());
    m.data_sha = "same";
    made.findings.measurements = {m};
    const std::string score = metric.substr(metric.rfind('/') + 1);
    for (std::size_t i = 0; i < scores.size(); ++i) {
      SampleRecord sample;
      sample.cell_id = info.cell_id;
      sample.index = static_cast<i64>(i);
      sample.sample_sha = std::to_string(i);
      sample.scores = {{score, scores[i]}};
      made.findings.samples.push_back(sample);
    }
    return made;
  }
};

/// Repetitions of a timing.
inline Outcome timed(const std::string& backend, const std::vector<double>& times) {
  CellToCompare cell{backend, "time", "latency/decode", 64, times, false};
  Outcome made = cell.outcome();
  made.findings.measurements[0].unit = "ms/token";
  made.findings.measurements[0].data_sha = "";
  for (SampleRecord& sample : made.findings.samples) sample.sample_sha.clear();
  return made;
}

inline RunToCompare run_of(char label, const std::vector<Outcome>& outcomes) {
  RunToCompare run;
  run.about = {std::string(1, label), fmt::format("runs/{}", label), "t", {"0.1.0"}, {"EPYC"}};
  std::map<std::string, std::vector<SampleRecord>> samples;
  for (const Outcome& one : outcomes) {
    run.cells.push_back(
        {std::make_shared<const CellInfo>(one.info), one.findings.measurements, {}});
    samples[one.info.cell_id] = one.findings.samples;
  }
  run.samples = [samples](const std::string& id) { return samples.at(id); };
  return run;
}

inline reports::RunComparison compared(const std::vector<Outcome>& base,
                                       const std::vector<Outcome>& other,
                                       const CompareChoice& choice = {},
                                       const std::vector<std::string>& thresholds = {},
                                       const StatisticsChoice& statistics = {}) {
  return compare_runs({run_of('A', base), run_of('B', other)}, choice, Thresholds(thresholds),
                      statistics, 1);
}

}  // namespace longreach::tests
