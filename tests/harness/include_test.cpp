// Configurations of several files.
#include "harness/include.h"

#include <catch2/catch.hpp>

#include "command.h"
#include "core/error.h"
#include "experiment.h"

using namespace longreach;
using namespace longreach::harness;
using namespace longreach::tests;
using Catch::Matchers::Contains;

namespace {

/// Files in a folder of their own, read as configurations.
struct Files {
  TempFolder folder;
  void put(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(folder / name).parent_path());
    write_file(folder / name, text);
  }
  Experiment read(const std::string& name, Overrides overrides = {}) const {
    overrides.folder = LONGREACH_SOURCE_DIR;
    return read_experiment(folder / name, overrides);
  }
  /// The message, with the folder left out.
  std::string refusal(const std::string& name, const Overrides& overrides = {}) const {
    try {
      read(name, overrides);
    } catch (const Error& failure) {
      std::string text = failure.what();
      const std::string path = folder / "";
      for (std::size_t at; (at = text.find(path)) != std::string::npos;) {
        text.erase(at, path.size());
      }
      return text;
    }
    return "was accepted";
  }
};

const std::string kRest =
    "models: [{name: m, arch: {layers: 1, width: 16, heads: 2}}]\nlengths: [64]\ntasks: "
    "[memory]\n";

}  // namespace

TEST_CASE("An included file gives what the including one has not, key by key, lists whole") {
  const Files files;
  files.put("base.yaml", "name: base\nseed: 3\nbackends: [{full: {}}, {infini: {}}]\n" + kRest +
                             "statistics: {confidence: 0.9, bootstrap: 100}\n");
  files.put("t.yaml",
            "version: 1\nname: t\ninclude: base.yaml\nbackends: [{infini: {}}]\n"
            "statistics: {bootstrap: 200}\n");
  const Experiment experiment = files.read("t.yaml");
  CHECK(experiment.name == "t");
  CHECK(experiment.seed == 3);
  CHECK(experiment.backends.size() == 1);
  CHECK(experiment.statistics.confidence == 0.9);
  CHECK(experiment.statistics.bootstrap == 200);
}

TEST_CASE("Included files are found beside the file that names them, at any place in it") {
  const Files files;
  files.put("parts/arch.yaml", "{layers: 1, width: 16, heads: 2}\n");
  files.put("parts/model.yaml", "arch: {include: arch.yaml, layers: 2}\n");
  files.put("t.yaml",
            "version: 1\nname: t\nmodels: [{name: m, include: parts/model.yaml}]\n"
            "backends: [{full: {}}]\nlengths: [64]\ntasks: [memory]\n");
  const Experiment experiment = files.read("t.yaml");
  CHECK(experiment.models[0].architecture.layers == 2);
  CHECK(experiment.models[0].architecture.width == 16);
}

TEST_CASE("Of several included files the later wins") {
  const Files files;
  files.put("a.yaml", "seed: 1\nbackends: [{full: {}}]\n");
  files.put("b.yaml", "seed: 2\n");
  files.put("t.yaml", "version: 1\nname: t\ninclude: [a.yaml, b.yaml]\n" + kRest);
  const Experiment experiment = files.read("t.yaml");
  CHECK(experiment.seed == 2);
  CHECK(experiment.backends.size() == 1);
}

TEST_CASE("Mistakes are told with the file and line where they stand") {
  const Files files;
  files.put("backends.yaml", "# shared\nbackends:\n  - {name: w, sliding_window: {windw: 3}}\n");
  files.put("stats.yaml", "statistics:\n  confidence: 7\n");
  files.put(
      "t.yaml",
      "version: 1\nname: t\ninclude: [backends.yaml, stats.yaml]\nstatistics: {bootstrap: 1}\n" +
          kRest);
  const std::string text = files.refusal("t.yaml");
  CHECK_THAT(text, Contains("t.yaml:4 statistics.bootstrap: 1 is out of range"));
  CHECK_THAT(text, Contains("stats.yaml:2 statistics.confidence: 7 is out of range"));
  CHECK_THAT(text, Contains("backends.yaml:3 backends[0].sliding_window.windw: unknown key"));
}

TEST_CASE(
    "What a nested file gave is told as its own, also where a nearer file covers part of it") {
  const Files files;
  files.put("inner.yaml", "\n\nstatistics: {confidence: 7}\nlimits: {memory: none}\n");
  files.put("outer.yaml", "include: inner.yaml\n\n\nlimits: {on_oom: wait}\n");
  files.put("t.yaml", "version: 1\nname: t\ninclude: outer.yaml\nbackends: [{full: {}}]\n" + kRest);
  const std::string text = files.refusal("t.yaml");
  CHECK_THAT(text, Contains("inner.yaml:3 statistics.confidence: 7 is out of range"));
  CHECK_THAT(text, Contains("inner.yaml:4 limits.memory: 'none' is not a whole number"));
  CHECK_THAT(text, Contains("outer.yaml:4 limits.on_oom: 'wait' is not one of"));
}

TEST_CASE("The stored configuration stands alone, and --set changes what was included") {
  const Files files;
  files.put("base.yaml", "backends: [{name: w, sliding_window: {window: 16}}]\n" + kRest);
  files.put("t.yaml", "version: 1\nname: t\ninclude: base.yaml\n");
  Overrides overrides;
  overrides.set = {"backends.w.window=32"};
  const Experiment experiment = files.read("t.yaml", overrides);
  CHECK(param(experiment.backends[0].layers[0].params, "window") == "32");
  CHECK_THAT(experiment.edited, !Contains("include") && Contains("window: 32"));
  CHECK(experiment.written == experiment.edited);
  const Experiment again = read_experiment_text(experiment.edited, "copy.yaml", {});
  CHECK(again.edited == experiment.edited);
  CHECK(again.written == again.edited);
}

TEST_CASE("Files that include themselves are refused, however they are called") {
  const Files files;
  files.put("t.yaml", "version: 1\ninclude: sub/../a.yaml\n");
  files.put("a.yaml", "seed: 1\ninclude: ./sub/b.yaml\n");
  files.put("sub/b.yaml", "include: ../t.yaml\n");
  CHECK(files.refusal("t.yaml") ==
        "sub/b.yaml:1 include: '../t.yaml' includes itself (t.yaml > a.yaml > b.yaml > t.yaml)");
  files.put("self.yaml", "include: self.yaml\n");
  CHECK_THAT(files.refusal("self.yaml"),
             Contains("self.yaml:1 include: 'self.yaml' includes itself"));
}

TEST_CASE(
    "Included files that are missing, no mapping, too deep or too many are refused in a line") {
  const Files files;
  files.put("t.yaml", "version: 1\ninclude: none.yaml\n");
  CHECK(files.refusal("t.yaml") == "t.yaml:2 include: none.yaml: no such file");
  files.put("t.yaml", "version: 1\ninclude: /dev/zero\n");
  CHECK(files.refusal("t.yaml") == "t.yaml:2 include: /dev/zero: not a file");
  files.put("t.yaml", "version: 1\ninclude: {a: b}\n");
  CHECK(files.refusal("t.yaml") == "t.yaml:2 include: expected a file, or a list of files");
  files.put("list.yaml", "[1, 2]\n");
  files.put("t.yaml", "version: 1\ninclude: list.yaml\n");
  CHECK(files.refusal("t.yaml") == "t.yaml:2 include: 'list.yaml' holds no mapping of keys");
  files.put("broken.yaml", "a: 1\nb: [\n");
  files.put("t.yaml", "version: 1\ninclude: broken.yaml\n");
  CHECK_THAT(files.refusal("t.yaml"), Contains("broken.yaml:3: "));
  files.put("twice.yaml", "a: 1\na: 2\n");
  files.put("t.yaml", "version: 1\ninclude: twice.yaml\n");
  CHECK(files.refusal("t.yaml") == "twice.yaml:2 a: this key appears twice");

  for (int i = 0; i < 12; ++i) {
    files.put(fmt::format("d{}.yaml", i), fmt::format("include: d{}.yaml\n", i + 1));
  }
  CHECK_THAT(files.refusal("d0.yaml"), Contains("included files are nested more than 8 deep"));
  // Twelve files each naming the next ten times would be read a thousand million times.
  for (int i = 0; i < 7; ++i) {
    const std::string next = fmt::format("w{}.yaml, ", i + 1);
    std::string all;
    for (int n = 0; n < 10; ++n) all += next;
    files.put(fmt::format("w{}.yaml", i), "include: [" + all + "]\n");
  }
  files.put("w7.yaml", "seed: 1\n");
  CHECK_THAT(files.refusal("w0.yaml"), Contains("more than 100 included files"));
}

TEST_CASE("What files add up to is held against the same limits as one file") {
  const Files files;
  std::string nested = "a: 1";
  for (int i = 0; i < 20; ++i) nested = "x: {" + nested + "}";
  files.put("deep.yaml", nested + "\n");
  files.put("t.yaml", std::string("version: 1\nname: t\n") +
                          "a: {b: {c: {d: {e: {f: {g: {h: {i: "
                          "{j: {k: {l: {m: {n: {include: deep.yaml}}}}}}}}}}}}}}\n");
  CHECK_THAT(files.refusal("t.yaml"),
             Contains("t.yaml with all that is set and included:") && Contains("levels deep"));
}
