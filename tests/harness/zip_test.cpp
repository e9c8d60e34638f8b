// Linked sweeps: values that go together.
#include <catch2/catch.hpp>

#include "core/error.h"
#include "experiment.h"

using namespace longreach;
using namespace longreach::harness;
using namespace longreach::tests;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

std::vector<std::string> backends(const Parts& parts, const Overrides& overrides = {}) {
  std::vector<std::string> names;
  for (const BackendChoice& backend : read(parts, overrides).backends) {
    names.push_back(backend.name);
  }
  return names;
}

Parts with_backends(const std::string& text) {
  Parts parts;
  parts.backends = text;
  return parts;
}

}  // namespace

TEST_CASE("Zipped lists give as many entries as one of them has, each with its own values") {
  const Parts parts =
      with_backends("[{name: w, sliding_window: {zip: {window: [16, 32], sinks: [0, 4]}}}]");
  const Experiment experiment = read(parts);
  REQUIRE(experiment.backends.size() == 2);
  CHECK(experiment.backends[0].name == "w window=16 sinks=0");
  CHECK(experiment.backends[1].name == "w window=32 sinks=4");
  CHECK(param(experiment.backends[0].layers[0].params, "sinks") == "0");
  CHECK(param(experiment.backends[1].layers[0].params, "window") == "32");
  CHECK(param(experiment.backends[1].layers[0].params, "sinks") == "4");
}

TEST_CASE("A zip multiplies with other sweeps, whose values go faster, and reads ranges") {
  CHECK(backends(
            with_backends("[{name: i, infini: {update: [linear, delta], zip: {segment: 16..32*2, "
                          "rope.theta: [100, 200]}}}]")) ==
        std::vector<std::string>{
            "i segment=16 theta=100 update=linear", "i segment=16 theta=100 update=delta",
            "i segment=32 theta=200 update=linear", "i segment=32 theta=200 update=delta"});
}

TEST_CASE("A zip links keys of different mappings through dots, in models and tasks too") {
  Parts parts;
  parts.models =
      "[{name: m, zip: {arch.width: [16, 32], train.length: [64, 128]}, arch: {heads: 2}, train: "
      "{data: {text: {path: configs/data/harbour.txt, held_out: 0.4}}, steps: 4}}]";
  parts.tasks =
      "[{perplexity: {model: m width=32 length=128, zip: {stride: [8, 16], tokens: [64, 128]}}}]";
  const Experiment experiment = read(parts);
  REQUIRE(experiment.models.size() == 2);
  CHECK(experiment.models[1].name == "m width=32 length=128");
  CHECK(experiment.models[1].architecture.width == 32);
  CHECK(experiment.models[1].training->length == 128);
  CHECK(experiment.models[0].architecture.width == 16);
  REQUIRE(experiment.tasks.size() == 2);
  CHECK(experiment.tasks[1].name == "perplexity stride=16 tokens=128");
}

TEST_CASE("A zip comes from the command line as well, and what is wrong in it is told so") {
  const Parts parts = with_backends("[{name: w, sliding_window: {}}]");
  Overrides overrides;
  overrides.set = {"backends.w.zip={window: [16, 32], sinks: [0, 4]}"};
  CHECK(backends(parts, overrides) ==
        std::vector<std::string>{"w window=16 sinks=0", "w window=32 sinks=4"});
  overrides.set = {"backends.w.zip={window: [16, 0], sinks: [0, 4]}"};
  CHECK_THROWS_WITH(read(parts, overrides),
                    StartsWith("--set backends[0].sliding_window.window: 0 is out of range"));
}

TEST_CASE("The stored configuration keeps its zips and reads back to the same entries") {
  const Parts parts =
      with_backends("[{name: w, sliding_window: {zip: {window: [16, 32], sinks: [0, 4]}}}]");
  const Experiment first = read(parts);
  Overrides folder;
  folder.folder = LONGREACH_SOURCE_DIR;
  const Experiment second = read_experiment_text(first.edited, "copy.yaml", folder);
  CHECK(second.edited == first.edited);
  CHECK(second.backends[1].name == "w window=32 sinks=4");
}

TEST_CASE("Zips that do not fit together are refused with the keys and their numbers") {
  const auto refused = [](const std::string& zip, const std::string& words) {
    CHECK_THROWS_WITH(
        read(with_backends("[{name: w, sliding_window: {sinks: 2, zip: " + zip + "}}]")),
        Contains(words));
  };
  refused("{window: [16, 32], rope.theta: [1, 2, 3]}",
          "t.yaml:4 backends[0].sliding_window.zip: window has 2 values and rope.theta has 3");
  refused("{window: [16, 32], sinks: [1, 2]}",
          "backends[0].sliding_window.zip.sinks: sinks has a value beside the zip");
  refused("{window: 16}", "zip.window: expected a list of single values, or a range");
  refused("{window: [[16], [32]]}", "zip.window: expected a list of single values, or a range");
  refused("{window: [], sinks: []}", "zip.window: expected a list");
  refused("[window]", "sliding_window.zip: expected keys with lists");
  refused("{}", "sliding_window.zip: expected keys with lists");
  refused("{windw: [1, 2]}", "sliding_window.windw: unknown key; did you mean 'window'?");
  refused("{sinks.x: [1, 2]}", "zip.sinks.x: 'sinks' holds no keys");
  Parts parts;
  parts.more = "limits: {zip: {memory: [1GiB, 2GiB]}}\n";
  CHECK_THROWS_WITH(read(parts), Contains("limits.zip: unknown key"));
}
