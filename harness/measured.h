// Stored cells put together again: each with its measurements and samples.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "harness/store.h"

namespace longreach::harness {

/// A cell with what comparisons and derivations need of it. Views the Stored it comes from.
struct Measured {
  CellInfo info;
  std::vector<Measurement> measurements;
  std::vector<const SampleRecord*> samples;

  /// Names of the samples' scores, in order of appearance.
  std::vector<std::string> scores() const;
  /// The pooled measurement of that score: the first whose name ends in "/score"; nullptr: none.
  const Measurement* of(const std::string& score) const;
  /// What a sample scored, with the sample.
  struct Scored {
    const SampleRecord* sample;
    double value;
  };
  std::vector<Scored> scored(const std::string& score) const;
};

/// In the order of the store's records.
std::vector<Measured> measured_cells(const Stored&);

}  // namespace longreach::harness
