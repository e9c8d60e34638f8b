// A backend that does other than it declares is found out, in training and in measuring.
#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "command.h"
#include "experiment.h"

using namespace longreach;
using namespace longreach::tests;
using Catch::Matchers::Contains;

namespace {

constexpr const char* kLiar = " --plugin " LONGREACH_BINARY_DIR "/plugins/refused/libliar.so";

struct Ran {
  int exit_code;
  std::string out;
  std::vector<nlohmann::json> rows;
};

/// Runs, or trains, `backends` on a model of these parts; rows of one backend alone.
Ran run_with(const Parts& parts, const std::string& backend, const std::string& command = "run ") {
  const TempFolder folder;
  write_file(folder / "c.yaml", parts.yaml());
  const Run ran =
      run_command(command + folder / "c.yaml" + " --threads 1 --output " + folder / "out" + kLiar);
  INFO(ran.err);
  Ran found{ran.exit_code, ran.out, {}};
  std::istringstream lines(read_file(folder / "out/records.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    auto row = nlohmann::json::parse(line);
    if (row["backend"] == backend) found.rows.push_back(std::move(row));
  }
  REQUIRE_FALSE(found.rows.empty());
  return found;
}

Parts drawn(const std::string& backend) {
  Parts parts;
  parts.models = "[{name: reader, arch: {layers: 1, width: 16, heads: 2}}]";
  parts.backends = "[{name: full, full: {}, baseline: true}, {name: liar, " + backend + ": {}}]";
  return parts;
}

}  // namespace

TEST_CASE("A window that attends to all is invalid where contexts reach beyond it, and run exits 3",
          "[plugin]") {
  Parts parts = drawn("lying_window");
  parts.lengths = "[8, 64]";
  parts.tasks = "[memory]";
  const Ran ran = run_with(parts, "liar");
  CHECK(ran.exit_code == 3);
  for (const nlohmann::json& row : ran.rows) {
    INFO(row);
    const bool beyond = row["context_length"] == 64;
    CHECK(row["status"] == (beyond ? "invalid" : "ok"));
    // 64 tokens score 1 + 2 + ... + 64 = 2080 keys; with 16 at most, 136 + 48 x 16 = 904.
    if (beyond) {
      CHECK_THAT(row["reason"].get<std::string>(),
                 Contains("layer 0 did 2080 keys scored where it declared 904"));
    }
  }
}

TEST_CASE("A memory that is never asked makes every metric's cell invalid", "[plugin]") {
  Parts parts = drawn("lying_memory");
  parts.lengths = "[64]";
  parts.tasks =
      "[{latency: {repetitions: 3, decode_tokens: 2, budget: 0}}, {generation: {new_tokens: 4, "
      "samples: 1, data: {text: {path: " LONGREACH_SOURCE_DIR
      "/configs/data/harbour.txt, held_out: 0.4}}}}]";
  const Ran ran = run_with(parts, "liar");
  CHECK(ran.exit_code == 3);
  for (const nlohmann::json& row : ran.rows) {
    INFO(row);
    CHECK(row["status"] == "invalid");
    CHECK_THAT(row["reason"].get<std::string>(), Contains("0 memory reads where it declared"));
  }
}

TEST_CASE("A baseline that does other than it declares makes its comparisons invalid", "[plugin]") {
  Parts parts = drawn("sliding_window");
  parts.backends =
      "[{name: liar, lying_window: {}, baseline: true}, {name: window, sliding_window: {window: "
      "8}}]";
  parts.lengths = "[64]";
  parts.tasks = "[{divergence: {stride: 16, tokens: 64, data: {text: {path: " LONGREACH_SOURCE_DIR
                "/configs/data/harbour.txt, "
                "held_out: 0.4}}}}]";
  const Ran ran = run_with(parts, "window");
  CHECK(ran.exit_code == 3);
  for (const nlohmann::json& row : ran.rows) {
    CHECK(row["status"] == "invalid");
    CHECK_THAT(row["reason"].get<std::string>(), Contains("the baseline's layer 0 did"));
  }
}

TEST_CASE("Weights trained by a backend that does other than it declares are not used",
          "[plugin]") {
  Parts parts;
  parts.backends = "[{name: full, full: {}, baseline: true}, {name: liar, lying_memory: {}}]";
  parts.lengths = "[64]";
  parts.tasks = "[memory]";
  const Ran ran = run_with(parts, "liar");
  CHECK(ran.exit_code == 3);
  for (const nlohmann::json& row : ran.rows) {
    INFO(row);
    const bool trained = row["task"] == "training";
    CHECK(row["status"] == (trained ? "invalid" : "skipped"));
    CHECK_THAT(row["reason"].get<std::string>(),
               Contains(trained ? "where it declared" : "did not succeed"));
  }
  CHECK(ran.rows.size() > 1);
  CHECK(run_with(parts, "liar", "train ").exit_code == 3);
}
