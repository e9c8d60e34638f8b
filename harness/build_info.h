// What this program was built from and what it runs on, for records and manifests.
#pragma once

#include <map>
#include <string>

#include "core/record.h"

namespace longreach::harness {

struct BuildInfo {
  std::string version;   ///< "0.1.0"
  std::string revision;  ///< git, at configure time; "unknown" outside a checkout
  std::string compiler, flags, build_type;
  std::string cpu;                               ///< as the kernel names it
  std::string isa;                               ///< the vector instructions in use
  i64 threads = 0;                               ///< OpenMP
  std::map<std::string, std::string> libraries;  ///< name -> version
};

BuildInfo build_info();

/// Fills in the columns that tell build and machine.
void describe_build(CellInfo&);

}  // namespace longreach::harness
