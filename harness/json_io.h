// Cell infos and findings as JSON and back: what the child process sends and the store keeps.
#pragma once

#include <string>

#include "core/record.h"

namespace longreach::harness {

/// What running one cell gave.
struct Outcome {
  CellInfo info;
  Findings findings;
  /// It failed because the disk did not take its files (WriteError): nothing is wrong with the
  /// cell, and the next one would fare no better.
  bool unwritable = false;
};

// One line of JSON each. Absent values are left out; bytes that are not UTF-8 become U+FFFD.
std::string to_json(const CellInfo&);
std::string to_json(const Measurement&);
std::string to_json(const SampleRecord&);
std::string to_json(const Curve&);
std::string to_json(const Outcome&);

// Each throws Error for text that is not what its counterpart writes.
CellInfo cell_info_from_json(const std::string&);
Measurement measurement_from_json(const std::string&);
SampleRecord sample_from_json(const std::string&);
Curve curve_from_json(const std::string&);
Outcome outcome_from_json(const std::string&);

/// What keeps a number from being quoted: the first measurement with a value but without n, or with
/// neither an interval nor a ci_method that says why there is none ("exact"); "" when all are
/// whole.
std::string not_quotable(const Findings&);

/// The first number in the findings that is NaN or infinite, by name; "" when all are finite.
std::string not_finite(const Findings&);

}  // namespace longreach::harness
