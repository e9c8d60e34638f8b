// Reads records.jsonl back, as written by the "jsonl" report.
#pragma once

#include <istream>
#include <vector>

#include "core/record.h"

namespace longreach::reports {

/// One record per line; unknown columns are ignored, absent ones keep their defaults, blank lines
/// are skipped. Throws Error naming the line and the column that cannot be read.
std::vector<Record> read_records(std::istream& in);

}  // namespace longreach::reports
