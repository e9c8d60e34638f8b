// records.csv: quoting, absent values and numbers, read back by a small parser of RFC 4180.
#include <catch2/catch.hpp>
#include <limits>
#include <map>

#include "tests/reports/synthetic.h"

namespace longreach::reports {
namespace {

using Row = std::vector<std::string>;

/// RFC 4180 as its grammar has it, with "\n" for line ends.
std::vector<Row> parse_csv(const std::string& text) {
  std::vector<Row> rows(1);
  std::string field;
  bool inside = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (inside && c == '"' && i + 1 < text.size() && text[i + 1] == '"') {
      field += '"', ++i;
    } else if (c == '"') {
      inside = !inside;
    } else if (!inside && (c == ',' || c == '\n')) {
      rows.back().push_back(std::exchange(field, ""));
      if (c == '\n') rows.emplace_back();
    } else {
      field += c;
    }
  }
  rows.pop_back();
  return rows;
}

std::map<std::string, std::string> by_name(const std::vector<Row>& rows, std::size_t row) {
  std::map<std::string, std::string> out;
  for (std::size_t i = 0; i < rows[0].size(); ++i) out[rows[0][i]] = rows[row].at(i);
  return out;
}

Results only(const std::vector<Record>& records) { return {"", "", "", "", records, {}, {}}; }

TEST_CASE("Text with commas, quotes and line ends survives a round trip through CSV") {
  std::vector<Record> records(2);
  records[0].cell.backend = "plain";
  records[0].cell.reason = "line one\nline \"two\", with a comma\r\nand three";
  records[0].cell.backend_params = "segment: 256, update: delta";
  records[1].cell.backend = "\"quoted\"";
  const std::vector<Row> rows = parse_csv(written("csv", only(records)));
  REQUIRE(rows.size() == 3);
  CHECK(rows[1].size() == rows[0].size());
  CHECK(rows[2].size() == rows[0].size());
  CHECK(by_name(rows, 1)["reason"] == records[0].cell.reason);
  CHECK(by_name(rows, 1)["backend_params"] == records[0].cell.backend_params);
  CHECK(by_name(rows, 1)["backend"] == "plain");
  CHECK(by_name(rows, 2)["backend"] == "\"quoted\"");
}

TEST_CASE("Only fields that need it are quoted in CSV") {
  std::vector<Record> records(1);
  records[0].cell.run_id = "run";
  records[0].cell.cell_id = "b c";
  records[0].cell.reason = "d,e";
  records[0].cell.backend = "f\rg";  // some take a carriage return alone for a line end
  const std::string text = written("csv", only(records));
  CHECK(text.substr(text.find('\n') + 1, 25) == "run,b c,1,ok,\"d,e\",\"f\rg\",");
}

TEST_CASE("Absent and non-finite numbers are empty in CSV, and flags are words") {
  std::vector<Record> records(1);
  records[0].cell.baseline = true;
  records[0].cell.status = Status::oom;
  records[0].measurement.standard_error = std::numeric_limits<double>::quiet_NaN();
  records[0].measurement.ci_high = std::numeric_limits<double>::infinity();
  auto row = by_name(parse_csv(written("csv", only(records))), 1);
  CHECK(row["value"].empty());
  CHECK(row["stderr"].empty());
  CHECK(row["ci_high"].empty());
  CHECK(row["context_length"].empty());
  CHECK(row["higher_is_better"].empty());
  CHECK(row["baseline"] == "true");
  CHECK(row["status"] == "oom");
}

TEST_CASE("CSV numbers are the shortest decimals that read back to the same bits") {
  const std::vector<double> numbers{0.1, 1.0 / 3.0, 1e-5, 123456789.0, 5e-324, -0.0};
  std::vector<Record> records(numbers.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) records[i].measurement.value = numbers[i];
  const std::vector<Row> rows = parse_csv(written("csv", only(records)));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    CHECK(std::strtod(by_name(rows, i + 1)["value"].c_str(), nullptr) == numbers[i]);
  }
  CHECK(by_name(rows, 1)["value"] == "0.1");
  CHECK(by_name(rows, 3)["value"] == "1e-05");
}

TEST_CASE("CSV without records is its header alone") {
  const std::string text = written("csv", only({}));
  CHECK(text.find("run_id,cell_id,schema_version,status,reason,backend") == 0);
  CHECK(text.find('\n') == text.size() - 1);
}

}  // namespace
}  // namespace longreach::reports
