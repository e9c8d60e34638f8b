// The metric registry.
#include "metrics/metric.h"

namespace longreach {
template <>
metrics::MetricRegistry& metrics::MetricRegistry::instance() {
  static metrics::MetricRegistry registry;
  return registry;
}
}  // namespace longreach
