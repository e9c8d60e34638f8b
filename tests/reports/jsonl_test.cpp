// JSON Lines: nulls, the round trip through read_records, and bytes that are not text.
#include "reports/jsonl.h"

#include <catch2/catch.hpp>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.h"
#include "reports/columns.h"
#include "tests/reports/synthetic.h"

namespace longreach::reports {
namespace {

std::vector<nlohmann::json> lines(const std::string& text) {
  std::vector<nlohmann::json> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(nlohmann::json::parse(line));
  return out;
}

TEST_CASE("Absent and non-finite numbers are null in JSONL") {
  std::vector<Record> records(1);
  records[0].measurement.value = std::numeric_limits<double>::quiet_NaN();
  records[0].measurement.n = 7;
  const auto rows = lines(written("jsonl", {"", "", "", "", records, {}, {}}));
  REQUIRE(rows.size() == 1);
  CHECK(rows[0]["value"].is_null());
  CHECK(rows[0]["ci_low"].is_null());
  CHECK(rows[0]["depth"].is_null());
  CHECK(rows[0]["n"] == 7);
  CHECK(rows[0]["status"] == "ok");
  CHECK(rows[0]["subtask"] == "");
}

TEST_CASE("Every column survives a round trip through JSONL") {
  const Synthetic made = synthetic();
  const std::string text = written("jsonl", made.results());
  std::istringstream in(text);
  const std::vector<Record> back = read_records(in);
  REQUIRE(back.size() == made.records.size());
  for (std::size_t i = 0; i < back.size(); ++i) {
    const std::vector<Column> before = columns(made.records[i]), after = columns(back[i]);
    for (std::size_t c = 0; c < before.size(); ++c) {
      INFO(i << " " << before[c].name);
      REQUIRE(after[c].value == before[c].value);
    }
  }
}

TEST_CASE("Reading ignores unknown columns and blank lines") {
  std::istringstream in("{\"backend\": \"full\", \"colour\": \"blue\", \"value\": 2}\n\n");
  const std::vector<Record> records = read_records(in);
  REQUIRE(records.size() == 1);
  CHECK(records[0].cell.backend == "full");
  CHECK(records[0].measurement.value == 2.0);
}

TEST_CASE("A line that cannot be read is named with its column") {
  std::istringstream cut("{\"backend\": \"full\"}\n{\"backend\": \"fu");
  CHECK_THROWS_WITH(read_records(cut), Catch::Contains("line 2"));
  std::istringstream wrong("{\"status\": \"fine\"}");
  CHECK_THROWS_WITH(read_records(wrong),
                    Catch::Contains("line 1: column status") && Catch::Contains("\"fine\""));
  std::istringstream text("{\"value\": \"high\"}");
  CHECK_THROWS_AS(read_records(text), Error);
}

TEST_CASE("Output bytes that are not UTF-8 still make valid JSON") {
  std::vector<SampleRecord> samples(1);
  samples[0].output = "a\xff";
  samples[0].scores = {{"exact_match", 1}, {"rank", std::numeric_limits<double>::infinity()}};
  samples[0].cluster = "the sample";
  samples[0].excerpt = "the key is 7 […] the key: ";
  const auto rows = lines(written("samples", {"", "", "", "", {}, samples, {}}));
  REQUIRE(rows.size() == 1);
  CHECK(rows[0]["cluster"] == "the sample");
  CHECK(rows[0]["excerpt"] == "the key is 7 […] the key: ");
  CHECK(rows[0]["output"] == "a\xef\xbf\xbd");  // U+FFFD
  CHECK(rows[0]["scores"]["exact_match"] == 1.0);
  CHECK(rows[0]["scores"]["rank"].is_null());
  CHECK(rows[0]["depth"].is_null());
}

TEST_CASE("A curve is one line with as many x as y") {
  std::vector<Curve> curves{
      {"cell", "training/loss", "tokens", "nats/token", {1, 2}, {3, 2.5}, "b"}};
  const auto rows = lines(written("curves", {"", "", "", "", {}, {}, curves}));
  REQUIRE(rows.size() == 1);
  CHECK(rows[0]["x"] == std::vector<double>{1, 2});
  CHECK(rows[0]["y"] == std::vector<double>{3, 2.5});
  CHECK(rows[0]["name"] == "training/loss");
  CHECK(rows[0]["series"] == "b");
}

}  // namespace
}  // namespace longreach::reports
