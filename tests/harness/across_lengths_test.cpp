// Effective length, scores by distance and recall horizon, from stored cells.
#include "harness/across_lengths.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "core/error.h"

using namespace longreach;
using namespace longreach::harness;
using Catch::Matchers::Contains;

namespace {

/// One sample of each distance and score, each as often as `copies` says; segments are of 32
/// tokens.
struct Cell {
  std::string backend = "window";
  i64 length = 64;
  std::vector<std::pair<double, double>> answers;
  int copies = 8;
  i64 seed = 0;
  std::string score = "exact_match";
};

void add(Stored& stored, const Cell& cell) {
  Record record;
  record.cell.cell_id = fmt::format("{}{}{}", cell.backend, cell.length, cell.seed);
  record.cell.backend = cell.backend;
  record.cell.task = "find";
  record.cell.model = "m";
  record.cell.seed = cell.seed;
  record.cell.context_length = cell.length;
  record.measurement.metric = "passkey/" + cell.score;
  record.measurement.unit = "1";
  record.measurement.higher_is_better = true;
  record.measurement.chance = 0.1;
  record.measurement.protocol = fmt::format("passkey/1:ctx={}:digits=5", cell.length);
  record.measurement.value = 0.5;
  stored.records.push_back(record);
  for (int copy = 0; copy < cell.copies; ++copy) {
    for (const auto& [distance, score] : cell.answers) {
      SampleRecord sample;
      sample.cell_id = record.cell.cell_id;
      sample.sample_sha = std::to_string(stored.samples.size());
      sample.scores = {{cell.score, score}, {"place", 3}};
      sample.distance = distance;
      sample.segments_crossed = distance / 32;
      stored.samples.push_back(sample);
    }
  }
}

/// Right up to 40 tokens back.
Stored window() {
  Stored stored;
  add(stored, {.length = 256, .answers = {{20, 1}, {180, 0}, {200, 0}, {250, 0}}});
  add(stored, {.length = 64, .answers = {{10, 1}, {40, 1}}, .copies = 10});
  add(stored, {.length = 128, .answers = {{20, 1}, {40, 1}, {100, 0}}});
  return stored;
}

std::vector<Measurement> rows_of(const std::vector<Derived>& records, const std::string& metric) {
  std::vector<Measurement> rows;
  for (const Derived& record : records) {
    if (record.measurement.metric == metric) rows.push_back(record.measurement);
  }
  return rows;
}

Measurement row_of(const std::vector<Derived>& records, const std::string& metric) {
  const std::vector<Measurement> rows = rows_of(records, metric);
  REQUIRE(rows.size() == 1);
  return rows[0];
}

}  // namespace

TEST_CASE("The effective length of one backend's cells stands beside the longest of them") {
  const std::vector<Derived> records = derive_across_lengths(measured_cells(window()), {}, 1);
  for (const Derived& record : records) CHECK(record.cell->context_length == 256);
  const Measurement m = row_of(records, "passkey/exact_match/effective_length");
  // 1, 2/3 and 1/4 right.
  CHECK(*m.value == 64);
  CHECK(m.unit == "tokens");
  CHECK(m.n == 20);  // of 20, 24 and 32
  CHECK(*m.ci_low <= 64);
  CHECK(*m.ci_high >= 64);
  CHECK(
      m.protocol ==
      "effective_length/1:threshold=0.85:relative:chance=0.1:of=passkey/1:ctx=64+128+256:digits=5");
  StatisticsChoice half;
  half.effective_threshold = 0.5;
  half.effective_relative = false;
  const Measurement other = row_of(derive_across_lengths(measured_cells(window()), half, 1),
                                   "passkey/exact_match/effective_length");
  CHECK(*other.value == 128);
  CHECK_THAT(other.protocol, Contains("threshold=0.5:absolute"));
  half.effective_threshold = 1;
  half.effective_relative = true;
  Stored wrong = window();
  for (SampleRecord& sample : wrong.samples) sample.scores[0].second = 0;
  const Measurement none = row_of(derive_across_lengths(measured_cells(wrong), half, 1),
                                  "passkey/exact_match/effective_length");
  CHECK_FALSE(none.value);
  CHECK_THAT(none.ci_method, Contains("below at the shortest length already"));
}

TEST_CASE("Scores are pooled over lengths by doublings of distance and of compressions") {
  const std::vector<Derived> records = derive_across_lengths(measured_cells(window()), {}, 1);
  const std::vector<Measurement> rows = rows_of(records, "passkey/exact_match_by_distance");
  // 10 | 20 20 | 40 40 | 100 | 180 200 250.
  REQUIRE(rows.size() == 5);
  const std::vector<i64> n{10, 16, 18, 8, 24};
  for (std::size_t i = 0; i < 5; ++i) {
    INFO(i);
    CHECK(*rows[i].distance == Approx(std::exp2(3.5 + static_cast<double>(i))));
    CHECK(rows[i].n == n[i]);
    CHECK(*rows[i].value == (i < 3 ? 1 : 0));
    CHECK(rows[i].chance == 0.1);
    CHECK(rows[i].ci_method == "wilson 0.95");
    CHECK_FALSE(rows[i].segments_crossed);
  }
  CHECK(*rows[0].ci_low == Approx(10 / 13.841459).epsilon(1e-5));
  // Below 1: 10 and 20; from 1: 40; from 2: 100; from 4: the rest.
  const std::vector<Measurement> crossed = rows_of(records, "passkey/exact_match_by_compressions");
  REQUIRE(crossed.size() == 4);
  CHECK(*crossed[0].segments_crossed == 0);
  CHECK(crossed[0].n == 26);
  CHECK(*crossed[1].segments_crossed == Approx(std::sqrt(2.0)));
  CHECK(crossed[3].n == 24);
  CHECK_FALSE(crossed[3].distance);
}

TEST_CASE("The horizon is told in tokens and in compressions, with what was tested") {
  const std::vector<Derived> records = derive_across_lengths(measured_cells(window()), {}, 1);
  const Measurement m = row_of(records, "passkey/exact_match/horizon");
  CHECK(*m.value == Approx(std::sqrt(40.0 * 100)));
  CHECK(m.unit == "tokens");
  CHECK(*m.ci_low == Approx(40));
  CHECK(*m.ci_high == Approx(100));
  CHECK(m.n == 76);
  CHECK(m.distance == 250);
  CHECK(m.protocol == "horizon/1:level=0.5:of=passkey/1:ctx=64+128+256:digits=5");
  const Measurement crossed = row_of(records, "passkey/exact_match/horizon_compressions");
  // Halfway between log2(1 + 40/32) and log2(1 + 100/32).
  CHECK(*crossed.value == Approx(std::sqrt(2.25 * 4.125) - 1));
  CHECK(crossed.unit == "1");
  CHECK(*crossed.segments_crossed == Approx(250.0 / 32));
}

TEST_CASE("A horizon beyond what was tested has no value and says how far the test went") {
  Stored stored;
  add(stored, {.answers = {{20, 1}, {50, 1}}});
  std::vector<Derived> records = derive_across_lengths(measured_cells(stored), {}, 1);
  const Measurement m = row_of(records, "passkey/exact_match/horizon");
  CHECK_FALSE(m.value);
  CHECK_FALSE(m.ci_high);
  CHECK(m.distance == 50);
  CHECK_THAT(m.ci_method, Contains("never falls below 0.5 within what was tested, 50 tokens"));
  // One length alone has no effective length.
  CHECK(rows_of(records, "passkey/exact_match/effective_length").empty());

  stored = {};
  add(stored, {.answers = {{20, 0}, {50, 0}}});
  records = derive_across_lengths(measured_cells(stored), {}, 1);
  CHECK_THAT(row_of(records, "passkey/exact_match/horizon").ci_method,
             Contains("below 0.5 already at the nearest, 20 tokens"));
  for (Record& record : stored.records) record.measurement.chance = 0.5;
  records = derive_across_lengths(measured_cells(stored), {}, 1);
  CHECK(rows_of(records, "passkey/exact_match/horizon").empty());
  CHECK(rows_of(records, "passkey/exact_match_by_distance").size() == 2);
}

TEST_CASE("Questions of one cluster are one unit of a bucket and of a length") {
  Stored stored;
  add(stored, {.answers = {{20, 1}, {21, 0}, {22, 1}}, .copies = 4});
  add(stored, {.length = 128, .answers = {{20, 1}, {21, 0}, {22, 1}}, .copies = 4});
  for (std::size_t i = 0; i < stored.samples.size(); ++i) {
    stored.samples[i].cluster = fmt::format("text {}", i / 3);
  }
  const std::vector<Derived> records = derive_across_lengths(measured_cells(stored), {}, 1);
  const Measurement bucket = row_of(records, "passkey/exact_match_by_distance");
  CHECK(bucket.n == 8);
  CHECK(*bucket.value == Approx(2.0 / 3));
  CHECK_THAT(bucket.ci_method, Contains("over 8 clusters"));
  CHECK(row_of(records, "passkey/exact_match/effective_length").n == 4);
  CHECK(row_of(records, "passkey/exact_match/horizon").n == 8);
}

TEST_CASE("Scores of several answers have an effective length, but no distance") {
  for (const std::string score : {"accuracy", "efficiency", "f1"}) {
    Stored stored;
    add(stored, {.answers = {{20, 1}, {50, 0}}, .score = score});
    add(stored, {.length = 128, .answers = {{20, 1}, {100, 0}}, .score = score});
    const std::vector<Derived> records = derive_across_lengths(measured_cells(stored), {}, 1);
    INFO(score);
    CHECK(rows_of(records, "passkey/" + score + "/effective_length").size() == 1);
    const bool of_one = score == "f1";
    CHECK(rows_of(records, "passkey/" + score + "_by_distance").empty() != of_one);
    CHECK(rows_of(records, "passkey/" + score + "_by_compressions").empty() != of_one);
    CHECK(rows_of(records, "passkey/" + score + "/horizon").empty() != of_one);
  }
}

TEST_CASE("Only right answers' shares are derived from, of cells that are ok and belong together") {
  Stored stored = window();
  add(stored, {.length = 512, .answers = {{500, 1}}});
  stored.records.back().cell.status = Status::failed;
  add(stored, {.length = 64, .answers = {{10, 1}}, .seed = 1});
  add(stored, {.backend = "full", .length = 64, .answers = {{10, 0.5}}, .score = "loss"});
  add(stored, {.backend = "odd", .length = 64, .answers = {{10, 7}}});  // no share
  const std::vector<Derived> records = derive_across_lengths(measured_cells(stored), {}, 1);
  for (const Derived& record : records) {
    CHECK(record.cell->backend == "window");
    CHECK(record.cell->context_length == (record.cell->seed == 1 ? 64 : 256));
  }
  CHECK(rows_of(records, "passkey/exact_match/horizon").size() == 2);
  CHECK(rows_of(records, "passkey/exact_match/effective_length").size() == 1);
}
