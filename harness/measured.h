// Stored cells put together again: each with its measurements and samples.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/store.h"

namespace longreach::harness {

/// A cell with what comparisons and derivations need of it.
struct Measured {
  std::shared_ptr<const CellInfo> info;
  std::vector<Measurement> measurements;
  std::vector<SampleRecord> samples;

  /// Names of the samples' scores, in order of appearance.
  std::vector<std::string> scores() const;
  /// The pooled measurement of that score: the first whose name ends in "/score"; nullptr: none.
  const Measurement* of(const std::string& score) const;
  /// The depths for which a metric has a measurement of its own, in order.
  std::vector<double> depths(const std::string& metric) const;
  /// What a sample scored, with the sample.
  struct Scored {
    const SampleRecord* sample;
    double value;
  };
  std::vector<Scored> scored(const std::string& score) const;
};

/// A measurement derived from others, which stands with one of the cells that it is of.
struct Derived {
  std::shared_ptr<const CellInfo> cell;
  Measurement measurement;
};

/// In the order of the store's records.
std::vector<Measured> measured_cells(const Stored&);

/// The cells of a store's plan that are finished, in its order, without their samples.
std::vector<Measured> measured_cells(const Store&);

}  // namespace longreach::harness
