// Cells that crash, hang, run out of memory, ... are statuses with reasons, and the run goes on.
// Their metric is tests/plugins/hazard.cpp.
#include <catch2/catch.hpp>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "command.h"
#include "experiment.h"

using namespace longreach;
using namespace longreach::tests;
using Catch::Matchers::Contains;
using Catch::Matchers::Matches;

namespace {

const std::string kPlugin = LONGREACH_BINARY_DIR "/plugins/refused/libhazard.so";

/// One untrained model and tasks of these kinds, each a name or "name, key: value, ...".
std::string experiment(const std::vector<std::string>& kinds, const std::string& more) {
  Parts parts;
  parts.models = "[{name: m, arch: {layers: 1, width: 16, heads: 2}}]";
  parts.backends = "[{full: {}}]";
  parts.lengths = "[16]";
  parts.more = more;
  std::string tasks;
  for (const std::string& kind : kinds) {
    const std::string name = kind.substr(0, kind.find(','));
    tasks += (tasks.empty() ? "" : ", ") + ("{name: " + name + ", hazard: {kind: " + kind + "}}");
  }
  parts.tasks = "[" + tasks + "]";
  return parts.yaml();
}

/// Runs FOLDER/c.yaml into FOLDER/out.
Run run(const TempFolder& folder, const std::string& more = "", const std::string& launcher = "") {
  return run_command("run " + folder / "c.yaml" + " --threads 2 --output " + folder / "out" +
                         " --plugin " + kPlugin + " " + more,
                     launcher);
}

/// Of a script: starts that run in the background, as $run.
std::string started(const TempFolder& folder) {
  return LONGREACH_BINARY_DIR "/longreach run " + folder / "c.yaml" + " --no-probe --output " +
         folder / "out" + " --plugin " + kPlugin + " & run=$!\n";
}

/// The first record of each task and length: "segfault 16".
std::map<std::string, nlohmann::json> records(const TempFolder& folder) {
  std::map<std::string, nlohmann::json> found;
  std::istringstream lines(read_file(folder / "out/records.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    const auto row = nlohmann::json::parse(line);
    found.emplace(
        row["task"].get<std::string>() + " " + std::to_string(row["context_length"].get<i64>()),
        row);
  }
  return found;
}

}  // namespace

TEST_CASE("Cells that crash, hang or run out of memory are told apart, and the others run",
          "[plugin]") {
  const TempFolder folder;
  write_file(folder / "c.yaml",
             experiment({"segfault", "abort", "hang", "grow", "bad_alloc", "bad_alloc_in_parallel",
                         "error_in_parallel", "exit", "killed", "hang_at_exit", "none"},
                        "limits: {memory: 300MiB, stall: 1}"));
  const Run ran = run(folder);
  INFO(ran.out << ran.err);
  CHECK(ran.exit_code == 1);
  const auto rows = records(folder);
  REQUIRE(rows.size() == 11);
  const auto check = [&rows](const std::string& kind, const std::string& status,
                             const std::string& reason) {
    const nlohmann::json& row = rows.at(kind + " 16");
    INFO(row.dump());
    CHECK(row["status"] == status);
    CHECK_THAT(row["reason"].get<std::string>(), Matches(reason));
    CHECK(row["attempt"] == (kind == "killed" ? 2 : 1));
  };
  check("segfault", "failed",
        "crashed: Segmentation fault \\(signal 11\\): hazard: about to touch nothing");
  check("abort", "failed", "crashed: Aborted \\(signal 6\\)");
  check("hang", "timeout", "hangs: computed nothing for 1.0s \\(limits.stall\\)");
  check("grow", "oom", "resident memory .* MiB over the limit of 300 MiB");
  check("bad_alloc", "oom", "out of memory");
  check("bad_alloc_in_parallel", "oom", "out of memory");
  check("error_in_parallel", "failed",
        "crashed: Aborted \\(signal 6\\): longreach: hazard: row 7 is out of range");
  check("exit", "failed", "ended with exit code 7 and no result: hazard: leaving / with two lines");
  check("killed", "failed", "killed from outside \\(signal 9\\)");
  check("hang_at_exit", "ok", "");
  check("none", "ok", "");
  CHECK_THAT(ran.err, Contains("hazard: about to touch nothing"));  // as it was said
  CHECK_THAT(ran.out, !Contains("hazard: leaving\n"));
  const i64 peak = rows.at("grow 16")["peak_bytes"];
  CHECK(peak > i64{300} << 20);
  CHECK(peak < i64{2} << 30);
  CHECK(rows.at("hang_at_exit 16")["wall_s"] < 4);  // without the wait for its end
  CHECK(rows.at("none 16")["peak_bytes"] > i64{1} << 20);
}

TEST_CASE("A cell killed from outside once is run again, and counts its attempts", "[plugin]") {
  const TempFolder folder;
  const std::string once = ", once: '" + folder / "mark";
  write_file(folder / "c.yaml",
             experiment({"killed" + once + "1'", "terminated" + once + "2'"}, ""));
  const Run ran = run(folder);
  INFO(ran.out << ran.err);
  CHECK(ran.exit_code == 0);
  const auto rows = records(folder);
  CHECK(rows.at("killed 16")["status"] == "ok");
  CHECK(rows.at("killed 16")["attempt"] == 2);
  CHECK(rows.at("terminated 16")["attempt"] == 2);
}

TEST_CASE("Longer lengths are skipped after one runs out of memory, or not, as configured",
          "[plugin]") {
  for (const std::string on_oom : {"skip_longer", "continue"}) {
    const TempFolder folder;
    write_file(folder / "c.yaml",
               experiment({"grow, from: 32"}, "limits: {memory: 200MiB, on_oom: " + on_oom + "}"));
    const Run ran = run(folder, "--lengths 16,32,64");
    INFO(ran.out << ran.err);
    CHECK(ran.exit_code == 1);
    const auto rows = records(folder);
    CHECK(rows.at("grow 16")["status"] == "ok");
    CHECK(rows.at("grow 32")["status"] == "oom");
    CHECK(rows.at("grow 64")["status"] == (on_oom == "skip_longer" ? "skipped" : "oom"));
    if (on_oom != "skip_longer") continue;
    CHECK(rows.at("grow 64")["reason"] == "out of memory at 32 tokens: longer lengths are skipped");
    CHECK(rows.at("grow 64")["attempt"].is_null());
    const Run resumed = run(folder, "--lengths 16,32,64");
    CHECK(resumed.exit_code == 1);
    CHECK_THAT(resumed.out,
               Contains("0 cells run, 1 already done, 0 left\n2 cells that did not end "
                        "well are left as they are (1 oom, 1 skipped); --retry "
                        "oom,skipped runs them again"));
    // 64 still does not run where 32 failed again, and does when it is asked for.
    CHECK_THAT(run(folder, "--lengths 16,32,64 --retry oom").out,
               Contains("2 cells run, 1 already"));
    CHECK(records(folder).at("grow 32")["attempt"] == 2);
    CHECK(records(folder).at("grow 64")["status"] == "skipped");
    CHECK_THAT(run(folder, "--lengths 16,32,64 --retry skipped").out, Contains("1 cells run"));
    CHECK(records(folder).at("grow 64")["status"] == "oom");
  }
}

TEST_CASE("The process of a cell dies with the run that is killed", "[plugin]") {
  const TempFolder folder;
  const std::string mark = folder / "mark";
  write_file(folder / "c.yaml", experiment({"wait, once: '" + mark + "'"}, ""));
  // The child of the run, once the mark tells that it is at work, and whether it still is when the
  // run is gone. Nobody may be there to reap it.
  const std::string script =
      "lives() { grep -q '^State:.[RSD]' /proc/$1/status; }\n" + started(folder) + "until [ -e " +
      mark +
      " ]; do sleep 0.02; done; child=$(cat /proc/$run/task/$run/children)\n"
      "lives $child && echo alive; kill -KILL $run; wait $run\n"
      "for i in $(seq 20); do lives $child || break; sleep 0.1; done; lives $child || echo dead";
  CHECK(run_script(script) == "alive\ndead\n");
}

TEST_CASE("A second Ctrl-C ends a run whose cell does not heed the first", "[plugin]") {
  const TempFolder folder;
  const std::string mark = folder / "mark";
  write_file(folder / "c.yaml", experiment({"stubborn, once: '" + mark + "'"}, ""));
  const std::string script = started(folder) + "until [ -e " + mark +
                             " ]; do sleep 0.02; done; sleep 0.2; kill -INT $run; sleep 0.5\n"
                             "kill -0 $run && echo waits; kill -INT $run; wait $run; echo $?\n";
  const auto start = std::chrono::steady_clock::now();
  CHECK(run_script(script) == "waits\n130\n");
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(4));  // 5 of grace
}
