// What a run tells in the end.
#include "harness/summary.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "command.h"
#include "core/error.h"

using namespace longreach;
using namespace longreach::harness;
using namespace longreach::tests;
using Catch::Matchers::Contains;

namespace {

/// An empty store with a run's results in memory.
struct Found {
  TempFolder folder;
  Store store{folder / ".", Store::Open::create};
  StoredResults results{store, {}, {}};

  Measured& add(const std::string& backend, const std::string& task, i64 length, i64 seed = 0) {
    CellInfo info;
    info.cell_id = fmt::format("{} {} {} {}", backend, task, length, seed);
    info.backend = backend;
    info.baseline = backend == "full";
    info.model = "clerk";
    info.task = task;
    info.context_length = length;
    info.seed = seed;
    info.state_bytes_measured = 2048 * length;
    results.cells.push_back({std::make_shared<const CellInfo>(info), {}, {}});
    return results.cells.back();
  }
  void score(Measured& cell, const std::string& metric, double value) {
    Measurement m;
    m.metric = metric;
    m.unit = "1";
    m.higher_is_better = true;
    m.value = value;
    m.ci_low = value - 0.05;
    m.ci_high = value + 0.05;
    cell.measurements.push_back(m);
  }
  void difference(const Measured& cell, const std::string& metric, double value, double p) {
    Derived one{cell.info, {}};
    one.measurement.metric = metric + "_difference";
    one.measurement.value = value;
    one.measurement.ci_low = value - 0.1;
    one.measurement.ci_high = value + 0.1;
    one.measurement.p_adjusted = p;
    one.measurement.higher_is_better = true;
    one.measurement.detectable = 0.0625;
    results.derived.push_back(one);
  }
  void fail(const std::string& backend, i64 length, Status status) {
    Measured& cell = add(backend, "find", length, 7);
    CellInfo info = *cell.info;
    info.status = status;
    info.reason = "wanted 9 GiB";
    cell.info = std::make_shared<const CellInfo>(info);
  }
};

std::size_t lines(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

TEST_CASE(
    "The summary says which backend, at what cost and how sure, at the longest common length") {
  Found found;
  for (const i64 length : {256, 1024, 4096}) {
    for (const std::string backend : {"full", "window"}) {
      if (backend == "full" && length == 4096) continue;  // never measured there
      Measured& cell = found.add(backend, "find", length);
      found.score(cell, "questions/recall", 0.99);
      found.score(cell, "questions/found", backend == "full" ? 0.75 : 0.25);
      if (backend == "window") found.difference(cell, "questions/found", -0.5, 0.00123);
      found.score(found.add(backend, "time", length), "latency/decode", 1.5);
      found.results.cells.back().measurements.back().unit = "ms/token";
    }
  }
  CHECK(summary(found.results) ==
        "find at 1k tokens, higher is better, one of 2 tasks (--table):\n"
        "clerk   questions/found  state  decode, ms/token  against the baseline  adjusted p\n"
        "full    0.75 [0.7, 0.8]  2 MiB               1.5              baseline           -\n"
        "window  0.25 [0.2, 0.3]  2 MiB               1.5     -0.5 [-0.6, -0.4]      0.0012\n"
        "worse than full: window\n");
}

TEST_CASE(
    "Of several seeds the summary tells the range and the largest p, of many cells the first") {
  Found found;
  for (const i64 seed : {0, 1, 2}) {
    Measured& cell = found.add("window", "find", 64, seed);
    found.score(cell, "passkey/exact_match", 0.2 + 0.1 * static_cast<double>(seed));
    found.difference(cell, "passkey/exact_match", -0.3, seed == 1 ? 0.4 : 0.01);
  }
  for (const i64 length : {128, 256, 512, 1024, 2048}) found.fail("full", length, Status::oom);
  const std::string text = summary(found.results);
  CHECK_THAT(text, Contains("0.2 to 0.4, 3 runs") && Contains(" 0.4\n"));
  CHECK_THAT(text, Contains("5 cells without a result (5 oom), all with --table:\n"
                            "  oom: clerk full find 128: wanted 9 GiB\n"));
  // One of three trainings shows no difference, so there is none to tell.
  CHECK_THAT(text, Contains("not told apart from the baseline: window (detectable: 0.062)\n"));
  CHECK(lines(text) == 8);
  CHECK(lines(summary_table(found.results)) > lines(text));
}

TEST_CASE("However large a run, its summary stays about ten lines a model") {
  Found found;
  for (int backend = 0; backend < 300; ++backend) {
    for (int task = 0; task < 20; ++task) {
      found.score(found.add(fmt::format("b{}", backend), fmt::format("t{}", task), 64),
                  "questions/found", 0.5);
    }
  }
  const std::string text = summary(found.results);
  CHECK(lines(text) == 13);
  CHECK_THAT(text, Contains("t0 at 64 tokens, higher is better, one of 20 tasks (--table):") &&
                       Contains("and 290 more backends (--table)"));
}

TEST_CASE("The table of all scores has units in its heads, lengths in order, and no idle column") {
  Found found;
  for (const i64 length : {1024, 256}) {
    found.score(found.add("full", "find", length), "questions/found", 0.5);
    found.score(found.add("full", "time", length), "latency/decode", 1.5);
    found.results.cells.back().measurements.back().unit = "ms/token";
  }
  CHECK(summary_table(found.results) ==
        "                                             time\n"
        "                           find    latency/decode\n"
        "clerk  length   questions/found          ms/token\n"
        "full      256  0.5 [0.45, 0.55]  1.5 [1.45, 1.55]\n"
        "full     1024  0.5 [0.45, 0.55]  1.5 [1.45, 1.55]\n"
        "\n");
}

TEST_CASE("A summary fits the columns it is given, and its names cannot drive the terminal") {
  Found found;
  for (int task = 0; task < 12; ++task) {
    found.score(found.add("a\x1b[2Jb", fmt::format("task\x1b{}", task), 64), "questions/found",
                0.5);
  }
  found.fail("full\x1b", 64, Status::oom);
  for (const std::string& text : {summary(found.results, 80), summary_table(found.results, 80)}) {
    CHECK_THAT(text, !Contains("\x1b") && Contains("\\x1b"));
  }
  std::istringstream table(summary_table(found.results, 80));
  for (std::string line; std::getline(table, line);) CHECK(line.size() <= 80);
}

TEST_CASE("The summary says in words which backends are better, worse or not told apart") {
  const auto verdict = [](std::optional<bool> higher, double difference, double p) {
    Found found;
    found.score(found.add("full", "find", 64), "passkey/exact_match", 0.5);
    Measured& cell = found.add("window", "find", 64);
    found.score(cell, "passkey/exact_match", 0.5);
    found.difference(cell, "passkey/exact_match", difference, p);
    found.results.derived[0].measurement.higher_is_better = higher;
    const std::string text = summary(found.results);
    const std::size_t last = text.rfind('\n', text.size() - 2);
    return text.substr(last + 1);
  };
  CHECK(verdict(true, 0.5, 0.04) == "better than full: window\n");
  CHECK(verdict(true, -0.5, 0.04) == "worse than full: window\n");
  CHECK(verdict(false, -0.5, 0.04) == "better than full: window\n");
  CHECK(verdict(true, -0.5, 0.06) == "not told apart from full: window (detectable: 0.062)\n");
  // One training is better, another worse.
  Found found;
  for (const i64 seed : {0, 1}) {
    Measured& cell = found.add("window", "find", 64, seed);
    found.score(cell, "passkey/exact_match", 0.5);
    found.difference(cell, "passkey/exact_match", seed == 0 ? 0.5 : -0.5, 0.001);
  }
  CHECK_THAT(summary(found.results), Contains("not told apart from the baseline: window"));
  // Nobody says which is better.
  CHECK(verdict(std::nullopt, 0.5, 0.04) == "unlike full: window\n");
}

TEST_CASE("A run without results has an empty summary") { CHECK(summary(Found().results).empty()); }
