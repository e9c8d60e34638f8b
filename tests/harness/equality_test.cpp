// What two runs of one experiment must share to the bit, and what no two runs do.
#include "harness/equality.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "core/error.h"

using namespace longreach;
using namespace longreach::harness;

namespace {

Stored one_cell() {
  Record record;
  CellInfo& cell = record.cell;
  cell.cell_id = "c1";
  cell.run_id = "t@noon";
  cell.model = "reader";
  cell.backend = "full";
  cell.task = "perplexity";
  cell.context_length = 64;
  cell.started_at = "noon";
  cell.wall_s = 1;
  Measurement& m = record.measurement;
  m.metric = "perplexity/token";
  m.value = 1.5;
  m.n = 3;
  Record timed = record;
  timed.measurement.metric = "latency/decode";
  timed.measurement.ci_method = "range of 3 repetitions";
  Stored stored;
  stored.records = {record, timed};
  stored.samples = {{.cell_id = "c1",
                     .index = 0,
                     .sample_sha = "ab",
                     .target = "x",
                     .output = "y",
                     .scores = {{"exact_match", 1}},
                     .depth = {},
                     .distance = {},
                     .segments_crossed = {}},
                    {.cell_id = "c1",
                     .index = 1,
                     .sample_sha = {},
                     .target = {},
                     .output = {},
                     .scores = {{"decode", 0.25}},
                     .depth = {},
                     .distance = {},
                     .segments_crossed = {}}};
  stored.curves = {{.cell_id = "c1",
                    .name = "training/loss_by_time",
                    .x_unit = "s",
                    .y_unit = "nats/token",
                    .x = {1, 2},
                    .y = {3, 4}}};
  return stored;
}

/// What equal_but_for_times() says once the second of two equal runs was changed.
template <class Change>
std::string after(const Change& change) {
  Stored second = one_cell();
  change(second);
  return equal_but_for_times(one_cell(), second);
}

}  // namespace

TEST_CASE("Runs that differ in times, process sizes and timings alone are equal") {
  const std::string found = after([](Stored& s) {
    for (Record& record : s.records) {
      CellInfo& cell = record.cell;
      cell.run_id = cell.started_at = "midnight";
      cell.wall_s = 2;
      cell.peak_bytes = cell.predicted_bytes = 5;
      cell.attempt = 2;
      cell.predicted_s = 0.5;
    }
    Measurement& timed = s.records[1].measurement;
    timed.value = 7;
    timed.n = 4;
    timed.ci_low = 6;
    timed.ci_method = "range of 4 repetitions";
    s.samples[1].scores[0].second = 0.5;
    s.samples.push_back(s.samples[1]);
    s.curves[0].x = {5, 6};
  });
  CHECK(found.empty());
}

TEST_CASE("The order of cells is no difference, that of a cell's rows is") {
  const auto second_cell = [](Stored& s) {
    Record other = s.records[0];
    other.cell.cell_id = "c0";
    return other;
  };
  Stored forward = one_cell(), backward = one_cell();
  forward.records.push_back(second_cell(forward));
  backward.records.insert(backward.records.begin(), second_cell(backward));
  CHECK(equal_but_for_times(forward, backward).empty());
  CHECK_FALSE(after([](Stored& s) { std::swap(s.records[0], s.records[1]); }).empty());
}

TEST_CASE("The smallest difference in what was found is told with its cell and column") {
  CHECK(after([](Stored& s) { s.records[0].measurement.value = std::nextafter(1.5, 2.0); }) ==
        "cell c1 (reader full perplexity 64): perplexity/token: value is '1.5' in the first, "
        "'1.5000000000000002' in the second");
  CHECK_THAT(after([](Stored& s) { s.records[0].measurement.n.reset(); }),
             Catch::Contains("perplexity/token: n is '3' in the first, '' in the second"));
  CHECK_THAT(after([](Stored& s) {
               for (Record& record : s.records) record.cell.status = Status::failed;
             }),
             Catch::Contains("status is 'ok' in the first, 'failed' in the second"));
  CHECK_THAT(after([](Stored& s) { s.records[1].measurement.value.reset(); }),
             Catch::Contains("latency/decode: value is 'some' in the first, 'none' in the second"));
  CHECK_THAT(after([](Stored& s) { s.samples[0].output = "z"; }),
             Catch::Contains("sample 0: output is 'y' in the first, 'z' in the second"));
  CHECK_THAT(after([](Stored& s) { s.samples[0].scores[0].second = 0; }),
             Catch::Contains("sample 0: exact_match is '1' in the first, '0' in the second"));
  CHECK_THAT(after([](Stored& s) { s.samples[0].scores.emplace_back("rank", 1); }),
             Catch::Contains("sample 0: 10 fields in the first, 11 in the second"));
  CHECK_THAT(after([](Stored& s) { s.curves[0].y[1] = 5; }),
             Catch::Contains("curve training/loss_by_time: y is '3 4' in the first, '3 5'"));
  CHECK_THAT(after([](Stored& s) { s.curves[0].x.push_back(3); }), Catch::Contains("3 points"));
}

TEST_CASE("A cell, a row or a timing that only one run has is a difference") {
  CHECK(equal_but_for_times(one_cell(), {}) ==
        "cell c1 (reader full perplexity 64): in the first only");
  CHECK(equal_but_for_times({}, one_cell()) ==
        "cell c1 (reader full perplexity 64): in the second only");
  CHECK_THAT(after([](Stored& s) { s.curves.clear(); }),
             Catch::Contains("4 rows in the first, 3 in the second"));
  CHECK_THAT(after([](Stored& s) { s.samples.pop_back(); }),
             Catch::Contains("timed [decode] in the first, [] in the second"));
}
