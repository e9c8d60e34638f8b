// The union of several output folders, such as the shards of one experiment.
#pragma once

#include <string>
#include <vector>

#include "core/tensor.h"

namespace longreach::harness {

struct Merged {
  i64 cells = 0;    ///< in the union
  i64 added = 0;    ///< of them new in the folder merged into, or better than what it had
  i64 planned = 0;  ///< in the union's plan, stored or not
  /// What two folders disagree about, a line each. Nothing was written when there is any.
  std::vector<std::string> conflicts;
  /// Weights that were missing or damaged everywhere, a line each. Their cells are in the union
  /// all the same; a run that needs them trains again.
  std::vector<std::string> without_weights;
};

/// Brings what `folders` hold into `output`, which may be new, or hold an earlier union or a run of
/// its own. Cells are held together by their ids: one that is ok is taken before one that is not,
/// else the first found, `output`'s before the others'. A cell is taken whole, so its numbers are
/// of one machine. Two that are ok with unlike findings (equal_but_for_times(), whatever machine
/// they ran on), or of which one is ok and one invalid, are a conflict. The store changes in one
/// transaction, after weights are linked or copied and held against their hashes: what is cut off
/// can be given again. `command` is the one that merges, for reports. Throws Error when a folder
/// has no store or a run is writing into it.
Merged merge(const std::string& output, const std::vector<std::string>& folders,
             const std::string& command);

/// The shards that lie in an output folder, in order. Throws Error when there are none, when
/// they are parts of unlike divisions, or when one of them is missing, by name.
std::vector<std::string> shards_in(const std::string& output);

}  // namespace longreach::harness
