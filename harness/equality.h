// Whether two runs found the same.
#pragma once

#include <string>
#include <string_view>

#include "harness/store.h"

namespace longreach::harness {

/// The first difference between two runs of one experiment, in words that name the cell; "" when
/// there is none. Cells are held together by their ids, in whatever order they come; within a cell
/// rows come in order and equal to the bit. Not compared is what no two runs share: when and where
/// a cell ran, how long it took and the size of its process (times_column()), the numbers of
/// measurements that are made of these (times_metric()), timed repetitions, and the axes of curves
/// that are in seconds.
std::string equal_but_for_times(const Stored& first, const Stored& second);

/// Whether a column of records (its name in records.csv) differs between two runs of one cell.
bool times_column(std::string_view name);

/// Whether a measurement's number is made of times or of the size of a process.
bool times_metric(std::string_view metric);

}  // namespace longreach::harness
