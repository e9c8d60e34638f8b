// `run --from manifest.json`: the same results to the bit, and what is refused or told.
#include "harness/recipe.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "command.h"
#include "core/sha256.h"
#include "experiment.h"
#include "harness/equality.h"
#include "harness/manifest.h"
#include "harness/store.h"

using namespace longreach;
using namespace longreach::tests;
using namespace longreach::harness;
using Catch::Matchers::Contains;
using Json = nlohmann::json;

namespace {

/// A finished run of two trainings in folder/out, on a text of its own.
struct Finished {
  explicit Finished(const std::string& more = "") {
    write_file(folder / "text.txt", read_file(LONGREACH_SOURCE_DIR "/configs/data/harbour.txt"));
    Parts parts;
    parts.models.replace(parts.models.find("configs/data/harbour.txt"), 24, "text.txt");
    parts.more = "statistics: {bootstrap: 50}\n";
    write_file(folder / "c.yaml", parts.yaml());
    first = run_command("run " + folder / "c.yaml" + " --output " + folder / "out" + " " + more);
    manifest = folder / "out/manifest.json";
  }
  Run again(const std::string& more = "") const {
    return run_command("run --from " + manifest + " --output " + folder / "again" + " " + more);
  }
  Stored stored(const std::string& name) const {
    return Store(folder / name, Store::Open::existing).read();
  }
  /// Rewrites the manifest after `change`.
  template <class Change>
  void edit(const Change& change) const {
    Json json = Json::parse(read_file(manifest));
    change(json);
    write_file(manifest, json.dump());
  }
  TempFolder folder;
  Run first;
  std::string manifest;
};

}  // namespace

TEST_CASE("A run from a manifest finds the same to the bit, with one thread and with two") {
  for (const char* threads : {"1", "2"}) {
    const Finished run(
        "--set models.reader.train.steps=6 --set models.reader.train.batch_tokens=256"
        " --backends window --threads " +
        std::string(threads));
    REQUIRE(run.first.exit_code == 0);
    const Run again = run.again();
    INFO(again.err);
    REQUIRE(again.exit_code == 0);
    CHECK_THAT(again.err, !Contains(", was "));  // the same build and machine
    const Stored first = run.stored("out"), second = run.stored("again");
    REQUIRE(first.records.size() > 10);
    CHECK(equal_but_for_times(first, second) == "");
    CHECK(second.records[0].cell.threads == std::stoll(threads));
    for (const Record& record : second.records) CHECK(record.cell.backend == "window");
    const Json manifest = Json::parse(read_file(run.folder / "again/manifest.json"));
    CHECK(manifest["configuration_as_written"] == read_file(run.folder / "c.yaml"));
  }
}

TEST_CASE("A run from a manifest refuses data that changed, and says which") {
  const Finished run("--backends full --tasks perplexity --lengths 64");
  REQUIRE(run.first.exit_code == 0);
  std::string text = read_file(run.folder / "text.txt");
  text[text.size() - 2] = '#';
  write_file(run.folder / "text.txt", text);
  const Run refused = run.again();
  INFO(refused.err);
  CHECK(refused.exit_code == 2);
  CHECK_THAT(refused.err, Contains("data of reader.train changed since that run; put back") &&
                              Contains("data of perplexity changed"));
  CHECK_FALSE(std::filesystem::exists(run.folder / "again"));
}

TEST_CASE(
    "A run from a manifest goes on with another build or machine, and tells each difference") {
  const Finished run("--backends full --tasks memory --lengths 64 --limit 1");
  REQUIRE(run.first.exit_code == 0);
  run.edit([](Json& manifest) {
    manifest["build"]["compiler"] = "cc 1";
    manifest["build"]["libraries"]["fmt"] = "8.0.0";
    manifest["machine"]["caches"] = Json::array();
    manifest["circumstances"]["threads"] =
        77;  // of the environment, and --threads is the run's own
  });
  const Run again = run.again();
  INFO(again.err);
  CHECK(again.exit_code == 0);
  CHECK_THAT(again.err, Contains("longreach: build.compiler: ") && Contains(", was cc 1\n") &&
                            Contains("build.libraries.fmt: ") && Contains(", was 8.0.0\n") &&
                            Contains("machine.caches: ") && Contains(", was []\n") &&
                            Contains("may change the last digits") && !Contains("threads"));
}

TEST_CASE("Broken and foreign manifests are refused in one line that says what to do") {
  const TempFolder folder;
  const auto refused = [&](const std::string& text, const std::string& words) {
    write_file(folder / "m.json", text);
    INFO(text);
    require_refused(run_command("run --from " + folder / "m.json"), words);
  };
  refused("", "is no manifest of longreach");
  refused("[1, 2", "is no manifest of longreach");
  refused("[1]", "is no manifest of longreach");
  refused(R"({"format": 7})", "is no manifest of longreach");
  refused(R"({"name": "t", "configuration": "version: 1"})", "from before manifests could be run");
  refused(R"({"format": "longreach manifest", "version": 99})", "update longreach");
  refused(R"({"format": "longreach manifest", "version": 1})", "damaged");
  refused(R"({"format": "longreach manifest", "version": 1, "configuration": 5})", "damaged");
  require_refused(run_command("run --from " + folder / "none.json"), "cannot be read");
  require_refused(run_command("run --from " + folder / "."), "is a folder");
  require_refused(run_command("run"), "needs an experiment");
  require_refused(run_command("run c.yaml --from m.json"), "not both");
  require_refused(run_command("run --from m.json --set seed=2"), "--set");
}

TEST_CASE("A manifest's plugin counts by its hash, and one that is gone is asked for") {
  const TempFolder folder;
  write_file(folder / "moved.so", "the plugin's bytes");
  const std::string sha = sha256(std::string_view("the plugin's bytes"));
  Recipe recipe;
  recipe.file = "m.json";
  recipe.plugins = {{.path = folder / "gone.so", .sha = sha}};
  CHECK_THROWS_WITH(plugins_of(recipe, {}), Contains("gone.so is gone") && Contains(sha));
  write_file(folder / "gone.so", "other bytes");
  CHECK_THROWS_WITH(plugins_of(recipe, {}), Contains("has changed") && Contains("--plugin"));
  const std::vector<std::string> moved{folder / "moved.so"};
  CHECK(plugins_of(recipe, moved) == moved);
  recipe.plugins[0].path = moved[0];
  CHECK(plugins_of(recipe, {}) == moved);
}
