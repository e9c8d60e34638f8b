// What a manifest tells, and that no later run changes an earlier one's entry.
#include "harness/manifest.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <omp.h>

#include "command.h"
#include "experiment.h"
#include "harness/build_info.h"
#include "harness/machine.h"
#include "harness/plan.h"

using namespace longreach;
using namespace longreach::tests;
using namespace longreach::harness;
using Json = nlohmann::json;

namespace {

struct Stage {
  TempFolder folder;
  Store store{make(folder / "out"), Store::Open::create};
  static std::string make(const std::string& path) {
    std::filesystem::create_directories(path);
    return path;
  }
  Json manifest() const { return Json::parse(manifest_text(store)); }
};

RunRequest request(const std::string& command) {
  RunRequest made;
  made.command = command;
  return made;
}

}  // namespace

TEST_CASE("A manifest tells build, machine, circumstances and the whole configuration") {
  Stage stage;
  const Experiment experiment = read({}, {.set = {"models.reader.train.steps=7"}});
  std::vector<std::string> ids;
  for (const Cell& cell : make_plan(experiment)) ids.push_back(cell.id);
  stage.store.set_plan(ids);
  store_experiment(stage.store, experiment, "longreach run t.yaml");
  RunRequest asked = request("longreach run t.yaml");
  asked.selection.backends = {"full"};
  asked.options.threads = 3;
  asked.options.limit = 5;
  const std::string key = begin_run(stage.store, experiment, asked, "t@now");
  const Json manifest = stage.manifest();
  CHECK(manifest["format"] == kManifestFormat);
  CHECK(manifest["name"] == "t");
  CHECK(manifest["run_id"] == "t@now");
  CHECK(manifest["command"] == "longreach run t.yaml");
  CHECK(manifest["ended_at"].is_null());
  CHECK(manifest["build"]["revision"] == build_info().revision);
  CHECK(manifest["build"]["options"].contains("LONGREACH_MPI"));
  for (const char* library :
       {"Boost", "CLI11", "Eigen", "Google Benchmark", "Highway", "OpenMP", "OpenSSL", "SQLite",
        "fmt", "nlohmann-json", "pcre2", "sentencepiece", "utf8proc", "yaml-cpp"}) {
    INFO(library);
    CHECK(manifest["build"]["libraries"].contains(library));
  }
  CHECK(manifest["build"]["loaded"].dump().find("libsqlite3.so.") != std::string::npos);
  CHECK(manifest["machine"]["fingerprint"] == this_machine().fingerprint);
  CHECK(manifest["circumstances"]["threads"] == omp_get_max_threads());
  CHECK(manifest["threads"] == 3);
  CHECK(manifest["limit"] == 5);
  CHECK(manifest["shard"] == "1/1");
  CHECK(manifest["selection"]["backends"] == Json{"full"});
  CHECK(manifest["folder"] == LONGREACH_SOURCE_DIR);
  CHECK(manifest["configuration_as_written"] == Parts{}.yaml());
  CHECK(manifest["configuration"].get<std::string>().find("steps: 7") != std::string::npos);
  CHECK(manifest["cells"] == Json{{"not run", ids.size()}});
  end_run(stage.store, key);
  CHECK(stage.manifest()["ended_at"].is_string());
}

TEST_CASE("docs/records.md has every member of a manifest") {
  Stage stage;
  const Experiment experiment = read({});
  store_experiment(stage.store, experiment, "longreach run t.yaml");
  begin_run(stage.store, experiment, request("longreach run t.yaml"), "t@now");
  std::string doc = read_file(LONGREACH_SOURCE_DIR "/docs/records.md");
  doc = doc.substr(doc.find("## manifest.json"));
  const Json manifest = stage.manifest();
  for (const auto& [member, value] : manifest.items()) {
    INFO(member);
    CHECK(doc.find("`" + member + "`") < doc.find("## Read back"));
  }
}

TEST_CASE("The hashes of what a run reads change with the content of its data") {
  const TempFolder folder;
  Parts parts;
  parts.models.replace(parts.models.find("configs/data/harbour.txt"), 24, folder / "text.txt");
  std::string text = read_file(LONGREACH_SOURCE_DIR "/configs/data/harbour.txt");
  write_file(folder / "text.txt", text);
  const auto before = input_hashes(read(parts));
  CHECK(before.contains("tokenizer of reader"));
  CHECK(input_hashes(read(parts)) == before);
  text[100] = text[100] == 'e' ? 'a' : 'e';
  write_file(folder / "text.txt", text);
  const auto after = input_hashes(read(parts));
  int differ = 0;
  for (const auto& [what, sha] : before) differ += after.at(what) != sha;
  CHECK(differ == 2);  // of the training and of the task that reads what was learnt from
}

TEST_CASE("Each run adds its entry, and leaves those of other machines and builds as they were") {
  Stage stage;
  const Experiment experiment = read({});
  store_experiment(stage.store, experiment, "first");
  const std::string first = begin_run(stage.store, experiment, request("first"), "t@1");
  // As if another machine and build had made it.
  Json entry = Json::parse(stage.store.meta(first));
  entry["machine"]["fingerprint"] = "0123456789abcdef";
  entry["build"]["revision"] = "elsewhere";
  stage.store.set_meta(first, entry.dump());
  const std::string stored = stage.store.meta(first);
  CHECK(stage.manifest()["build"]["revision"] == "elsewhere");  // nothing is asked of this process

  const std::string second = begin_run(stage.store, experiment, request("second"), "t@1");
  CHECK(second != first);
  CHECK(begin_run(stage.store, experiment, request("third"), "t@1") != second);
  CHECK(stage.store.meta(first) == stored);
  const Json manifest = stage.manifest();
  CHECK(manifest["command"] == "third");
  CHECK(manifest["build"]["revision"] == build_info().revision);
  REQUIRE(manifest["earlier_runs"].size() == 2);
  CHECK(manifest["earlier_runs"][0]["machine"]["fingerprint"] == "0123456789abcdef");
  CHECK_FALSE(manifest["earlier_runs"][0].contains("configuration"));  // the same, told once

  const Experiment other = read({}, {.set = {"models.reader.train.steps=9"}});
  begin_run(stage.store, other, request("fourth"), "t@2");
  CHECK(stage.manifest()["earlier_runs"][0]["configuration"] == experiment.edited);
}
