// `include: other.yaml`: parts of a configuration that several share.
#pragma once

#include <yaml-cpp/yaml.h>

#include "harness/yaml_source.h"

namespace longreach::harness {

/// How deep included files may include others, and how many files a configuration may be made of.
inline constexpr std::size_t kDeepestInclude = 8;
inline constexpr std::size_t kMostIncludes = 100;

/// Merges into each mapping what its key `include` names: a file, or a list of them, whose paths
/// are relative to the file that holds the key. A key that the mapping has already keeps its value,
/// but mappings under the same key are merged in turn; lists are not. Of several files the later
/// wins. Tells `source` what came from where. Whether anything was included. Throws Error naming
/// the line for files that cannot be read, hold no mapping, include themselves, or are more, deeper
/// or larger than is read.
bool resolve_includes(YAML::Node root, Source& source);

}  // namespace longreach::harness
