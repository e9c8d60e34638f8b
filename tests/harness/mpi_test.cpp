// Training in several processes.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "command.h"
#include "experiment.h"

using namespace longreach;
using namespace longreach::tests;
using Catch::Matchers::Contains;

namespace {

std::string small_experiment() {
  return Parts{.models =
                   "[{name: reader, arch: {layers: 2, width: 16, heads: 2}, train: {data: "
                   "{text: {path: " LONGREACH_SOURCE_DIR
                   "/configs/data/harbour.txt, held_out: 0.4}}, steps: 20, length: 64, "
                   "batch_tokens: 320}}]",
               .more = {}}
      .yaml();
}

}  // namespace

#ifndef LONGREACH_MPIEXEC

TEST_CASE("A build without MPI does not train in several processes, and says why") {
  const TempFolder folder;
  write_file(folder / "t.yaml", small_experiment());
  require_refused(run_command("train " + folder / "t.yaml" + " --output " + folder / "out",
                              "OMPI_COMM_WORLD_SIZE=2"),
                  "-DLONGREACH_MPI=ON");
}

#else

namespace {

/// Loss by tokens of each training in an output folder.
std::vector<std::vector<double> > losses(const std::string& output) {
  std::vector<std::vector<double> > all;
  std::istringstream lines(read_file(output + "/curves.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    const auto curve = nlohmann::json::parse(line);
    if (curve["name"] == "training/loss") all.push_back(curve["y"]);
  }
  return all;
}

Run run_in(int processes, const std::string& arguments) {
  return run_command(arguments,
                     "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "
                     "OMP_NUM_THREADS=1 " LONGREACH_MPIEXEC " --oversubscribe -n " +
                         std::to_string(processes));
}

}  // namespace

TEST_CASE("Two processes train to the loss curve of one, and leave one store") {
  const TempFolder folder;
  write_file(folder / "t.yaml", small_experiment());
  const std::string train = "train " + folder / "t.yaml" + " --output ";
  REQUIRE(run_command(train + folder / "one").exit_code == 0);
  const Run two = run_in(2, train + folder / "two");
  INFO(two.out << two.err);
  REQUIRE(two.exit_code == 0);
  CHECK_THAT(two.out, Contains("step 20/20"));
  const auto expected = losses(folder / "one"), found = losses(folder / "two");
  REQUIRE(expected.size() == 2);
  REQUIRE(found.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    REQUIRE(found[i].size() == expected[i].size());
    for (std::size_t step = 0; step < found[i].size(); ++step) {
      CHECK(found[i][step] == Approx(expected[i][step]).margin(1e-4));
    }
  }
  // What is done is not done again, whoever asks.
  const Run again = run_in(2, train + folder / "two");
  CHECK(again.exit_code == 0);
  CHECK_THAT(again.out, !Contains("step"));
}

TEST_CASE("What the first process refuses ends all of them") {
  const TempFolder folder;
  write_file(folder / "t.yaml", small_experiment());
  const Run run = run_in(2, "train " + folder / "t.yaml" + " --output /proc/none");
  CHECK(run.exit_code == 2);
  CHECK_THAT(run.err, Contains("/proc/none"));
}

#endif
