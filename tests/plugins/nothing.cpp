// Stamped, and registers nothing.
#include "core/registry.h"
