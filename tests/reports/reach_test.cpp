// How far answers reach, as a browser draws it.
#include <catch2/catch.hpp>
#include <regex>

#include "tests/reports/drawn.h"

namespace longreach::reports {
namespace {

Record& add(std::vector<Record>& records, const std::string& backend, const std::string& metric,
            const std::string& unit, std::optional<double> value) {
  Record& record = records.emplace_back();
  record.cell.cell_id = backend;
  record.cell.backend = backend;
  record.cell.model = "reader";
  record.cell.task = "find";
  record.cell.seed = 0;
  record.cell.context_length = 256;
  Measurement& m = record.measurement;
  m.metric = metric;
  m.unit = unit;
  m.higher_is_better = true;
  m.value = value;
  m.n = 20;
  m.chance = 0.1;
  return record;
}

/// The table's row that begins with this text, without tags.
std::string row(const std::string& document, const std::string& begin) {
  const std::size_t from = document.find("<td>" + begin);
  if (from == std::string::npos) return "";
  const std::string html = document.substr(from, document.find("</tr>", from) - from);
  return std::regex_replace(std::regex_replace(html, std::regex("</td>"), "|"),
                            std::regex("<[^>]*>"), "");
}

TEST_CASE("Effective lengths and horizons make a table, with what has none or no end") {
  std::vector<Record> records;
  Measurement& length =
      add(records, "window", "passkey/exact_match/effective_length", "tokens", 64).measurement;
  length.ci_low = 0;
  length.ci_high = 128;
  length.ci_method = "bootstrap 0.95; falls below at the next length";
  Measurement& horizon =
      add(records, "full", "passkey/exact_match/horizon", "tokens", std::nullopt).measurement;
  horizon.ci_low = 200;
  horizon.ci_method = "bootstrap 0.95; never falls below 0.5; no upper end";
  for (const double distance : {90.5, 22.6, 45.3}) {
    add(records, "full", "passkey/exact_match_by_distance", "1", distance < 50 ? 1 : 0.75)
        .measurement.distance = distance;
  }
  for (const double crossed : {3.5, 0.7}) {
    add(records, "full", "passkey/exact_match_by_compressions", "1", crossed < 1 ? 1 : 0.25)
        .measurement.segments_crossed = crossed;
  }
  const std::string document = drawn(Results{"", "", "{}", "", records, {}, {}});
  if (document.empty()) return;
  CHECK(row(document, "Passkey exact match: effective length") ==
        "Passkey exact match: effective length|find|reader| window|64 tokens|[0, 128]|20|"
        "falls below at the next length|");
  CHECK(row(document, "Passkey exact match: horizon") ==
        "Passkey exact match: horizon|find|reader| full|none|[200, open]|20|"
        "never falls below 0.5; no upper end|");
  CHECK(document.find("<h3>Passkey exact match by distance — find — reader</h3>") !=
        std::string::npos);
  // The figure is drawn, not only put there.
  const std::size_t canvas =
      document.find("<canvas role=\"img\" aria-label=\"Passkey exact match by");
  REQUIRE(canvas != std::string::npos);
  CHECK(document.substr(canvas, document.find('>', canvas) - canvas).find("display: block") !=
        std::string::npos);
  // Nearest first.
  CHECK(row(document, "full").starts_with("full|22.60|1.000|20|"));
  const std::size_t compressions =
      document.find("<h3>Passkey exact match by compressions — find — reader</h3>");
  REQUIRE(compressions != std::string::npos);
  CHECK(row(document.substr(compressions), "full").starts_with("full|0.700|1.000|20|"));
  // They are not scores by context length as well.
  CHECK(document.find("Retrieval by context length</h2>") == std::string::npos);
}

}  // namespace
}  // namespace longreach::reports
