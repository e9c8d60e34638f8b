// `list` and `describe`: what is registered, printed from the code itself.
#pragma once

#include <string>

namespace longreach::harness {

/// Every registered backend, metric, dataset and report with its summary.
std::string list_all();

/// Every key of a configuration, then every backend, metric and dataset with its parameters.
std::string describe_all();

/// Fields with defaults, allowed values and meaning; for a backend also its weights and state.
/// Also describes the sections of a configuration (harness/sections.h). Throws Error
/// naming the nearest known names.
std::string describe_name(const std::string& name);

}  // namespace longreach::harness
