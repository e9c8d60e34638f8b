// Needs a function that neither it nor the program has.
#include "core/registry.h"

namespace longreach {
int function_that_nobody_wrote();
namespace {
const int called = function_that_nobody_wrote();
}
}  // namespace longreach
