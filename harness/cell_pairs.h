// Which cells of two runs are of one setting, and why the others have no counterpart.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "harness/measured.h"
#include "reports/comparison.h"

namespace longreach::harness {

/// A backend of the base, and the other run's that is held against it.
using BackendMatch = std::pair<std::string, std::string>;

struct CellPairs {
  std::vector<std::pair<std::size_t, std::size_t>> pairs;  ///< places, in the base's order
  std::vector<reports::NotCompared> alone;
};

/// Pairs cells of one model, task and its version, context length, seed and rate whose backends
/// match; without matches, those of one name. Where a backend's name stands for several (a sweep),
/// equal parameters pair. Both must be ok. `label` is the other run's; the base is A.
CellPairs pair_cells(const std::vector<Measured>& base, const std::vector<Measured>& other,
                     const std::vector<BackendMatch>& matches, const std::string& label);

/// "reader full perplexity 4k, seed 1".
std::string name_of(const CellInfo&);

}  // namespace longreach::harness
