// What a cell's process is told is enough to plan the cell again, and only that cell's own inputs.
#include "harness/job.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "command.h"
#include "experiment.h"
#include "harness/cell.h"
#include "harness/json_io.h"

using namespace longreach;
using namespace longreach::tests;
using namespace longreach::harness;
using Catch::Matchers::Contains;
using Json = nlohmann::json;

namespace {

/// Each cell of an experiment arrives under its id, with the columns that it would have had.
void require_arrives(const Experiment& experiment) {
  const std::vector<Cell> plan = make_plan(experiment);
  REQUIRE_FALSE(plan.empty());
  for (const Cell& cell : plan) {
    const Job job = read_job(job_text(experiment, cell));
    REQUIRE(job.cell.id == cell.id);
    CHECK(job.cell.trained == cell.trained);
    CHECK(to_json(cell_info(job.experiment, job.cell)) == to_json(cell_info(experiment, cell)));
  }
}

}  // namespace

TEST_CASE("Every cell of the smoke experiment arrives in its process as it was planned") {
  require_arrives(read_experiment(LONGREACH_SOURCE_DIR "/configs/smoke.yaml", {}));
}

TEST_CASE("A cell arrives with its mix, repetition, grid, budget, weights and limits") {
  Parts parts;
  parts.models =
      "[{name: m, arch: {layers: 2, width: 16, heads: 2, token_shift: 3, vocabulary: task}, train: "
      "{data: {mix: [passkey, {recall: {pairs: 4}}]}, steps: 3, lr: [1e-3, 0.1234567890123], "
      "seeds: "
      "[3, 5], length: 256, shortest: 128, recompute: 64, gates_first: 0.25, spike: 0, "
      "virtual_repetition: {share: 0.5}}}, {name: drawn, arch: {layers: 1, width: 16, heads: 2}}]";
  parts.backends =
      "[{name: full, full: {}, baseline: true}, {name: other, sliding_window: {window: [16, 32]}, "
      "weights_of: full}, {name: filled, adaptive: {segment: 16}, solve: kept, state_bytes: "
      "64KiB}, "
      "{name: hybrid, layers: [{infini: {segment: 16}}, {full: {}}], longest: 256}, {name: one, "
      "infini: {segment: 16}, heads: 1}]";
  parts.lengths = "[256, 512]";
  parts.tasks =
      "[{questions: {model: m, samples: 4}}, {divergence: {model: drawn, backends: [full, other], "
      "stride: 16, tokens: 512, data: {text: {path: configs/data/harbour.txt}}}}, {latency: "
      "{model: "
      "m, backends: [full, hybrid]}}]";
  parts.more = "statistics: {bootstrap: 77, confidence: 0.9}\nlimits: {memory: 1GiB}\nseed: 9\n";
  const Experiment experiment = read(parts);
  require_arrives(experiment);
  const Cell cell = make_plan(experiment)[0];
  const Job job = read_job(job_text(experiment, cell));
  CHECK(job.experiment.limits.memory == i64{1} << 30);
  CHECK(job.experiment.statistics.bootstrap == 77);
  CHECK(job.experiment.models[0].training->spike == 0);
  CHECK(job.experiment.models[0].training->params.recompute == 64);
}

TEST_CASE("A cell whose inputs are not those that it was planned with is refused") {
  const Experiment experiment = read({});
  const Cell cell = make_plan(experiment)[1];
  Json job = Json::parse(job_text(experiment, cell));
  CHECK_NOTHROW(read_job(job.dump()));
  job["seed"] = 4;
  CHECK_THROWS_WITH(read_job(job.dump()), Contains("changed while the run went on"));
  CHECK_THROWS_WITH(read_job(""), Contains("no job for a cell"));
  CHECK_THROWS_WITH(read_job("{}"), Contains("no job for a cell"));

  // A backend that came from a plugin must come from the same one here, where none is loaded.
  Experiment elsewhere = experiment;
  elsewhere.backends[0].layers[0].plugin = "0123";
  const Cell planned = make_plan(elsewhere)[1];
  REQUIRE(planned.id != cell.id);
  CHECK_THROWS_WITH(read_job(job_text(elsewhere, planned)),
                    Contains("changed while the run went on"));
}

TEST_CASE("Data that changed after planning are not measured") {
  const TempFolder folder;
  std::string text = read_file(LONGREACH_SOURCE_DIR "/configs/data/harbour.txt");
  write_file(folder / "text.txt", text);
  Parts parts;
  parts.models = "[{name: reader, arch: {layers: 1, width: 16, heads: 2}}]";
  parts.tasks =
      "[{perplexity: {stride: 32, tokens: 64, data: {text: {path: " + folder / "text.txt" + "}}}}]";
  const Experiment experiment = read(parts);
  const Job job = read_job(job_text(experiment, make_plan(experiment)[0]));
  CHECK(run_cell(job.experiment, job.cell, folder / "out", {}).info.status == Status::ok);
  text[10] = '#';
  write_file(folder / "text.txt", text);
  const Outcome outcome = run_cell(job.experiment, job.cell, folder / "out", {});
  CHECK(outcome.info.status == Status::failed);
  CHECK_THAT(outcome.info.reason, Contains("its data changed while the run went on"));
}
