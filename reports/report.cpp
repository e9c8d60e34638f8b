#include "reports/report.h"

#include <sstream>

namespace longreach::reports {

std::vector<File> Report::files(const Results& results) const {
  std::ostringstream text;
  write(results, text);
  return {{file_name(), std::move(text).str()}};
}

}  // namespace longreach::reports

namespace longreach {
template <>
reports::ReportRegistry& reports::ReportRegistry::instance() {
  static reports::ReportRegistry registry;
  return registry;
}
}  // namespace longreach
