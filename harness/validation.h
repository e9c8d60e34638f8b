// Checks that the parts of a configuration fit together, and fills in what follows from them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "harness/config.h"

namespace longreach::harness {

/// How far validate() looks.
enum class Scope {
  everything,
  no_data  ///< datasets and imports are taken on trust: none is made, and no file of theirs is read
};

/// Everything wrong, a line each. Fills in: resolved architectures with vocabularies, versions and
/// content hashes of datasets and metrics, each task's model, data and lengths, the baseline, what
/// fills the backends' budgets of state.
std::vector<std::string> validate(Experiment&, Scope = Scope::everything);

/// Whether a metric's values depend on what a model learnt. Timings and sizes do not: they need no
/// data, take the first model when none is named, and are measured for one seed and rate only.
bool depends_on_weights(std::string_view metric);

/// Whether a metric looks at the task's other context lengths (metrics::Session::lengths), as those
/// do whose targets are the same at all of them. True for metrics of plugins.
bool reads_other_lengths(std::string_view metric);

}  // namespace longreach::harness
