// Runs of several processes: what one run finds, whatever happens to a process.
#include "harness/workers.h"

#include <catch2/catch.hpp>

#include "command.h"
#include "core/error.h"
#include "experiment.h"
#include "harness/equality.h"
#include "harness/store.h"

using namespace longreach;
using namespace longreach::harness;
using namespace longreach::tests;
using Catch::Matchers::Contains;

#ifndef LONGREACH_MPIEXEC

TEST_CASE("Several processes find what one does") {
  WARN("TEST SKIPPED: built without MPI; configure with -DLONGREACH_MPI=ON");
}

#else

namespace {

/// As many as there are processors, bound to none: these tests share the machine with others.
std::string mpirun(int processes) {
  return "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 " LONGREACH_MPIEXEC
         " --oversubscribe -n " +
         std::to_string(processes);
}

/// Four trainings, and qualities and sizes of each.
std::string experiment() {
  Parts parts;
  parts.models =
      "[{name: reader, arch: {layers: 1, width: 16, heads: 2}, train: {data: {text: {path: "
      "configs/data/harbour.txt, held_out: 0.4}}, steps: 4, length: 64, batch_tokens: 128, seeds: "
      "[0, 1]}}]";
  parts.tasks =
      "[{perplexity: {stride: 32, tokens: 64}}, memory, {latency: {repetitions: 3, decode_tokens: "
      "2, budget: 1, lengths: 64}}]";
  return parts.yaml();
}

Stored read_store(const std::string& folder) { return Store(folder, Store::Open::existing).read(); }

/// Runs `mpirun longreach ARGUMENTS` in the background and, once the shell's condition `until`
/// holds, the shell's `then`. Both find mpirun's process id in $run, the ranks' in $rank0, $rank1,
/// and what is printed in the file $said. The exit code comes from mpirun; 99 when it ended before.
Run disturbed(const TempFolder& folder, int processes, const std::string& arguments,
              const std::string& until, const std::string& then) {
  const std::string said = folder / "said";
  std::string script =
      fmt::format("said={}\nexport OMP_WAIT_POLICY=passive\n{} {}/longreach {} >$said 2>&1 &\n",
                  said, mpirun(processes), LONGREACH_BINARY_DIR, arguments);
  script += R"(run=$!
wait_for() { until eval "$1"; do kill -0 $run || { wait $run; exit 99; }; sleep 0.02; done; }
find_rank() { for p in $(cat /proc/$run/task/$run/children); do
  grep -zqx OMPI_COMM_WORLD_RANK=$1 /proc/$p/environ && eval rank$1=$p && return; done; false; }
wait_for 'find_rank 0'; wait_for 'find_rank 1'
)";
  script += fmt::format("wait_for '{}'\n{}\nwait $run; exit $?\n", until, then);
  write_file(folder / "script", script);
  const std::string line =
      "cd " LONGREACH_SOURCE_DIR " && bash " + folder / "script" + " 2>/dev/null </dev/null";
  const int status = std::system(line.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_file(said), ""};
}

}  // namespace

TEST_CASE("Several processes find what one does, in one store") {
  const TempFolder folder;
  write_file(folder / "c.yaml", experiment());
  const std::string run = "run " + folder / "c.yaml" + " --threads 1 --no-probe --output ";
  REQUIRE(run_command(run + folder / "one").exit_code == 0);
  for (const int processes : {2, 8}) {
    const std::string output = folder / std::to_string(processes);
    const Run several = run_command(run + output, mpirun(processes));
    INFO(several.out << several.err);
    CHECK(several.exit_code == 0);
    CHECK_THAT(several.out, Contains("18 cells run, 0 already done, 0 left"));
    CHECK(equal_but_for_times(read_store(folder / "one"), read_store(output)) == "");
    const Run again = run_command(run + output, mpirun(2));
    CHECK_THAT(again.out, Contains("0 cells run, 18 already done, 0 left"));
  }
}

TEST_CASE("A run whose process is killed goes on with nothing finished lost") {
  const TempFolder folder;
  write_file(folder / "c.yaml", experiment());
  const std::string run = "run " + folder / "c.yaml" + " --threads 1 --no-probe --output ";
  REQUIRE(run_command(run + folder / "one").exit_code == 0);
  int after = 2;
  for (const char* victim : {"$rank1", "$rank0", "$run"}) {
    const std::string output = folder / std::string(victim + 1);
    const Run killed =
        disturbed(folder, 3, run + output, fmt::format("grep -q {}/18 $said", after += 3),
                  fmt::format("kill -KILL {}", victim));
    INFO(killed.out);
    CHECK(killed.exit_code != 0);
    const std::size_t finished = Store(output, Store::Open::existing).stored_cells().size();
    CHECK(finished >= static_cast<std::size_t>(after));
    // A rank that lost its mpirun ends within a moment.
    run_command("list >/dev/null; for i in $(seq 100); do flock -n " + output +
                "/.lock true && break; sleep 0.1; done");
    const Run resumed = run_command(run + output, mpirun(3));
    INFO(resumed.out << resumed.err);
    CHECK(resumed.exit_code == 0);
    CHECK_THAT(resumed.out, Contains(" 0 left") && !Contains(" 0 already done"));
    CHECK(equal_but_for_times(read_store(folder / "one"), read_store(output)) == "");
  }
}

TEST_CASE("A cell that crashes or takes too long ends no process of the run") {
  const TempFolder folder;
  write_file(folder / "c.yaml", Parts{}.yaml());
  const Run run = disturbed(
      folder, 2,
      "run " + folder / "c.yaml" +
          " --threads 1 --no-probe --set models.reader.train.steps=10000000 --set " +
          "limits.time_per_cell=3 --output " + folder / "out",
      "c=$(cat /proc/$rank1/task/$rank1/children) && [ -n \"$c\" ]", "sleep 0.3; kill -SEGV $c");
  INFO(run.out);
  CHECK(run.exit_code == 1);
  std::map<Status, int> statuses;
  for (const Record& record : read_store(folder / "out").records) ++statuses[record.cell.status];
  CHECK(statuses ==
        std::map<Status, int>{{Status::failed, 1}, {Status::timeout, 1}, {Status::skipped, 8}});
  CHECK_THAT(run.out, Contains("crashed: Segmentation fault") && Contains("ran longer than 3"));
}

TEST_CASE("An interrupted run of several processes ends all of them, and says how to go on") {
  const TempFolder folder;
  write_file(folder / "c.yaml", Parts{}.yaml());
  const Run run =
      disturbed(folder, 2,
                "run " + folder / "c.yaml" +
                    " --threads 1 --no-probe --set models.reader.train.steps=10000000 " +
                    "--output " + folder / "out",
                "[ -d " + folder / "out/models" + " ]", "kill -TERM $rank0");
  INFO(run.out);
  CHECK(run.exit_code == 130);
  CHECK_THAT(run.out, Contains("interrupted, 10 cells left"));
  CHECK(Store(folder / "out", Store::Open::existing).stored_cells().empty());
}

TEST_CASE("A run of several processes stops at its limit, and at what failed when asked to") {
  const TempFolder folder;
  write_file(folder / "c.yaml", experiment());
  const std::string run = "run " + folder / "c.yaml" + " --threads 1 --no-probe --output ";
  const Run limited = run_command(run + folder / "a" + " --limit 3", mpirun(2));
  CHECK(limited.exit_code == 0);
  CHECK_THAT(limited.out, Contains("3 cells run, 0 already done, 15 left"));
  const Run failed =
      run_command(run + folder / "b" + " --fail-fast --set models.reader.train.steps=10000000 " +
                      "--set limits.time_per_cell=1",
                  mpirun(2));
  CHECK(failed.exit_code == 1);
  CHECK(Store(folder / "b", Store::Open::existing).stored_cells().size() <= 2);
}

TEST_CASE("Processes that cannot see the output folder, or its experiment, are refused") {
  const TempFolder folder;
  write_file(folder / "c.yaml", experiment());
  // The second process has a file of its own in place of the first's.
  write_file(folder / "other", Parts{}.yaml());
  write_file(folder / "pick",
             "#!/bin/sh\n[ $OMPI_COMM_WORLD_RANK = 0 ] && f=c.yaml || f=other\n"
             "shift; exec " LONGREACH_BINARY_DIR "/longreach run " +
                 folder / "$f" + " \"$@\"\n");
  const Run unlike = run_command("--threads 1 --no-probe --output " + folder / "out",
                                 mpirun(2) + " sh " + folder / "pick");
  INFO(unlike.out << unlike.err);
  CHECK(unlike.exit_code == 2);
  CHECK_THAT(unlike.err, Contains("process 1 has other cells than the first"));
  CHECK(Store(folder / "out", Store::Open::existing).stored_cells().empty());
}

#endif
