// `report --watch`: the report of a run that goes on, served on loopback alone.
#pragma once

#include <ostream>
#include <string>

#include "core/tensor.h"

namespace longreach::harness {

struct WatchRequest {
  std::string folder;  ///< a run's output, which need not exist yet
  i64 port = 0;        ///< of 127.0.0.1; 0 takes one that is free
};

/// Serves until it is interrupted, and returns exit code 0 then; `out` is told where, in one line.
/// Throws Error when the port cannot be had.
int watch_command(const WatchRequest&, std::ostream& out);

}  // namespace longreach::harness
