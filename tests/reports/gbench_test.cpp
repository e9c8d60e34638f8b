// Google Benchmark's JSON: what its tools ask for of each entry.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/reports/synthetic.h"
#include "tests/reports/tiny.h"

namespace longreach::reports {
namespace {

using Json = nlohmann::json;

Json timings(const Tiny& made) { return Json::parse(written("gbench", made.results())); }

TEST_CASE("A timing has an entry for each repetition and one for the median, in nanoseconds") {
  Tiny made = tiny();
  made.timing("full", 512, 0.25, {0.5, 0.25, 0.125});
  const Json root = timings(made);
  CHECK(root["context"]["date"] == "2026-01-02T03:04:05Z");
  CHECK(root["context"]["num_cpus"] == 2);
  REQUIRE(root["benchmarks"].size() == 4);
  CHECK(root["benchmarks"][1] == Json::parse(R"({
    "name": "reader/full/time/decode/512", "run_name": "reader/full/time/decode/512",
    "family_index": 0, "per_family_instance_index": 0, "run_type": "iteration", "repetitions": 3,
    "repetition_index": 1, "threads": 2, "iterations": 1, "real_time": 250000.0,
    "cpu_time": 250000.0, "time_unit": "ns"})"));
  CHECK(root["benchmarks"][3] == Json::parse(R"({
    "name": "reader/full/time/decode/512_median", "run_name": "reader/full/time/decode/512",
    "family_index": 0, "per_family_instance_index": 0, "run_type": "aggregate", "repetitions": 3,
    "aggregate_name": "median", "aggregate_unit": "time", "threads": 2, "iterations": 3,
    "real_time": 250000.0, "cpu_time": 250000.0, "time_unit": "ns"})"));
}

TEST_CASE("Lengths of one backend are one family, and other backends and trainings others") {
  Tiny made;
  made.timing("full", 512, 1, {1});
  made.timing("full", 1024, 2, {2});
  made.timing("window", 512, 1, {1});
  made.timing("window", 512, 1, {1});
  made.records.back().cell.seed = 8;
  const Json root = timings(made);
  std::vector<std::string> names;
  std::vector<std::pair<int, int>> places;
  for (const Json& one : root["benchmarks"]) {
    if (one["run_type"] != "aggregate") continue;
    names.push_back(one["run_name"]);
    places.emplace_back(one["family_index"], one["per_family_instance_index"]);
  }
  CHECK(names == std::vector<std::string>{"reader/full/time/decode/512",
                                          "reader/full/time/decode/1024",
                                          "reader/window/seed=7/time/decode/512",
                                          "reader/window/seed=8/time/decode/512"});
  CHECK(places == std::vector<std::pair<int, int>>{{0, 0}, {0, 1}, {1, 0}, {2, 0}});
}

TEST_CASE("A timing that failed says so, and what is no time or has no value stays out") {
  Tiny made = tiny();
  made.timing("full", 512, 1, {});
  made.without_result("full", "time", 4096, Status::oom, "wanted 9 GiB");
  made.add("window", "time", 512, "latency/prefill", {}).measurement.unit = "ms";
  made.add("window", "time", 512, "latency/prefill_ratio", 2.0);
  const Json root = timings(made);
  REQUIRE(root["benchmarks"].size() == 2);
  CHECK(root["benchmarks"][1]["error_occurred"] == true);
  CHECK(root["benchmarks"][1]["error_message"] == "oom: wanted 9 GiB");
  CHECK(root["benchmarks"][1]["real_time"] == 0.0);
}

TEST_CASE("Records without a time are refused, and hostile names are only text") {
  CHECK_THROWS_WITH(timings(tiny()), Catch::Contains("gbench: no record is a time"));
  for (const std::string& name : hostile_names()) {
    Tiny made;
    made.timing(name, 512, 1, {1});
    CHECK(timings(made)["benchmarks"].size() == 2);
  }
}

}  // namespace
}  // namespace longreach::reports
