// Takes the name of a built-in backend.
#include "attention/backend.h"

namespace {
const bool added = [] {
  longreach::attention::AttentionRegistry::instance().add("full", {});
  return true;
}();
}  // namespace
