// The store: whole cells or nothing, and clear words about files it cannot use.
#include "harness/store.h"

#include <catch2/catch.hpp>
#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "core/error.h"
#include "stored.h"

using namespace longreach;
using namespace longreach::harness;
using namespace longreach::tests;
using Catch::Matchers::Contains;

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
  CHECK(stored.samples[0].excerpt == "the key […] what?");
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
                    Contains("no cell of it can be read; move it away"));
  std::filesystem::remove(path);

  execute(path, "CREATE TABLE strangers(x)");
  CHECK_THROWS_WITH(Store(folder / ".", Store::Open::create), Contains("not a store of longreach"));
  std::filesystem::remove(path);

  { Store(folder / ".", Store::Open::create).finish(outcome("a", 1)); }
  execute(path, "PRAGMA user_version = 99");
  CHECK_THROWS_WITH(Store(folder / ".", Store::Open::create),
                    Contains("written by a newer longreach (store version 99, this one reads 2)"));
}

TEST_CASE("A cell that is not as it was stored is told of once and counts as never run") {
  const std::string change = GENERATE(
      "UPDATE measurements SET json = replace(json, '1.5', '1.6') WHERE cell_id = 'a'",
      "UPDATE cells SET info = replace(info, 'full', 'fool') WHERE cell_id = 'a'",
      "UPDATE cells SET status = 'failed' WHERE cell_id = 'a'",
      "UPDATE cells SET reason = 'none' WHERE cell_id = 'a'",
      "UPDATE cells SET digest = '' WHERE cell_id = 'a'",
      "UPDATE cells SET digest = (SELECT digest FROM cells WHERE cell_id = 'b') WHERE cell_id = "
      "'a'",
      "DELETE FROM measurements WHERE cell_id = 'a' AND ordinal = 1",
      "DELETE FROM samples WHERE cell_id = 'a'", "DELETE FROM curves WHERE cell_id = 'a'",
      "INSERT INTO samples SELECT cell_id, 1, json FROM samples WHERE cell_id = 'a'",
      "UPDATE curves SET json = json || ' ' WHERE cell_id = 'a'");
  CAPTURE(change);
  const TempFolder folder;
  {
    Store store(folder / ".", Store::Open::create);
    store.set_plan({"a", "b"});
    store.finish(outcome("a", 1.5));
    store.finish(outcome("b", 1.5));
  }
  execute(folder / "store.sqlite", change);
  Told told;
  Store store(folder / ".", Store::Open::create, told.tell());
  CHECK_FALSE(store.find("a"));
  CHECK(store.find("b"));
  for (const Record& record : store.read().records) CHECK(record.cell.cell_id == "b");
  CHECK(store.damaged() == std::set<std::string>{"a"});
  REQUIRE(told.messages.size() == 1);
  CHECK_THAT(told.messages[0],
             Contains("cell a is not as it was stored") && Contains("runs it again"));
  store.finish(outcome("a", 1.5));
  CHECK(store.find("a"));
  CHECK(store.damaged().empty());
  CHECK(store.read().samples.size() == 2);
}

TEST_CASE("A reader sees a run's cells whole while it writes them") {
  const TempFolder folder;
  Store writer(folder / ".", Store::Open::create);
  writer.set_plan({"a"});
  writer.finish(outcome("a", 0));
  const pid_t child = fork();
  if (child == 0) {
    Store store(folder / ".", Store::Open::create);
    for (i64 i = 1;; ++i) {
      Outcome big = outcome("a", static_cast<double>(i));
      big.findings.measurements.resize(static_cast<std::size_t>(i % 50 + 1),
                                       big.findings.measurements[0]);
      store.finish(big);
    }
  }
  Told told;
  const Store reader(folder / ".", Store::Open::existing, told.tell());
  std::set<double> seen;
  for (int i = 0; i < 2000 && seen.size() < 20; ++i) {
    const Stored stored = reader.read();
    REQUIRE_FALSE(stored.records.empty());
    const double value = *stored.records[0].measurement.value;
    for (const Record& record : stored.records) REQUIRE(record.measurement.value == value);
    seen.insert(value);
  }
  kill(child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(seen.size() > 1);
  CHECK(told.messages.empty());
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
