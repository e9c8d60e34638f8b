#include "datasets/dataset.h"

namespace longreach {
template <>
datasets::DatasetRegistry& datasets::DatasetRegistry::instance() {
  static datasets::DatasetRegistry registry;
  return registry;
}
}  // namespace longreach
