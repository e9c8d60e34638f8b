// A JSON Schema of configuration files, for editors.
#pragma once

#include <string>

#include "core/units.h"

namespace longreach::harness {

/// JSON Schema (draft 2020-12) of experiments and of the files of `longreach bench`, made from the
/// declarations that read them: all keys with types, ranges, choices, defaults and meanings, sweeps
/// and zips where they may stand. What it refuses, the reader refuses; not the reverse, as parts
/// that must fit together (names, sizes, data) are beyond a schema.
std::string configuration_schema();

/// A regular expression of the texts that are numbers in that unit ("4k", "1e-3").
std::string number_pattern(Unit unit);

}  // namespace longreach::harness
