// A part of a plan for one of several machines that know nothing of each other.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "harness/plan.h"

namespace longreach::harness {

/// Shard `index` of `count`, from 1.
struct Shard {
  i64 index = 1, count = 1;
  bool whole() const { return count == 1; }
};

/// Of "2/8". Throws Error for what is no such thing.
Shard parse_shard(std::string_view text);

/// Where a shard of a run into `output` writes: OUTPUT/shard-2-of-8, so that all shards can be
/// given one --output and none writes into another's folder; `output` itself when there is one
/// shard.
std::string shard_folder(const std::string& output, const Shard&);

/// What a cell costs against others, in tokens through the model; a backward pass counts as two
/// forward ones. Nothing measured goes in: shards are cut on unlike machines, and alike.
double relative_work(const Experiment&, const Cell&);

/// The cells of that shard, in the order of `cells`. What needs one training stays with it, and the
/// lengths of one task with each other, since longer ones are skipped after one that did not fit.
/// Such groups go, the largest first, to the shard with the least work. Every shard of the same
/// cells computes the same division.
std::vector<Cell> cells_of_shard(const Experiment&, const std::vector<Cell>& cells, const Shard&);

}  // namespace longreach::harness
