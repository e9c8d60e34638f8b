// Reads records.csv back, as written by the "csv" report.
#pragma once

#include <istream>
#include <vector>

#include "core/record.h"

namespace longreach::reports {

/// One record a row of RFC 4180's CSV, under a header that names the columns in any order; lines
/// end in "\n" or "\r\n". Unknown columns are ignored, absent ones keep their defaults, an empty
/// field is null or "". Throws Error naming the line and the column that cannot be read: infinities
/// and NaN are refused.
std::vector<Record> read_csv(std::istream& in);

}  // namespace longreach::reports
