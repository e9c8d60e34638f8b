// Predicted against measured: what the page, as a browser draws it, says of the plan's predictions.
#include <catch2/catch.hpp>

#include "tests/reports/drawn.h"

namespace longreach::reports {
namespace {

using Catch::Matchers::Contains;

Record cell(const std::string& id, double predicted, double measured, Status status = Status::ok) {
  Record record;
  record.cell.cell_id = id;
  record.cell.status = status;
  record.cell.backend = "full";
  record.cell.model = "reader";
  record.cell.task = "memory";
  record.cell.context_length = 256;
  record.cell.predicted_s = predicted;
  record.cell.wall_s = measured;
  record.measurement.metric = "memory/state_held";
  record.measurement.unit = "bytes";
  record.measurement.value = 1;
  record.measurement.n = 1;
  return record;
}

std::string drawn(const std::vector<Record>& records) {
  return drawn(Results{"", "", "{}", "", records, {}, {}});
}

}  // namespace

TEST_CASE("The page counts the cells predicted within a factor of two, and shows the worst") {
  // Ratios 0.5, 1, 2 are within, 3 is not; one that failed does not count. Median: the lower of
  // 1, 2.
  const std::string page = drawn({cell("a", 1, 2), cell("b", 1, 1), cell("c", 2, 1),
                                  cell("d", 3, 1), cell("e", 100, 1, Status::failed)});
  CHECK_THAT(page, Contains("Predicted time: 3 of 4 cells (75%) within 2×, the median at 1×"));
  CHECK_THAT(page, Contains("Predicted worst (4 of 4)") && Contains(">Predicted and measured</a>"));
  CHECK(page.find("<td class=\"number\">3×</td>") < page.find("<td class=\"number\">2×</td>"));
  CHECK(page.find("Predicted memory") == std::string::npos);  // nobody measured it
}

TEST_CASE("A run without predictions has no section about them") {
  Record plain = cell("a", 1, 2);
  plain.cell.predicted_s.reset();
  const std::string page = drawn({plain});
  CHECK(page.find(">Predicted and measured</a>") == std::string::npos);
}

}  // namespace longreach::reports
