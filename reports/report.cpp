#include "reports/report.h"

namespace longreach {
template <>
reports::ReportRegistry& reports::ReportRegistry::instance() {
  static reports::ReportRegistry registry;
  return registry;
}
}  // namespace longreach
