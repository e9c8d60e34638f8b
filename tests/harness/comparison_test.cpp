// Paired differences from the baseline.
#include "harness/comparison.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "core/error.h"
#include "harness/measured.h"
#include "metrics/blocks.h"

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
  const std::vector<Derived> rows = compare_to_baseline(measured_cells(stored), {}, 1);
  REQUIRE(rows.size() == 1);
  const Measurement& m = rows[0].measurement;
  CHECK(rows[0].cell->backend == "other");
  CHECK(m.metric == "passkey/exact_match_difference");
  CHECK(*m.value == Approx(-6.0 / 8));
  CHECK(*m.n == 8);
  CHECK(*m.ci_low <= *m.value);
  CHECK(*m.value <= *m.ci_high);
  // 2 x (1/2)^6 = 0.03125, the only test of its family.
  CHECK(*m.p_value == 0.03125);
  CHECK(*m.p_adjusted == 0.03125);
  CHECK(m.subtask.empty());
  CHECK_THAT(m.ci_method,
             Contains("8 samples") && Contains("against base; exact McNemar, Holm over 1"));
  // Six of -1 and two of 0: squares 6 - 36/8 = 1.5, so the standard error is sqrt(1.5 / 7 / 8).
  CHECK(*m.detectable == Approx((1.959964 + 0.841621) * std::sqrt(1.5 / 56)).epsilon(1e-5));
}

TEST_CASE("Equal answers bound the difference by Wilson instead of claiming certainty") {
  Stored stored;
  add(stored, "base", 64, "exact_match", std::vector<double>(10, 1));
  add(stored, "same", 64, "exact_match", std::vector<double>(10, 1));
  add(stored, "bad", 64, "exact_match", std::vector<double>(10, 0));
  const std::vector<Derived> rows = compare_to_baseline(measured_cells(stored), {}, 1);
  REQUIRE(rows.size() == 2);
  // Of 10 pairs none is of another kind: at most 1 - 0.722467 of them.
  const Measurement &same = rows[0].measurement, &bad = rows[1].measurement;
  CHECK(*same.value == 0);
  CHECK(*same.ci_low == Approx(-0.277533).epsilon(1e-5));
  CHECK(*same.ci_high == Approx(0.277533).epsilon(1e-5));
  CHECK_FALSE(same.detectable);  // no spread to tell it from
  CHECK(*same.p_value == 1);
  CHECK(*bad.value == -1);
  CHECK(*bad.ci_low == -1);
  CHECK(*bad.ci_high == Approx(-1 + 2 * 0.277533).epsilon(1e-5));
  CHECK_THAT(bad.ci_method, Contains("wilson 0.95 over 10 samples, all alike"));
}

TEST_CASE("Holm corrects over the backends and lengths of a task, and can be switched off") {
  Stored stored;
  const std::vector<double> right(8, 1);
  for (const i64 length : {64, 128}) {
    add(stored, "base", length, "exact_match", right);
    add(stored, "bad", length, "exact_match", {0, 0, 0, 0, 0, 0, 1, 1});  // p = 2 / 2^6
    add(stored, "same", length, "exact_match", right);                    // p = 1
  }
  std::vector<Derived> rows = compare_to_baseline(measured_cells(stored), {}, 1);
  REQUIRE(rows.size() == 4);
  for (const Derived& row : rows) {
    // Four tests: the smallest p times 4, the next times 3 but no less: 0.125 for both.
    CHECK(*row.measurement.p_adjusted == (row.cell->backend == "bad" ? 0.125 : 1));
  }
  StatisticsChoice plain;
  plain.correction = Correction::none;
  rows = compare_to_baseline(measured_cells(stored), plain, 1);
  CHECK(*rows[0].measurement.p_value == 0.03125);
  CHECK_FALSE(rows[0].measurement.p_adjusted);
}

TEST_CASE("Scores that are not right or wrong are tested by flipping signs") {
  Stored stored;
  add(stored, "base", 64, "digits", {0.1, 0.2, 0.3, 0.4, 0.5, 0.6});
  add(stored, "other", 64, "digits", {0.3, 0.4, 0.5, 0.6, 0.7, 0.8});
  const std::vector<Derived> rows = compare_to_baseline(measured_cells(stored), {}, 1);
  REQUIRE(rows.size() == 1);
  CHECK(*rows[0].measurement.value == Approx(0.2));
  // Every difference is 0.2: of 2^6 ways to give them signs, two are as far from 0.
  CHECK(*rows[0].measurement.p_value == 2.0 / 64);
  CHECK_THAT(rows[0].measurement.ci_method, Contains("; sign flips, Holm"));
  // Alike but for rounding, which is no certainty: z^2 / (6 + z^2) = 0.390334 may be otherwise.
  CHECK(*rows[0].measurement.ci_low == Approx(0.2 - 1.2 * 0.390334).epsilon(1e-5));
  CHECK(*rows[0].measurement.ci_high == Approx(0.2 + 0.8 * 0.390334).epsilon(1e-5));
  // Beyond 1 nothing is bounded.
  for (SampleRecord& sample : stored.samples) sample.scores[0].second *= 10;
  const Derived unbounded = compare_to_baseline(measured_cells(stored), {}, 1).at(0);
  CHECK(*unbounded.measurement.ci_low == Approx(2));
  CHECK_THAT(unbounded.measurement.ci_method, Contains("paired bootstrap 0.95 over 6 samples"));
}

TEST_CASE("Only samples that both have are paired, and failed or lone cells are left out") {
  Stored stored;
  add(stored, "base", 64, "exact_match", {1, 1, 0});
  add(stored, "other", 64, "exact_match", {1, 0, 0, 1, 1});
  add(stored, "other", 128, "exact_match", {1, 1, 1});  // no baseline at 128
  std::vector<Derived> rows = compare_to_baseline(measured_cells(stored), {}, 1);
  REQUIRE(rows.size() == 1);
  CHECK(*rows[0].measurement.n == 3);
  // What was paired, not all that the cell has read.
  CHECK(rows[0].measurement.data_sha ==
        metrics::set_sha(std::vector(stored.samples.begin(), stored.samples.begin() + 3)));
  CHECK(*rows[0].measurement.value == Approx(-1.0 / 3));
  stored.records[0].cell.status = Status::failed;
  CHECK(compare_to_baseline(measured_cells(stored), {}, 1).empty());
}

TEST_CASE("Samples of one cluster are one unit, and McNemar does not take them for independent") {
  Stored stored;
  add(stored, "base", 64, "exact_match", {1, 1, 1, 1, 1, 1});
  add(stored, "other", 64, "exact_match", {0, 0, 0, 0, 1, 1});
  // Two of "a" differ by -1 and one by 0, both of "b" by -1, and one stands alone.
  const std::vector<std::string> clusters{"a", "a", "b", "b", "a", ""};
  for (std::size_t i = 0; i < stored.samples.size(); ++i) {
    stored.samples[i].cluster = clusters[i % clusters.size()];
  }
  const std::vector<Derived> rows = compare_to_baseline(measured_cells(stored), {}, 1);
  REQUIRE(rows.size() == 1);
  const Measurement& m = rows[0].measurement;
  CHECK(*m.n == 3);
  // 4 of 6 lost, whatever the clusters: their means' mean would be -5/9.
  CHECK(*m.value == Approx(-4.0 / 6));
  // Residuals (-2 + 3 x 2/3, -2 + 2 x 2/3, 0 + 2/3) / 2 = 0, -1/3, 1/3.
  CHECK(*m.standard_error == Approx(std::sqrt(2.0 / 9 / 2 / 3)));
  CHECK_THAT(m.ci_method, Contains("over 3 clusters"));
  // Of -2 -2 0: both signs alike in 2 of 4 ways.
  CHECK(*m.p_value == 0.5);
  CHECK_THAT(m.ci_method, Contains("; sign flips") && !Contains("McNemar"));
}

TEST_CASE("Each depth is compared on its own, adjusted over the heatmap of one backend") {
  Stored stored;
  const std::vector<double> right(16, 1);
  for (const i64 length : {64, 128}) {
    for (const std::string backend : {"base", "other", "third"}) {
      std::vector<double> scores = right;
      // Of eight samples at depth 0, `other` loses six at 64 and seven at 128.
      const int lost = backend == "other" ? length == 64 ? 6 : 7 : 0;
      std::fill_n(scores.begin(), lost, 0);
      add(stored, backend, length, "exact_match", scores);
      for (const double depth : {0.0, 50.0}) {
        Record row = stored.records.back();
        row.measurement.depth = depth;
        stored.records.push_back(row);
      }
      for (std::size_t i = 0; i < 16; ++i) {
        stored.samples[stored.samples.size() - 16 + i].depth = i < 8 ? 0 : 50;
      }
    }
  }
  i64 deep = 0, pooled = 0;
  for (const Derived& row : compare_to_baseline(measured_cells(stored), {}, 1)) {
    const Measurement& m = row.measurement;
    if (!m.depth) {
      ++pooled;
      CHECK(*m.n == 16);
      CHECK_THAT(m.ci_method, Contains("Holm over 4"));
      continue;
    }
    ++deep;
    INFO(row.cell->backend << row.cell->context_length.value_or(0) << " at " << *m.depth);
    CHECK(*m.n == 8);
    CHECK_THAT(m.ci_method, Contains("Benjamini-Hochberg over 4"));
    // Of `other`: p 2/128, 2/64, 1, 1. Times 4/1, 4/2: both 1/16. Never mixed with third's.
    const bool lost = row.cell->backend == "other" && *m.depth == 0;
    CHECK(*m.p_adjusted == (lost ? 0.0625 : 1));
    CHECK(*m.value == (lost ? (row.cell->context_length == 64 ? -6.0 / 8 : -7.0 / 8) : 0));
  }
  CHECK(pooled == 4);
  CHECK(deep == 8);
}

TEST_CASE("Repetitions of a timing are compared as ratios, unpaired") {
  Stored stored;
  add(stored, "base", 64, "decode", {1, 10, 100, 1000, 10000});
  add(stored, "other", 64, "decode", {2, 3, 4, 5, 6});
  for (SampleRecord& sample : stored.samples) sample.sample_sha.clear();
  for (Record& record : stored.records) {
    record.measurement.metric = "latency/decode";
    record.measurement.unit = "ms/token";
    record.measurement.higher_is_better = false;
  }
  const std::vector<Derived> rows = compare_to_baseline(measured_cells(stored), {}, 1);
  REQUIRE(rows.size() == 1);  // and no difference of pairs that are none
  const Measurement& m = rows[0].measurement;
  CHECK(m.metric == "latency/decode_ratio");
  CHECK(m.unit == "1");
  CHECK(m.higher_is_better == false);
  CHECK(*m.n == 5);
  // The median quotient; the third from either end: P(U <= 2) = 4/252, P(U <= 3) = 7/252.
  CHECK(*m.value == Approx(0.04));
  CHECK(*m.ci_low == Approx(4e-4));
  CHECK(*m.ci_high == Approx(4));
  // Each of the five lies above 1 alone: U = 5. Partitions into at most 5 parts of at most 5 of 0
  // to 5: 1 + 1 + 2 + 3 + 5 + 7 = 19 of 252.
  CHECK(*m.p_value == Approx(2 * 19 / 252.0));
  CHECK(*m.p_adjusted == *m.p_value);
  CHECK_THAT(m.ci_method, Contains("5 and 5 repetitions, against base; Mann-Whitney, Holm over 1"));
}

TEST_CASE("Only times are compared as ratios, and only those that were taken alike") {
  Stored stored;
  add(stored, "base", 64, "decode", {1, 2, 3});
  add(stored, "other", 64, "decode", {2, 3, 4});
  for (SampleRecord& sample : stored.samples) sample.sample_sha.clear();
  for (Record& record : stored.records) record.measurement.unit = "ms";
  const auto rows_where = [&](const auto& change) {
    Stored changed = stored;
    change(changed.records[0]);
    return compare_to_baseline(measured_cells(changed), {}, 1).size();
  };
  CHECK(rows_where([](Record&) {}) == 1);
  CHECK(rows_where([](Record& r) { r.measurement.protocol = "repetitions=1"; }) == 0);
  CHECK(rows_where([](Record& r) { r.cell.cpu = "another"; }) == 0);
  CHECK(rows_where([](Record& r) { r.cell.machine = "another"; }) == 0);
  CHECK(rows_where([](Record& r) { r.cell.build = "debug"; }) == 0);
  CHECK(rows_where([](Record& r) { r.cell.flags = "-O0"; }) == 0);
  CHECK(rows_where([](Record& r) { r.cell.threads = 1; }) == 0);
  for (const std::string unit : {"J/token", "samples", "tokens/s"}) {
    for (Record& record : stored.records) record.measurement.unit = unit;
    CHECK(compare_to_baseline(measured_cells(stored), {}, 1).empty());
  }
}

TEST_CASE("Backends of one name and other parameters have heatmaps of their own") {
  Stored stored;
  add(stored, "base", 64, "exact_match", {1, 1, 1, 1});
  for (const std::string params : {"window: 8", "window: 16"}) {
    add(stored, "other", 64, "exact_match", {0, 0, 1, 1});
    Record& record = stored.records.back();
    record.cell.backend_params = params;
    record.cell.cell_id = params;
    for (std::size_t i = 4; i > 0; --i) {
      SampleRecord& sample = stored.samples[stored.samples.size() - i];
      sample.cell_id = params;
    }
    stored.records.push_back(record);
    stored.records.back().measurement.depth = 0;
  }
  for (SampleRecord& sample : stored.samples) sample.depth = 0;
  i64 deep = 0;
  for (const Derived& row : compare_to_baseline(measured_cells(stored), {}, 1)) {
    if (!row.measurement.depth) continue;
    ++deep;
    CHECK_THAT(row.measurement.ci_method, Contains("Benjamini-Hochberg over 1"));
  }
  CHECK(deep == 2);
}
