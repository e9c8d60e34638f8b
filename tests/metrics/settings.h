// Makes registered metrics from settings.
#pragma once

#include "metrics/metric.h"
#include "tests/settings.h"

namespace longreach::metrics {

using tests::Settings;

inline std::unique_ptr<Metric> make_metric(const std::string& name, Settings settings = {}) {
  return tests::make<MetricRegistry>(name, std::move(settings));
}

}  // namespace longreach::metrics
