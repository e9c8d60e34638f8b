// Reads records.jsonl, samples.jsonl and curves.jsonl back, as written by the reports "jsonl",
// "samples" and "curves".
#pragma once

#include <functional>
#include <istream>
#include <vector>

#include "core/record.h"

namespace longreach::reports {

// Of each line one record, sample or curve. Unknown members are ignored, absent ones keep their
// defaults, blank lines are skipped. Errors name the line and the member that cannot be read.

std::vector<Record> read_records(std::istream& in);
/// A score that is null is left out.
void read_samples(std::istream& in, const std::function<void(const SampleRecord&)>& use);
/// A point's null is NaN, which is written as null again.
void read_curves(std::istream& in, const std::function<void(const Curve&)>& use);

}  // namespace longreach::reports
