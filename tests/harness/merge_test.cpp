// Merging: shards become what one run gives, and disagreement is told.
#include "harness/merge.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "command.h"
#include "core/error.h"
#include "experiment.h"
#include "harness/cell.h"
#include "harness/equality.h"
#include "harness/output_lock.h"
#include "harness/runner.h"
#include "harness/store.h"

using namespace longreach;
using namespace longreach::harness;
using namespace longreach::tests;
using Catch::Matchers::Contains;

namespace {

Outcome outcome(const std::string& id, double value, Status status = Status::ok) {
  Outcome made;
  made.info.cell_id = id;
  made.info.status = status;
  made.info.task = "perplexity";
  Measurement m;
  m.metric = "perplexity/token";
  m.value = value;
  if (status == Status::ok) made.findings.measurements = {m};
  return made;
}

/// A folder with these cells, which are also its plan.
std::string make_store(const std::string& folder, const std::vector<Outcome>& outcomes) {
  std::filesystem::create_directories(folder);
  Store store(folder, Store::Open::create);
  std::vector<std::string> plan;
  for (const Outcome& one : outcomes) {
    store.finish(one);
    plan.push_back(one.info.cell_id);
  }
  store.set_plan(plan);
  return folder;
}

double value_of(const std::string& folder, const std::string& id) {
  return *Store(folder, Store::Open::existing).outcome(id)->findings.measurements.at(0).value;
}

Stored read_store(const std::string& folder) { return Store(folder, Store::Open::existing).read(); }

}  // namespace

TEST_CASE("Two shards run and merged are one run, weights included") {
  const TempFolder folder;
  write_file(folder / "c.yaml", Parts{}.yaml());
  const std::string run = "run " + folder / "c.yaml" + " --threads 1 --output ";
  REQUIRE(run_command(run + folder / "one").exit_code == 0);
  for (const char* shard : {"1/2", "2/2"}) {
    const Run part = run_command(run + folder / "out" + " --shard " + shard);
    INFO(part.out << part.err);
    REQUIRE(part.exit_code == 0);
    CHECK_THAT(part.out, Contains("5 cells run, 0 already done, 0 left"));
  }
  const Run merged = run_command("merge " + folder / "out");
  INFO(merged.out << merged.err);
  CHECK(merged.exit_code == 0);
  CHECK_THAT(merged.out, Contains("2 folders merged: 10 cells of 10 planned, 10 of them new"));
  CHECK(equal_but_for_times(read_store(folder / "one"), read_store(folder / "out")) == "");
  CHECK(Store(folder / "one", Store::Open::existing).plan() ==
        Store(folder / "out", Store::Open::existing).plan());
  CHECK(std::filesystem::exists(folder / "out/report.html"));
  // The weights came along: a run in the merged folder has nothing left to do but what is new.
  const Run more = run_command(run + folder / "out" + " --lengths 64,128,192 --tasks memory");
  INFO(more.out << more.err);
  CHECK(more.exit_code == 0);
  for (const auto& entry : std::filesystem::directory_iterator(folder / "one/models")) {
    CHECK(read_file(entry.path()) ==
          read_file(folder / "out/models/" + entry.path().filename().string()));
  }
  // Again, it changes nothing.
  CHECK_THAT(run_command("merge " + folder / "out").out, Contains(" 0 of them new"));
}

TEST_CASE("A cell that is ok is taken before one that is not, else the first found") {
  const TempFolder folder;
  const std::string a = make_store(folder / "a", {outcome("1", 1, Status::failed), outcome("2", 2),
                                                  outcome("3", 0, Status::oom)});
  const std::string b =
      make_store(folder / "b", {outcome("1", 5), outcome("2", 0, Status::timeout),
                                outcome("3", 0, Status::timeout), outcome("4", 4)});
  const Merged merged = merge(folder / "out", {a, b}, "");
  CHECK(merged.conflicts.empty());
  CHECK(merged.cells == 4);
  CHECK(value_of(folder / "out", "1") == 5);
  CHECK(value_of(folder / "out", "2") == 2);
  CHECK(value_of(folder / "out", "4") == 4);
  CHECK(Store(folder / "out", Store::Open::existing).find("3")->status == Status::oom);
}

TEST_CASE("Unlike findings of one cell are told with their folders, and nothing is written") {
  const TempFolder folder;
  const std::string a = make_store(folder / "a", {outcome("1", 1), outcome("2", 2)});
  const std::string b = make_store(folder / "b", {outcome("1", 1), outcome("2", 2.5)});
  const Run run = run_command("merge " + folder / "out" + " " + a + " " + b);
  CHECK(run.exit_code == 3);
  CHECK_THAT(run.out, Contains("cell 2") && Contains("perplexity/token") &&
                          Contains("value is '2' in the first, '2.5' in the second") &&
                          Contains("the first is " + a + ", the second " + b) &&
                          Contains("nothing was merged"));
  CHECK_FALSE(std::filesystem::exists(folder / "out/store.sqlite"));
  // One that did not do its work does not stand beside one that did.
  make_store(folder / "c", {outcome("2", 2, Status::invalid)});
  CHECK_THAT(merge(folder / "out", {a, folder / "c"}, "").conflicts.at(0),
             Contains("status is 'ok' in the first, 'invalid' in the second"));
}

TEST_CASE("Times and machines of one cell may differ, and its numbers stay those of one machine") {
  const TempFolder folder;
  const auto timed = [](const std::string& machine, double milliseconds) {
    Outcome made = outcome("1", 1);
    made.info.machine = machine;
    made.info.cpu = "cpu of " + machine;
    made.info.threads = static_cast<i64>(milliseconds);
    Measurement m;
    m.metric = "latency/decode";
    m.value = milliseconds;
    made.findings.measurements.push_back(m);
    return made;
  };
  const std::string a = make_store(folder / "a", {timed("a", 10)});
  const std::string b = make_store(folder / "b", {timed("b", 20)});
  CHECK(merge(folder / "out", {b, a}, "").conflicts.empty());
  const Outcome kept = *Store(folder / "out", Store::Open::existing).outcome("1");
  CHECK(kept.info.machine == "b");
  CHECK(kept.info.cpu == "cpu of b");
  CHECK(kept.findings.measurements.at(1).value == 20);
}

TEST_CASE("A union's plan is the first one's, with what else was found where it was planned") {
  const TempFolder folder;
  const std::string a = make_store(folder / "a", {outcome("m", 1), outcome("x", 1)});
  Store(a, Store::Open::existing).set_plan({"m", "never", "x"});
  const std::string b = make_store(folder / "b", {outcome("m", 1), outcome("c", 1)});
  Store(b, Store::Open::existing).set_plan({"m", "c", "x", "elsewhere"});
  const Merged merged = merge(folder / "out", {a, b}, "");
  CHECK(Store(folder / "out", Store::Open::existing).plan() ==
        std::vector<std::string>{"m", "c", "never", "x"});
  CHECK(merged.planned == 4);
}

TEST_CASE("Every run that a union comes from is told, even of one second") {
  const TempFolder folder;
  const std::string a = make_store(folder / "a", {outcome("1", 1)});
  const std::string b = make_store(folder / "b", {outcome("2", 1)});
  Store(a, Store::Open::existing).set_meta("run/x", "{\"a\": 1}");
  Store(b, Store::Open::existing).set_meta("run/x", "{\"b\": 1}");
  for (int again = 0; again < 2; ++again) {
    merge(folder / "out", {a, b}, "");
    const Store out(folder / "out", Store::Open::existing);
    CHECK(out.meta("run/x") == "{\"a\": 1}");
    CHECK(out.meta("run/x+") == "{\"b\": 1}");
    CHECK(out.meta("run/x++") == "");
  }
}

TEST_CASE("Damaged or missing weights are not taken, and whole ones elsewhere are") {
  const TempFolder folder;
  Parts parts;
  parts.backends = "[{full: {}}]";
  write_file(folder / "c.yaml", parts.yaml());
  REQUIRE(
      run_command("run " + folder / "c.yaml" + " --threads 1 --output " + folder / "a").exit_code ==
      0);
  std::filesystem::copy(folder / "a", folder / "b", std::filesystem::copy_options::recursive);
  const auto weights = [&](const std::string& output) {
    const std::string id = Store(folder / "a", Store::Open::existing).plan().at(0);
    return weights_path(folder / output, id);
  };
  const std::string whole = read_file(weights("a"));
  std::string damaged = whole;
  damaged.back() ^= 1;
  write_file(weights("a"), damaged);
  CHECK(merge(folder / "out", {folder / "a", folder / "b"}, "").without_weights.empty());
  CHECK(read_file(weights("out")) == whole);

  std::filesystem::remove(weights("b"));
  const Merged merged = merge(folder / "other", {folder / "a", folder / "b"}, "");
  REQUIRE(merged.without_weights.size() == 1);
  CHECK_THAT(merged.without_weights[0], Contains(weights("a")));
  CHECK_FALSE(std::filesystem::exists(weights("other")));
  CHECK(merged.cells == 5);
}

TEST_CASE("A merge killed at any moment leaves nothing or all, and can be given again") {
  const TempFolder folder;
  std::vector<Outcome> first, second;
  for (int i = 0; i < 400; ++i) {
    (i % 2 ? first : second).push_back(outcome(std::to_string(i), i));
    (i % 2 ? first : second)
        .back()
        .findings.measurements.resize(
            20, first.empty() ? Measurement{} : first[0].findings.measurements[0]);
  }
  const std::string a = make_store(folder / "a", first), b = make_store(folder / "b", second);
  int whole = 0;
  for (int kill_after = 0; kill_after < 20; ++kill_after) {
    const pid_t child = fork();
    if (child == 0) {
      merge(folder / "out", {a, b}, "");
      _exit(0);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(3 * kill_after));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    std::filesystem::create_directories(folder / "out");
    const std::size_t stored = Store(folder / "out", Store::Open::create).stored_cells().size();
    CHECK((stored == 0 || stored == 400));
    whole += stored == 400;
    if (stored == 400) std::filesystem::remove_all(folder / "out");
  }
  CHECK(whole < 20);
  merge(folder / "out", {a, b}, "");
  CHECK(Store(folder / "out", Store::Open::existing).stored_cells().size() == 400);
}

TEST_CASE("What cannot be merged is refused with what to do") {
  const TempFolder folder;
  const auto refused = [](const std::string& arguments, const std::string& words) {
    require_refused(run_command("merge " + arguments), words);
  };
  std::filesystem::create_directories(folder / "out");
  refused(folder / "out", "has no folder shard-1-of-");
  const std::string a = make_store(folder / "out/shard-1-of-2", {outcome("1", 1)});
  refused(folder / "out", "shard-2-of-2: has not run yet");
  make_store(folder / "out/shard-2-of-3", {});
  refused(folder / "out", "has shards of 2 and of 3");
  refused(folder / "out" + " " + a + " " + a, "named twice");
  refused(folder / "out" + " " + folder / "nothing", "nothing");
  CHECK_FALSE(std::filesystem::exists(folder / "nothing"));
  const OutputLock lock(a);
  refused(folder / "out" + " " + a, "another run is writing here");
}
