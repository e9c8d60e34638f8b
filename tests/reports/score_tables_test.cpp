// What goes into a table, where, and with how many digits.
#include "reports/score_tables.h"

#include <catch2/catch.hpp>

#include "tests/reports/tiny.h"

namespace longreach::reports {
namespace {

std::vector<std::string> labels(const ScoreTable& table) {
  std::vector<std::string> out;
  for (const auto& row : table.rows) out.push_back(row.backend + "|" + row.run);
  return out;
}

TEST_CASE("A table has a row for each backend, a column for each length and what is common once") {
  const Tiny made = tiny();
  const std::vector<ScoreTable> tables = score_tables(made.records, Scores::main);
  REQUIRE(tables.size() == 1);
  const ScoreTable& table = tables[0];
  CHECK(labels(table) == std::vector<std::string>{"full|", "window|"});
  CHECK(table.lengths == std::vector<std::optional<i64>>{512, 4096});
  CHECK(table.rows[0].scores[1]->status == Status::oom);
  CHECK(table.rows[1].scores[1]->value == 0.185);
  CHECK(table.common_n() == 200);
  CHECK(table.methods() == std::vector<std::string>{"wilson 0.95"});
}

TEST_CASE("Rows of parts of a cell and rows by depth stay out of tables") {
  Tiny made = tiny();
  made.score("full", 512, 0.1, 0, 1).measurement.subtask = "near";
  made.score("full", 512, 0.1, 0, 1).measurement.depth = 50;
  const std::vector<ScoreTable> tables = score_tables(made.records, Scores::all);
  REQUIRE(tables.size() == 1);
  CHECK(tables[0].rows[0].scores[0]->value == 0.98);
}

TEST_CASE("Only the main score of a task has a table, unless all are wanted") {
  Tiny made = tiny();
  made.add("full", "find", 512, "passkey/digit_accuracy", 0.99);
  CHECK(score_tables(made.records, Scores::main)[0].metric == "passkey/exact_match");
  const std::vector<ScoreTable> all = score_tables(made.records, Scores::all);
  REQUIRE(all.size() == 2);
  CHECK(all[1].metric == "passkey/digit_accuracy");
}

TEST_CASE(
    "Rows tell seed and rate where a backend has several, and the run where two would clash") {
  Tiny made = tiny();
  Record& other = made.score("full", 512, 0.97, 0.94, 0.99);
  other.cell.seed = 8;
  other.cell.cell_id = "seed 8";
  CHECK(labels(score_tables(made.records, Scores::main)[0]) ==
        std::vector<std::string>{"full|seed 7", "window|seed 7", "full|seed 8"});
  other.cell.seed = 7;
  other.cell.run_id = "again";
  CHECK(labels(score_tables(made.records, Scores::main)[0]) ==
        std::vector<std::string>{"full|tiny@2026-01-02T03:04:05Z",
                                 "window|tiny@2026-01-02T03:04:05Z", "full|again"});
}

TEST_CASE("A cell that is not ok shows its status, whatever it measured") {
  for (const Status status : {Status::failed, Status::oom, Status::timeout, Status::skipped,
                              Status::truncated, Status::invalid}) {
    Tiny made = tiny();
    made.score("full", 8192, 0.5, 0.4, 0.6).cell.status = status;
    const ScoreTable table = score_tables(made.records, Scores::main)[0];
    REQUIRE(table.rows[0].scores.size() == 3);
    CHECK(table.rows[0].scores[2]->status == status);
    CHECK_FALSE(table.rows[0].scores[2]->value.has_value());
  }
}

TEST_CASE("A task without any result still has a table, of statuses") {
  Tiny made;
  made.without_result("full", "find", 512, Status::timeout, "ran longer than 10m");
  const std::vector<ScoreTable> tables = score_tables(made.records, Scores::main);
  REQUIRE(tables.size() == 1);
  CHECK(tables[0].metric.empty());
  CHECK(tables[0].rows[0].scores[0]->status == Status::timeout);
}

TEST_CASE("Digits follow the intervals, or four that count where there are none") {
  const auto decimals = [](double value, std::optional<double> low, std::optional<double> high) {
    Tiny made;
    Measurement& m = made.score("full", 512, value, 0, 0).measurement;
    m.ci_low = low;
    m.ci_high = high;
    return score_tables(made.records, Scores::main)[0].decimals();
  };
  CHECK(decimals(0.98, 0.95, 0.99) == 3);       // half .02: two digits of it are .020
  CHECK(decimals(20.5, 20, 21) == 2);           // half .5
  CHECK(decimals(2000, 1000, 3000) == 0);       // half 1000
  CHECK(decimals(1e-9, 0.5e-9, 1.5e-9) == -1);  // too many zeros to write down
  CHECK(decimals(12.34567, {}, {}) == 2);       // 12.35
  CHECK(decimals(119040, {}, {}) == 0);
  CHECK(decimals(0, {}, {}) == 0);
  CHECK(number_text(-0.0004, 3) == "0.000");
  CHECK(number_text(-0.04, 2) == "-0.04");
  CHECK(number_text(1.5e-9, -1) == "1.5e-09");
}

}  // namespace
}  // namespace longreach::reports
