// Ends the process as soon as any of it runs.
#include <cstdlib>

#include "core/registry.h"

namespace {
const bool ran = [] {
  std::abort();
  return true;
}();
}  // namespace
