// Between a cell's process and the store: disks that take nothing, and weights of others.
#include "harness/settle.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "command.h"
#include "experiment.h"
#include "stored.h"
#include "trainings.h"

using namespace longreach;
using namespace longreach::tests;
using Catch::Matchers::Contains;

namespace {

/// The only file in models/.
std::string weights_in(const std::string& output) {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(output + "/models")) {
    found.push_back(entry.path().string());
  }
  REQUIRE(found.size() == 1);
  return found[0];
}

}  // namespace

TEST_CASE("Weights that are not what their training ended in fail what is measured with them") {
  const TempFolder folder;
  Parts parts;
  parts.backends = "[{full: {}, baseline: true}]";
  parts.lengths = "[64]";
  write_file(folder / "c.yaml", parts.yaml());
  const auto run = [&](const std::string& output, const std::string& more) {
    return run_command("run " + folder / "c.yaml" + " --threads 1 --output " + folder / output +
                       " " + more);
  };
  REQUIRE(run("other", "--tasks memory --set models.reader.train.lr=0.1").exit_code == 0);
  REQUIRE(run("out", "--tasks memory").exit_code == 0);
  const std::string weights = weights_in(folder / "out");
  SECTION("a flipped bit") {
    std::string bytes = read_file(weights);
    bytes[bytes.size() - 2] ^= 1;
    write_file(weights, bytes);
  }
  SECTION("another model's") {
    std::filesystem::copy_file(weights_in(folder / "other"), weights,
                               std::filesystem::copy_options::overwrite_existing);
  }
  const Run wrong = run("out", "--tasks perplexity");
  CHECK(wrong.exit_code == 1);
  CHECK_THAT(wrong.out, Contains("failed") &&
                            Contains("holds other weights than its training ended in") &&
                            Contains("delete it to train again, with --retry failed"));
  std::filesystem::remove(weights);
  const Run again = run("out", "--tasks perplexity --retry failed");
  INFO(again.out << again.err);
  CHECK(again.exit_code == 0);
  CHECK_THAT(again.out, Contains("2 cells run"));
}

TEST_CASE("A disk too full for a training's weights stops the run, and stores no failure") {
  const TempFolder folder;
  Parts parts;
  parts.models =
      "[{name: reader, arch: {layers: 2, width: 128, heads: 2}, train: {data: {text: {path: "
      "configs/data/harbour.txt, held_out: 0.4}}, steps: 2, length: 64, batch_tokens: 128, seeds: "
      "[0, 1]}}]";
  parts.tasks = "[memory]";
  write_file(folder / "c.yaml", parts.yaml());
  const std::string line = "run " + folder / "c.yaml" + " --threads 1 --output " + folder / "out";
  // A limit of file size, in KiB, stands in for the disk's.
  const Run full = run_command(line, "ulimit -f 500; trap '' XFSZ; exec");
  INFO(full.out << full.err);
  CHECK(full.exit_code == 1);
  CHECK_THAT(full.err, Contains("cannot be written: File too large; free some space") &&
                           Contains("the run stops") && Contains("the same command goes on"));
  const Store store(folder / "out", Store::Open::existing);
  CHECK(store.stored_cells().empty());
  const Run after = run_command(line);
  INFO(after.out << after.err);
  CHECK(after.exit_code == 0);
  CHECK_THAT(after.out, Contains("8 cells run, 0 already done, 0 left"));
}

TEST_CASE("A checkpoint that cannot be written ends no training") {
  const TempFolder folder;
  Small small;
  small.training.checkpoint = 0;  // after every step
  model::Transformer model = small.model();
  CHECK_FALSE(small.train(model, folder / "none/checkpoint", "a", {}).measurements.empty());
}

TEST_CASE("A report that cannot be written stops no other, and the exit code says so") {
  const TempFolder folder;
  Parts parts;
  parts.tasks = "[memory]";
  write_file(folder / "c.yaml", parts.yaml());
  std::filesystem::create_directories(folder / "out/records.csv/x");
  const Run run =
      run_command("run " + folder / "c.yaml" + " --threads 1 --output " + folder / "out");
  CHECK(run.exit_code == 1);
  CHECK_THAT(run.err, Contains("records.csv: cannot be written: ") &&
                          Contains("every finished cell is stored; `longreach report`"));
  CHECK_THAT(run.out, Contains("report.html"));
  for (const char* name : {"records.jsonl", "report.html", "manifest.json"}) {
    CHECK(std::filesystem::is_regular_file(folder / "out/" + name));
  }
  std::filesystem::remove_all(folder / "out/records.csv");
  const Run report = run_command("report " + folder / "out");
  CHECK(report.exit_code == 0);
  CHECK_THAT(report.out, Contains("records.csv"));
}
