// Between a cell's process and the store.
#pragma once

#include <string>

#include "harness/plan.h"
#include "harness/unsaved.h"

namespace longreach::harness {

/// Stores what a cell gave; a measurement with other weights than those that its training stored is
/// made a failure first. Throws WriteError when the run must stop: the cell's files could not be
/// written, and it counts as not run, or the store cannot be (store_or_keep()).
void settle(Store&, const std::string& output, const Cell&, Outcome&);

}  // namespace longreach::harness
