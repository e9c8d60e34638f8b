// lm-evaluation-harness's results JSON: names, keys and files as its readers expect them.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "tests/reports/synthetic.h"
#include "tests/reports/tiny.h"
#include "tests/settings.h"

namespace longreach::reports {
namespace {

using Json = nlohmann::json;

std::vector<File> files(const Tiny& made) {
  return tests::make<ReportRegistry>("lm-eval", {})->files(made.results());
}

TEST_CASE("A model and backend is a file with each task at each length under lm-eval's keys") {
  Tiny made = tiny();
  made.records[2].measurement.standard_error = 0.028;
  const std::vector<File> all = files(made);
  REQUIRE(all.size() == 2);
  CHECK(all[0].path == "reader__full/results_2026-01-02T03-04-05Z.json");
  const Json root = Json::parse(all[1].content);
  CHECK(root["results"] == Json::parse(R"({
    "find@512": {"alias": "find@512", "passkey/exact_match,none": 0.2,
                 "passkey/exact_match_stderr,none": 0.028},
    "find@4096": {"alias": "find@4096", "passkey/exact_match,none": 0.185,
                  "passkey/exact_match_stderr,none": "N/A"}})"));
  CHECK(root["group_subtasks"] == Json::parse(R"({"find": ["find@512", "find@4096"]})"));
  CHECK(root["versions"] == Json::parse(R"({"find@512": 3, "find@4096": 3})"));
  CHECK(root["n-shot"] == Json::parse(R"({"find@512": 0, "find@4096": 0})"));
  CHECK(root["n-samples"]["find@512"] == Json::parse(R"({"original": 200, "effective": 200})"));
  CHECK(root["higher_is_better"]["find@512"] == Json::parse(R"({"passkey/exact_match": true})"));
  CHECK(root["configs"]["find@512"] == Json::parse(R"({
    "task": "find@512", "num_fewshot": 0,
    "metadata": {"version": 3, "task": "find", "context_length": 512, "data_sha": "da7a",
                 "protocols": {"passkey/exact_match": "p/1"}}})"));
  CHECK(root["task_hashes"]["find@512"] == "da7a");
  CHECK(root["config"]["model"] == "longreach");
  CHECK(root["config"]["model_num_parameters"] == 1000);
  CHECK(root["model_name"] == "reader/window");
  CHECK(root["model_name_sanitized"] == "reader__window");
  CHECK(root["date"] == 1767323045.0);  // date -ud 2026-01-02T03:04:05Z +%s
  CHECK(root["total_evaluation_time_seconds"] == "3");
}

TEST_CASE("What is not ok is told beside lm-eval's results, not among them") {
  const Json root = Json::parse(files(tiny())[0].content);
  CHECK(root["results"].size() == 1);
  CHECK(root["longreach"]["not_ok"] ==
        Json::parse(R"({"find@4096": {"status": "oom", "reason": "wanted 9 GiB"}})"));
}

TEST_CASE("Several models to one stream are refused, one is written") {
  const Tiny made = tiny();
  CHECK_THROWS_WITH(written("lm-eval", made.results()),
                    Catch::Contains("here are 2 (reader__full, reader__window)") &&
                        Catch::Contains("--backends"));
  Tiny one;
  one.score("full", 512, 0.98, 0.95, 0.992);
  CHECK(Json::parse(written("lm-eval", one.results()))["model_name"] == "reader/full");
}

TEST_CASE("Each training of a model is a file of its own") {
  Tiny made;
  made.score("full", 512, 0.98, 0.95, 0.992);
  made.score("full", 512, 0.97, 0.95, 0.992).cell.seed = 8;
  const std::vector<File> all = files(made);
  REQUIRE(all.size() == 2);
  CHECK(Json::parse(all[0].content)["model_name"] == "reader/full/seed=7");
  CHECK(all[1].path == "reader__full__seed=8/results_2026-01-02T03-04-05Z.json");
}

TEST_CASE("No name leaves lm-eval's folder, and no two files are one") {
  Tiny made;
  for (const std::string& name : hostile_names()) {
    made.score(name, 512, 0.5, 0.4, 0.6).cell.model = "";
    made.score("a", 512, 0.5, 0.4, 0.6).cell.model = name;
    made.score("a", 512, 0.5, 0.4, 0.6).cell.started_at = name;
  }
  std::set<std::string> paths;
  for (const File& file : files(made)) {
    INFO(file.path);
    CHECK(std::count(file.path.begin(), file.path.end(), '/') == 1);
    CHECK_FALSE(file.path.starts_with('/'));
    CHECK_FALSE(file.path.starts_with('.'));
    CHECK(file.path.find('\n') == std::string::npos);
    CHECK(paths.insert(file.path).second);
    CHECK(Json::parse(file.content).is_object());
  }
  CHECK(paths.size() > 30);
}

TEST_CASE("A metric's comma does not become lm-eval's filter") {
  Tiny made;
  made.score("full", 512, 0.5, 0.4, 0.6).measurement.metric = "odd,one";
  const Json root = Json::parse(files(made)[0].content);
  CHECK(root["results"]["find@512"]["odd;one,none"] == 0.5);
}

}  // namespace
}  // namespace longreach::reports
