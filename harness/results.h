// Turns a store into files: every registered report and the manifest.
#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "harness/config.h"
#include "harness/measured.h"
#include "harness/store.h"

namespace longreach::harness {

/// All that reports are made of. Samples and curves, which take most room, stay in the store.
struct StoredResults {
  const Store& store;  ///< outlives this
  std::vector<Measured> cells;
  std::vector<Derived> derived;  ///< across lengths, then comparisons with the baseline

  /// Every row of records.csv, in order.
  void each(const std::function<void(const Record&)>& use) const;
};

/// How the experiment of a store wants its numbers told, and the seed of resampling them.
StatisticsChoice statistics_of(const Store&);
i64 seed_of(const Store&);

StoredResults read_results(const Store&);

/// Writes the registered report of that name.
void write_report(const StoredResults&, const std::string& name, std::ostream& out);

struct WrittenReports {
  std::vector<std::string> paths;
  std::vector<std::string> problems;  ///< why a report is not among them, and what to do
};

/// Writes every report that is of_every_run() and manifest.json into `output`, each whole or not at
/// all; one that cannot be written stops no other.
WrittenReports write_reports(const StoredResults&, const std::string& output);

/// Whether any stored cell of the plan is invalid, or anything but ok.
struct Verdict {
  bool all_ok = true, any_invalid = false;
};
Verdict verdict(const Store&);

}  // namespace longreach::harness
