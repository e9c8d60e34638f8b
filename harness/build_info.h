// What this program was built from, for records and manifests.
#pragma once

#include <map>
#include <string>

#include "core/record.h"

namespace longreach::harness {

struct BuildInfo {
  std::string version;   ///< "0.1.0"
  std::string revision;  ///< git, at configure time; "unknown" outside a checkout
  std::string compiler, flags, build_type;
  std::map<std::string, std::string> libraries;  ///< name -> version
};

BuildInfo build_info();

/// Fills in the columns that tell build, machine (its fingerprint: harness/machine.h) and threads.
void describe_build(CellInfo&);

}  // namespace longreach::harness
