// How much worse is a regression: `--threshold 0.01`, `2%`, `passkey/exact_match=0.02`.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/record.h"

namespace longreach::harness {

/// An amount in the metric's unit, or a share of the base's value.
struct Threshold {
  double amount = 0;
  bool relative = false;
  std::string text = "0";  ///< as it was written
};

/// Differences in a score must exceed 0 unless told, timings 10%: repetitions of one process tell
/// little of what another would have had.
class Thresholds {
 public:
  /// One for all metrics at most, and one a metric. Throws Error for what is neither.
  explicit Thresholds(const std::vector<std::string>& texts);

  /// Of a metric. A timing is compared as a ratio, so an amount in its unit does not concern it:
  /// throws Error when that is given for it by name.
  Threshold of(const std::string& metric, bool timing) const;

  /// Metrics that have one of their own.
  std::vector<std::string> metrics() const;

 private:
  std::optional<Threshold> all_;
  std::map<std::string, Threshold> of_metric_;
};

/// Whether an effect's size is more than that. A ratio of times counts by its distance from 1, in
/// either direction; a share is of the base's value.
bool exceeds(double effect, bool ratio, double base_value, const Threshold&);

}  // namespace longreach::harness
