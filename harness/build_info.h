// What this program was built from, for records and manifests.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/record.h"

namespace longreach::harness {

struct BuildInfo {
  std::string version;   ///< "0.1.0"
  std::string revision;  ///< git, when it was built; "unknown" outside a checkout
  std::string
      difference;  ///< SHA-256 of what the checkout had that was not committed; "" = nothing
  std::string compiler, flags, build_type;
  std::map<std::string, bool> options;           ///< of CMake
  std::map<std::string, std::string> libraries;  ///< name -> version that it was built against
  /// The shared libraries that this process runs with: "libgomp.so.1.0.0", sorted. The system may
  /// have others by now than those it was built against.
  std::vector<std::string> loaded;
};

/// Asked for once.
const BuildInfo& build_info();

/// Fills in the columns that tell build, machine (its fingerprint: harness/machine.h) and threads.
void describe_build(CellInfo&);

}  // namespace longreach::harness
