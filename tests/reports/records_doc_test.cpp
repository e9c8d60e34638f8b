// docs/records.md lists what the files have: name by name, in order, with the types.
#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "reports/columns.h"

namespace longreach::reports {
namespace {

struct Row {
  std::string name, type, unit, means, null, since;
};

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream in(line.substr(1));
  for (std::string cell; std::getline(in, cell, '|');) {
    const auto begin = cell.find_first_not_of(' '), end = cell.find_last_not_of(' ');
    cells.push_back(begin == std::string::npos ? "" : cell.substr(begin, end - begin + 1));
  }
  return cells;
}

/// The table under a heading, without its head.
std::vector<Row> documented(const std::string& heading) {
  std::ifstream doc(LONGREACH_SOURCE_DIR "/docs/records.md");
  std::vector<Row> rows;
  bool within = false;
  for (std::string line; std::getline(doc, line);) {
    if (line.starts_with("## ")) within = line == "## " + heading;
    if (!within || !line.starts_with("| `")) continue;
    std::vector<std::string> cells = cells_of(line);
    INFO(line);
    REQUIRE(cells.size() == 6);
    rows.push_back({cells[0].substr(1, cells[0].size() - 2), cells[1], cells[2], cells[3], cells[4],
                    cells[5]});
  }
  return rows;
}

std::string type_of(const std::string&) { return "text"; }
std::string type_of(bool) { return "flag"; }
std::string type_of(Status) { return "status"; }
std::string type_of(const std::optional<bool>&) { return "flag"; }
std::string type_of(const std::optional<i64>&) { return "integer"; }
std::string type_of(const std::optional<double>&) { return "number"; }

std::vector<std::string> names(const std::vector<Row>& rows) {
  std::vector<std::string> out;
  for (const Row& row : rows) out.push_back(row.name);
  return out;
}

std::vector<std::string> keys(const nlohmann::ordered_json& object) {
  std::vector<std::string> out;
  for (const auto& [key, value] : object.items()) out.push_back(key);
  return out;
}

/// Every row says what it means, what null is, and a version there has been.
void require_complete(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK_FALSE(row.means.empty());
    CHECK_FALSE(row.null.empty());
    REQUIRE_FALSE(row.since.empty());
    CHECK(std::stoll(row.since) <= kSchemaVersion);
  }
}

TEST_CASE("docs/records.md has every column of a record, in order and with its type") {
  const std::vector<Row> rows = documented("records.csv and records.jsonl");
  std::vector<std::string> columns, types, documented_types;
  Record{}.columns([&](std::string_view name, const auto& field) {
    columns.emplace_back(name);
    types.push_back(type_of(field));
  });
  for (const Row& row : rows) documented_types.push_back(row.type);
  CHECK(names(rows) == columns);
  CHECK(documented_types == types);
  require_complete(rows);
}

TEST_CASE("docs/records.md has every member of a sample and of a curve, in order") {
  CHECK(names(documented("samples.jsonl")) == keys(to_json(SampleRecord{})));
  CHECK(names(documented("curves.jsonl")) == keys(to_json(Curve{})));
  require_complete(documented("samples.jsonl"));
  require_complete(documented("curves.jsonl"));
}

TEST_CASE("docs/records.md says which version the schema has") {
  std::ifstream doc(LONGREACH_SOURCE_DIR "/docs/records.md");
  std::ostringstream text;
  text << doc.rdbuf();
  CHECK_THAT(text.str(), Catch::Contains(fmt::format("it is now **{}**", kSchemaVersion)));
}

}  // namespace
}  // namespace longreach::reports
