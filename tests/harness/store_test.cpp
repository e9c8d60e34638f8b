// The store: whole cells or nothing, and clear words about files it cannot use.
#include "harness/store.h"

#include <catch2/catch.hpp>
#include <csignal>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "core/error.h"

using namespace longreach;
using namespace longreach::harness;
using namespace longreach::tests;
using Catch::Matchers::Contains;

namespace {

Outcome outcome(const std::string& id, double value) {
  Outcome made;
  made.info.cell_id = id;
  made.info.backend = "full";
  made.info.task = "perplexity";
  made.info.seed = 0;
  made.info.lr = 0.1;
  Measurement m;
  m.metric = "perplexity/token";
  m.value = value;
  m.higher_is_better = false;
  m.n = 3;
  made.findings.measurements = {m, m};
  made.findings.samples = {{.cell_id = id,
                            .index = 4,
                            .sample_sha = "ab",
                            .target = "12\xff",
                            .output = "34",
                            .scores = {{"exact_match", 1}},
                            .depth = 50,
                            .distance = {},
                            .segments_crossed = {},
                            .cluster = "cd"}};
  made.findings.curves = {{.cell_id = id,
                           .name = "training/loss",
                           .x_unit = "tokens",
                           .y_unit = "nats/token",
                           .x = {1, 2},
                           .y = {0.5, 0.25},
                           .series = "layer 0 head 3"}};
  return made;
}

void execute(const std::string& path, const std::string& sql) {
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &database) == SQLITE_OK);
  CHECK(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(database);
}

}  // namespace

TEST_CASE("What is stored is read back in plan order, cells without measurements as one row") {
  const TempFolder folder;
  Store store(folder / ".", Store::Open::create);
  store.set_plan({"b", "a", "never"});
  store.finish(outcome("a", 1.5));
  Outcome failed;
  failed.info.cell_id = "b";
  failed.info.status = Status::oom;
  failed.info.reason = "out of memory";
  store.finish(failed);

  const Stored stored = Store(folder / ".", Store::Open::existing).read();
  REQUIRE(stored.records.size() == 3);
  CHECK(stored.records[0].cell.status == Status::oom);
  CHECK(stored.records[0].cell.reason == "out of memory");
  CHECK(stored.records[0].measurement.metric.empty());
  const Record& row = stored.records[1];
  CHECK(row.cell.cell_id == "a");
  CHECK(row.cell.seed == 0);
  CHECK(row.cell.lr == 0.1);
  CHECK(row.measurement.value == 1.5);
  CHECK(row.measurement.higher_is_better == false);
  CHECK_FALSE(row.measurement.ci_low);
  REQUIRE(stored.samples.size() == 1);
  CHECK(stored.samples[0].index == 4);
  CHECK(stored.samples[0].depth == 50);
  CHECK_FALSE(stored.samples[0].distance);
  CHECK(stored.samples[0].cluster == "cd");
  CHECK(stored.samples[0].scores[0].second == 1);
  REQUIRE(stored.curves.size() == 1);
  CHECK(stored.curves[0].y == std::vector<double>{0.5, 0.25});
  CHECK(stored.curves[0].series == "layer 0 head 3");
}

TEST_CASE("Finishing a cell again replaces all that was known of it") {
  const TempFolder folder;
  Store store(folder / ".", Store::Open::create);
  store.set_plan({"a"});
  store.finish(outcome("a", 1));
  Outcome second = outcome("a", 2);
  second.findings.measurements.pop_back();
  second.findings.samples.clear();
  store.finish(second);
  const Stored stored = store.read();
  REQUIRE(stored.records.size() == 1);
  CHECK(stored.records[0].measurement.value == 2);
  CHECK(stored.samples.empty());
}

TEST_CASE("What is stored together is stored whole or not at all") {
  const TempFolder folder;
  Store store(folder / ".", Store::Open::create);
  store.set_plan({"a", "b"});
  CHECK_THROWS_WITH(store.all_or_nothing([&] {
    store.finish(outcome("a", 1));
    store.set_plan({"b"});
    throw error("enough");
  }),
                    "enough");
  CHECK(store.stored_cells().empty());
  CHECK(store.plan() == std::vector<std::string>{"a", "b"});
  store.all_or_nothing([&] {
    store.finish(outcome("b", 1));
    store.finish(outcome("a", 1));
  });
  CHECK(store.stored_cells() == std::vector<std::string>{"a", "b"});
  const Store again(folder / ".", Store::Open::existing);
  CHECK(again.outcome("a")->findings.samples[0].target == "12\xEF\xBF\xBD");
  CHECK_FALSE(again.outcome("c"));
}

TEST_CASE("A process killed while storing leaves whole cells only") {
  const TempFolder folder;
  { Store(folder / ".", Store::Open::create).set_plan({"0", "1", "2", "3"}); }
  std::array<int, 2> ends{};
  REQUIRE(pipe(ends.data()) == 0);
  const pid_t child = fork();
  if (child == 0) {
    Store store(folder / ".", Store::Open::create);
    for (i64 i = 0;; ++i) {
      Outcome big = outcome(std::to_string(i % 4), static_cast<double>(i));
      big.findings.measurements.resize(200, big.findings.measurements[0]);
      store.finish(big);
      if (i == 5 && write(ends[1], "x", 1) != 1) _exit(1);
    }
  }
  char ready = 0;
  REQUIRE(read(ends[0], &ready, 1) == 1);  // some cells are in, and it goes on writing
  kill(child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  close(ends[0]);
  close(ends[1]);

  const Stored stored = Store(folder / ".", Store::Open::existing).read();
  CHECK(stored.records.size() == 4 * 200);
  for (std::size_t i = 0; i < stored.records.size(); ++i) {
    CHECK(stored.records[i].measurement.value == stored.records[i / 200 * 200].measurement.value);
  }
}

TEST_CASE("A store that is missing, damaged, newer or foreign is refused with what to do") {
  const TempFolder folder;
  const std::string path = folder / "store.sqlite";
  CHECK_THROWS_WITH(Store(folder / ".", Store::Open::existing),
                    Contains("`longreach run` makes one"));

  write_file(path, std::string(5000, 'x'));
  CHECK_THROWS_WITH(Store(folder / ".", Store::Open::create),
                    Contains("it is damaged; move it away"));
  std::filesystem::remove(path);

  execute(path, "CREATE TABLE strangers(x)");
  CHECK_THROWS_WITH(Store(folder / ".", Store::Open::create), Contains("not a store of longreach"));
  std::filesystem::remove(path);

  { Store(folder / ".", Store::Open::create).finish(outcome("a", 1)); }
  execute(path, "PRAGMA user_version = 99");
  CHECK_THROWS_WITH(Store(folder / ".", Store::Open::create),
                    Contains("written by a newer longreach (store version 99, this one reads 1)"));
}

TEST_CASE("Pages overwritten in the middle of a store are noticed when it is opened") {
  const TempFolder folder;
  const std::string path = folder / "store.sqlite";
  {
    Store store(folder / ".", Store::Open::create);
    store.set_plan({"a"});
    Outcome big = outcome("a", 1);
    big.findings.measurements.resize(500, big.findings.measurements[0]);
    store.finish(big);
  }
  std::string bytes = read_file(path);
  REQUIRE(bytes.size() > 40000);
  bytes.replace(8192, 16384, std::string(16384, '\xa5'));
  write_file(path, bytes);
  CHECK_THROWS_WITH(Store(folder / ".", Store::Open::create), Contains("it is damaged"));
}

TEST_CASE("A sample stored before there were clusters is one of its own") {
  const std::string old = R"({"cell_id": "a", "index": 4, "sample_sha": "ab", "target": "12",
                              "output": "34", "scores": [["exact_match", 1.0]], "depth": 50.0})";
  const SampleRecord sample = sample_from_json(old);
  CHECK(sample.cluster.empty());
  CHECK(sample.sample_sha == "ab");
  CHECK(sample.depth == 50);
}

TEST_CASE("A number needs its n, and an interval or a word why it has none") {
  Findings findings = outcome("a", 1).findings;
  Measurement& m = findings.measurements[1];
  findings.measurements[0].ci_method = "exact";
  CHECK(not_quotable(findings) ==
        "perplexity/token: a value with neither an interval nor, in ci_method, why it has none");
  m.ci_low = 0.5;
  CHECK_FALSE(not_quotable(findings).empty());  // half an interval is none
  m.ci_high = 2;
  CHECK(not_quotable(findings).empty());
  m.n.reset();
  CHECK(not_quotable(findings) ==
        "perplexity/token: a value without n, the number of units that it is of");
  m.value.reset();
  CHECK(not_quotable(findings).empty());  // nothing measured is nothing to quote
}

TEST_CASE("A comparison's p survive their way through JSON, and old measurements have none") {
  Measurement m;
  m.metric = "passkey/rank_difference";
  m.p_value = 0.01;
  m.p_adjusted = 0.04;
  m.detectable = 0.125;
  const Measurement got = measurement_from_json(to_json(m));
  CHECK(got.p_value == 0.01);
  CHECK(got.p_adjusted == 0.04);
  CHECK(got.detectable == 0.125);
  const Measurement old = measurement_from_json(R"({"metric": "passkey/rank", "value": 1.0})");
  CHECK(old.value == 1);
  CHECK_FALSE(old.p_value);
  Findings bad;
  bad.measurements = {m};
  bad.measurements[0].detectable = INFINITY;
  CHECK(not_finite(bad) == "measurement passkey/rank_difference");
}

TEST_CASE("An outcome survives its way through JSON, and NaN is found by name") {
  const Outcome sent = outcome("a", 1.0 / 3);
  const Outcome got = outcome_from_json(to_json(sent));
  CHECK(got.info.backend == "full");
  CHECK(got.findings.measurements[1].value == 1.0 / 3);
  CHECK(got.findings.samples[0].target == "12\xEF\xBF\xBD");  // not UTF-8: replaced
  CHECK(got.findings.curves[0].x == std::vector<double>{1, 2});
  CHECK(got.findings.samples[0].cluster == "cd");
  CHECK_THROWS_AS(outcome_from_json("{\"cell\": 3}"), Error);

  CHECK(not_finite(sent.findings) == "");
  Findings bad = sent.findings;
  bad.curves[0].y[1] = INFINITY;
  CHECK(not_finite(bad) == "curve training/loss layer 0 head 3");
  bad.samples[0].scores[0].second = std::nan("");
  CHECK(not_finite(bad) == "score exact_match of sample 4");
  bad.measurements[1].ci_low = INFINITY;
  CHECK(not_finite(bad) == "measurement perplexity/token");
}
