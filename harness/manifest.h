// How a run came about: build, machine and configuration, kept in the store and written as
// manifest.json.
#pragma once

#include <string>

#include "harness/config.h"
#include "harness/store.h"

namespace longreach::harness {

/// Remembers in the store what its reports will need besides cells, so that `report` works from
/// the output folder alone.
void store_experiment(Store&, const Experiment&, const std::string& command);

/// manifest.json of what is stored.
std::string manifest_text(const Store&);

}  // namespace longreach::harness
