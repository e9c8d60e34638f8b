// configs/smoke.yaml from end to end: every backend and metric, then the records.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "command.h"
#include "harness/equality.h"
#include "harness/store.h"

using namespace longreach;
using namespace longreach::tests;
using Json = nlohmann::json;

namespace {

std::vector<Json> lines(const std::string& path) {
  std::vector<Json> out;
  std::istringstream text(read_file(path));
  for (std::string line; std::getline(text, line);) out.push_back(Json::parse(line));
  return out;
}

/// Metrics that are estimates: an interval belongs to each.
bool estimated(const std::string& metric) {
  return metric.starts_with("perplexity/") || metric.starts_with("passkey/exact_match") ||
         metric.starts_with("passkey/rank") || metric == "divergence/kl" ||
         metric == "divergence/same_top" || metric.starts_with("generation/") ||
         metric.starts_with("mutual_information/") || metric.starts_with("coherence/") ||
         metric.starts_with("relevance/") || metric == "utilization/efficiency" ||
         metric == "latency/prefill" || metric == "latency/decode";
}

/// Lengths and distances up to which something holds.
bool reach(const std::string& metric) {
  return metric.ends_with("/effective_length") || metric.find("/horizon") != std::string::npos;
}

}  // namespace

TEST_CASE("The smoke experiment gives every backend and metric a whole row, and the same again") {
  const TempFolder folder;
  const std::string command = "run configs/smoke.yaml --output " + folder / "out";
  const Run first = run_command(command);
  INFO(first.err);
  REQUIRE(first.exit_code == 0);

  const std::vector<Json> records = lines(folder / "out/records.jsonl");
  std::set<std::string> backends, metrics, reaches;
  for (const Json& row : records) {
    INFO(row.dump());
    CHECK(row["status"] == "ok");
    const std::string metric = row["metric"];
    CHECK(row["context_length"].is_number());
    // Not every machine counts its energy, and shares of a help that context is not yet to models
    // trained so little have no value.
    const std::string method = row["ci_method"];
    if (method == "not exposed by this machine") {
      CHECK(metric.ends_with("_energy"));
      CHECK(row["value"].is_null());
      continue;
    }
    CHECK(row["n"].is_number());
    if (reach(metric)) {  // these models have none, and say so
      CHECK((row["value"].is_number() || method.size() > 60));
      reaches.insert(metric);
      continue;
    }
    CHECK(row["value"].is_number() != method.starts_with("no value:"));
    if (estimated(metric) && !metric.ends_with("_difference")) {
      REQUIRE(row["ci_low"].is_number());
      CHECK(row["ci_low"] <= row["value"]);
      CHECK(row["value"] <= row["ci_high"]);
      CHECK_FALSE(row["ci_method"].get<std::string>().empty());
    }
    if (metric.starts_with("perplexity/")) {
      CHECK(row["protocol"].get<std::string>().starts_with("ppl/1:ctx="));
    }
    backends.insert(row["backend"]);
    metrics.insert(metric.substr(0, metric.find('/')));
  }
  CHECK(backends == std::set<std::string>{"full", "window", "short", "infini update=linear",
                                          "infini update=delta", "gated_delta", "hierarchical",
                                          "adaptive", "block_topk", "compress_select", "hybrid"});
  CHECK(metrics == std::set<std::string>{"training", "perplexity", "divergence", "generation",
                                         "passkey", "utilization", "ablation", "mutual_information",
                                         "coherence", "relevance", "latency", "memory"});
  CHECK(reaches.contains("passkey/exact_match/effective_length"));
  CHECK(reaches.contains("passkey/exact_match/horizon"));
  CHECK(reaches.contains("passkey/exact_match/horizon_compressions"));
  for (const char* file : {"records.csv", "samples.jsonl", "report.html", "manifest.json"}) {
    INFO(file);
    CHECK(std::filesystem::file_size(folder / (std::string("out/") + file)) > 100);
  }

  const Run second = run_command(command);
  CHECK(second.exit_code == 0);
  CHECK(second.out.find("0 cells run, 189 already done") != std::string::npos);
  CHECK(lines(folder / "out/records.jsonl") == records);

  // Done again from its manifest, it finds the same to the bit, whatever the metric.
  const Run again =
      run_command("run --from " + folder / "out/manifest.json" + " --output " + folder / "again");
  INFO(again.err);
  REQUIRE(again.exit_code == 0);
  using harness::Store;
  CHECK(harness::equal_but_for_times(Store(folder / "out", Store::Open::existing).read(),
                                     Store(folder / "again", Store::Open::existing).read()) == "");
}
