// Paired differences from the baseline.
#include "harness/comparison.h"

#include <catch2/catch.hpp>

#include "core/error.h"

using namespace longreach;
using namespace longreach::harness;
using Catch::Matchers::Contains;

namespace {

/// A cell whose samples have the hashes "0", "1", ... and these scores.
void add(Stored& stored, const std::string& backend, i64 length, const std::string& score,
         const std::vector<double>& scores, bool reversed = false) {
  Record record;
  record.cell.cell_id = fmt::format("{}{}", backend, length);
  record.cell.backend = backend;
  record.cell.baseline = backend == "base";
  record.cell.task = "find";
  record.cell.model = "m";
  record.cell.context_length = length;
  record.measurement.metric = "passkey/" + score;
  record.measurement.unit = "1";
  record.measurement.higher_is_better = true;
  record.measurement.value = 0.5;
  stored.records.push_back(record);
  for (std::size_t k = 0; k < scores.size(); ++k) {
    const std::size_t i = reversed ? scores.size() - 1 - k : k;
    SampleRecord sample;
    sample.cell_id = record.cell.cell_id;
    sample.index = static_cast<i64>(k);
    sample.sample_sha = std::to_string(i);
    sample.scores = {{score, scores[i]}};
    stored.samples.push_back(sample);
  }
}

}  // namespace

TEST_CASE("Right and wrong answers are paired by sample and tested with exact McNemar") {
  Stored stored;
  // 8 samples: the other backend loses six that the baseline has and gains none.
  add(stored, "base", 64, "exact_match", {1, 1, 1, 1, 1, 1, 0, 1});
  add(stored, "other", 64, "exact_match", {0, 0, 0, 0, 0, 0, 0, 1}, true);
  const std::vector<Record> rows = compare_to_baseline(stored, {}, 1);
  REQUIRE(rows.size() == 1);
  const Measurement& m = rows[0].measurement;
  CHECK(rows[0].cell.backend == "other");
  CHECK(m.metric == "passkey/exact_match_difference");
  CHECK(*m.value == Approx(-6.0 / 8));
  CHECK(*m.n == 8);
  CHECK(*m.ci_low <= *m.value);
  CHECK(*m.value <= *m.ci_high);
  // 2 x (1/2)^6 = 0.03125, the only test of its family.
  CHECK(m.subtask == "p_holm=0.03125");
  CHECK_THAT(m.ci_method, Contains("exact McNemar p=0.03125"));
}

TEST_CASE("Holm corrects over the backends and lengths of a task, and can be switched off") {
  Stored stored;
  const std::vector<double> right(8, 1);
  for (const i64 length : {64, 128}) {
    add(stored, "base", length, "exact_match", right);
    add(stored, "bad", length, "exact_match", {0, 0, 0, 0, 0, 0, 1, 1});  // p = 2 / 2^6
    add(stored, "same", length, "exact_match", right);                    // p = 1
  }
  std::vector<Record> rows = compare_to_baseline(stored, {}, 1);
  REQUIRE(rows.size() == 4);
  for (const Record& row : rows) {
    // Four tests: the smallest p times 4, the next times 3 but no less: 0.125 for both.
    CHECK(row.measurement.subtask == (row.cell.backend == "bad" ? "p_holm=0.125" : "p_holm=1"));
  }
  StatisticsChoice plain;
  plain.correction = Correction::none;
  rows = compare_to_baseline(stored, plain, 1);
  CHECK(rows[0].measurement.subtask == "p=0.03125");
}

TEST_CASE("Scores that are not right or wrong are compared by paired bootstrap") {
  Stored stored;
  add(stored, "base", 64, "digits", {0.1, 0.2, 0.3, 0.4, 0.5, 0.6});
  add(stored, "other", 64, "digits", {0.3, 0.4, 0.5, 0.6, 0.7, 0.8});
  const std::vector<Record> rows = compare_to_baseline(stored, {}, 1);
  REQUIRE(rows.size() == 1);
  CHECK(*rows[0].measurement.value == Approx(0.2));
  // Every difference is 0.2: no resample reaches 0, so p is the least that 2000 can show.
  CHECK_THAT(rows[0].measurement.ci_method, Contains("paired bootstrap p=0.0004998"));
}

TEST_CASE("Only samples that both have are paired, and failed or lone cells are left out") {
  Stored stored;
  add(stored, "base", 64, "exact_match", {1, 1, 0});
  add(stored, "other", 64, "exact_match", {1, 0, 0, 1, 1});
  add(stored, "other", 128, "exact_match", {1, 1, 1});  // no baseline at 128
  std::vector<Record> rows = compare_to_baseline(stored, {}, 1);
  REQUIRE(rows.size() == 1);
  CHECK(*rows[0].measurement.n == 3);
  CHECK(*rows[0].measurement.value == Approx(-1.0 / 3));
  stored.records[0].cell.status = Status::failed;
  CHECK(compare_to_baseline(stored, {}, 1).empty());
}
