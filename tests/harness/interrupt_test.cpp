// Signals to a run.
#include <catch2/catch.hpp>

#include "command.h"
#include "experiment.h"

using namespace longreach::tests;
using Catch::Matchers::Contains;

namespace {

const std::string kLongreach = LONGREACH_BINARY_DIR "/longreach ";

/// One training that takes its time, with no checkpoint on the way.
std::string training(const TempFolder& folder) {
  write_file(folder / "c.yaml", Parts{}.yaml());
  return folder / "c.yaml" + " --threads 1 --backends full --output " + folder / "out" +
         " --set models.reader.train.checkpoint=1h --set models.reader.train.steps=";
}

std::string until(const std::string& words, const std::string& file) {
  return "until grep -q '" + words + "' " + file + "; do sleep 0.02; done\n";
}

}  // namespace

TEST_CASE("A training that is interrupted writes a checkpoint first, and goes on from it") {
  for (const std::string signal : {"INT", "TERM", "HUP"}) {
    const TempFolder folder;
    const std::string train = "train " + training(folder) + "1000 ";
    CHECK(run_script(kLongreach + train + ">" + folder / "lines" + " & run=$!\n" +
                     until("step 20/", folder / "lines") + "kill -" + signal +
                     " $run; wait $run; echo $?") == "130\n");
    const std::string lines = read_file(folder / "lines");
    CHECK_THAT(lines,
               Contains("takes it up again") && Contains("longreach report " + folder / "out"));
    CHECK_THAT(lines, !Contains("step 1000/"));
    const Run resumed = run_command(train);
    INFO(resumed.out << resumed.err);
    CHECK(resumed.exit_code == 0);
    CHECK_THAT(resumed.out, !Contains("step 1/") && Contains("step 1000/"));
  }
}

TEST_CASE("A hangup is passed over where it is ignored") {
  const TempFolder folder;
  const std::string train = "train " + training(folder) + "100 ";
  CHECK(run_script("trap '' HUP\n" + kLongreach + train + ">" + folder / "lines" + " & run=$!\n" +
                   until("step 1/", folder / "lines") + "kill -HUP $run; wait $run; echo $?") ==
        "0\n");
  CHECK_THAT(read_file(folder / "lines"), Contains("step 100/100"));
}
