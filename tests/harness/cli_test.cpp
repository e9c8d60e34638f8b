// The command line: what is refused, with which words and which exit code.
#include <catch2/catch.hpp>

#include "command.h"

using namespace longreach;
using namespace longreach::tests;
using Catch::Matchers::Contains;

namespace {

/// A configuration that trains nothing, with parts to spoil.
std::string configuration(const std::string& backend, const std::string& corpus,
                          const std::string& arch = "{layers: 1, width: 16, heads: 2}",
                          const std::string& task = "perplexity: {stride: 32, tokens: 64}",
                          const std::string& lengths = "[64]") {
  return "version: 1\nname: t\nmodels:\n  - {name: m, arch: " + arch +
         ", train: {data: {text: {path: " + corpus +
         ", held_out: 0.5}}, steps: 1, length: 64, batch_tokens: 64}}\nbackends:\n  - {name: b, " +
         backend + "}\nlengths: " + lengths + "\ntasks:\n  - {" + task + "}\n";
}

Run run_with(const TempFolder& folder, const std::string& yaml, const std::string& more = "") {
  write_file(folder / "c.yaml", yaml);
  return run_command("run " + folder / "c.yaml" + " --output " + folder / "out" + " " + more);
}

const std::string kCorpus = "configs/data/harbour.txt";

}  // namespace

TEST_CASE("A wrong flag, a missing subcommand and a missing file exit with 2") {
  CHECK(run_command("--no-such-flag").exit_code == 2);
  CHECK(run_command("").exit_code == 2);
  require_refused(run_command("run no-such.yaml"), "no-such.yaml");
}

TEST_CASE("An unknown key names the line and the nearest key") {
  const TempFolder folder;
  require_refused(run_with(folder, configuration("sliding_window: {windw: 4}", kCorpus)),
                  "c.yaml:6 backends[0].sliding_window.windw: unknown key; did you mean 'window'?");
}

TEST_CASE("A wrong type, a zero window and heads that do not divide are refused with their place") {
  const TempFolder folder;
  require_refused(run_with(folder, configuration("sliding_window: {window: four}", kCorpus)),
                  "backends[0].sliding_window.window");
  require_refused(run_with(folder, configuration("sliding_window: {window: 0}", kCorpus)),
                  "must be at least 1");
  require_refused(
      run_with(folder, configuration("full: {}", kCorpus, "{layers: 1, width: 16, heads: 3}")),
      "heads 3");
}

TEST_CASE("A missing corpus and an empty one are refused before anything runs") {
  const TempFolder folder;
  require_refused(run_with(folder, configuration("full: {}", "no-such.txt")), "no-such.txt");
  write_file(folder / "empty.txt", "");
  require_refused(run_with(folder, configuration("full: {}", folder / "empty.txt")), "empty.txt");
}

TEST_CASE("An unknown backend suggests the nearest") {
  const TempFolder folder;
  require_refused(run_with(folder, configuration("infni: {}", kCorpus)), "infini");
}

TEST_CASE("Broken and hostile YAML is refused quickly") {
  const TempFolder folder;
  require_refused(run_with(folder, "version: [1"), "c.yaml");
  require_refused(run_with(folder, std::string(100000, '[')), "c.yaml");
  require_refused(run_with(folder, "a: &a [1]\nb: [*a, *a]\n"), "c.yaml");
}

TEST_CASE("An output that cannot be written is refused") {
  const TempFolder folder;
  write_file(folder / "c.yaml", configuration("full: {}", kCorpus));
  require_refused(run_command("run " + folder / "c.yaml" + " --output /proc/nowhere"), "/proc");
}

TEST_CASE("A length below what a task needs fails that cell with its reason, and the rest run") {
  const TempFolder folder;
  const Run run =
      run_with(folder, configuration("full: {}", kCorpus, "{layers: 1, width: 16, heads: 2}",
                                     "perplexity: {stride: 64, tokens: 64}", "[32, 64]"));
  INFO(run.err);
  CHECK(run.exit_code == 1);
  const std::string records = read_file(folder / "out/records.csv");
  CHECK_THAT(records, Contains("failed"));
  CHECK_THAT(records, Contains("perplexity/bits_per_byte"));
}

TEST_CASE("A corrupt checkpoint fails what needs it with its path, and a rerun without it trains") {
  const TempFolder folder;
  REQUIRE(run_with(folder, configuration("full: {}", kCorpus)).exit_code == 0);
  std::string checkpoint;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "out/models")) {
    checkpoint = entry.path().string();
  }
  REQUIRE_FALSE(checkpoint.empty());
  write_file(checkpoint, "not a checkpoint");
  // Another length asks for a new cell of the same trained model.
  const std::string longer =
      "run " + folder / "c.yaml" + " --lengths 128 --output " + folder / "out";
  const Run run = run_command(longer);
  INFO(run.err);
  CHECK(run.exit_code == 1);
  CHECK_THAT(read_file(folder / "out/records.csv"), Contains(".safetensors"));
  std::filesystem::remove(checkpoint);
  CHECK(run_command(longer + " --retry failed").exit_code == 0);
}

TEST_CASE("A damaged store is refused with what to do, and left as it is") {
  const TempFolder folder;
  REQUIRE(run_with(folder, configuration("full: {}", kCorpus)).exit_code == 0);
  std::filesystem::remove(folder / "out/store.sqlite-wal");
  write_file(folder / "out/store.sqlite", "this is no database, whatever its name says");
  require_refused(run_with(folder, configuration("full: {}", kCorpus)), "store.sqlite");
  CHECK(read_file(folder / "out/store.sqlite") == "this is no database, whatever its name says");
}

TEST_CASE("list and describe print what is registered") {
  const Run list = run_command("list");
  CHECK(list.exit_code == 0);
  for (const char* name : {"full", "sliding_window", "infini", "perplexity", "passkey", "html"}) {
    CHECK_THAT(list.out, Contains(name));
  }
  CHECK_THAT(run_command("describe infini").out, Contains("gate"));
  CHECK_THAT(run_command("describe gated_delta").out, Contains("projection write_strength ["));
  require_refused(run_command("describe infni"), "did you mean 'infini'?");
}
