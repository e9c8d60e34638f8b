// `environment: [CORPORA]`: the variables of the environment that a configuration uses.
#pragma once

#include <yaml-cpp/yaml.h>

#include "harness/yaml_source.h"

namespace longreach::harness {

/// The longest value of a variable that is read, and the most bytes that all uses together add.
inline constexpr std::size_t kLongestVariable = 4096;
inline constexpr std::size_t kMostSubstituted = 1 << 20;

/// Replaces the list of names under the top-level key `environment` with a mapping of names to
/// their values, so that the tree stands alone from then on; a mapping stays as it is. Adds a
/// problem for each name that is unset or no name. Whether the key was there.
bool read_environment(YAML::Node root, const Source&, Problems&);

/// Replaces ${NAME} in all values by what the mapping under `environment` has; $${NAME} stands for
/// the text ${NAME}. Adds a problem for each name that is not there. Without the key nothing is
/// replaced.
void substitute_environment(YAML::Node root, const Source&, Problems&);

}  // namespace longreach::harness
