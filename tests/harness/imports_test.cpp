// Imported models in experiments: what they bring along, and what is wrong with them.
#include "harness/imports.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "harness/assemble.h"
#include "harness/cell.h"
#include "harness/job.h"
#include "harness/plan.h"
#include "tests/harness/command.h"
#include "tests/harness/experiment.h"
#include "tests/model/checkpoints.h"

using namespace longreach;
using namespace longreach::harness;
using namespace longreach::tests;
using Catch::Matchers::Contains;

namespace {

/// Of bytes, so that it needs no tokenizer of its own.
model::Transformer byte_model() {
  model::Architecture architecture = model::llama(true);
  architecture.vocabulary = 256;
  return model::random_model(architecture, {});
}

/// A folder with a llama2.c checkpoint, and an experiment that imports it.
struct Imported {
  Imported() : model(byte_model()) { write(); }
  void write() const {
    model::write_bytes(folder / "model.bin", model::llama2c_bytes(model, 0, 96));
  }
  Parts parts(const std::string& train = "") const {
    Parts parts;
    parts.models = fmt::format("[{{name: story, import: {{path: {}, tokenizer: bytes}}{}}}]",
                               folder / "model.bin", train);
    parts.tasks =
        "[{perplexity: {stride: 32, tokens: 64, data: {text: {path: configs/data/harbour.txt, "
        "held_out: 0.4}}}}]";
    return parts;
  }
  TempFolder folder;
  model::Transformer model;
};

const std::string kTrainGates =
    ", train: {from: imported, train_only: gates, data: {text: {path: configs/data/harbour.txt, "
    "held_out: 0.4}}, steps: 3, length: 64, lr: 0.1, batch_tokens: 128}";

std::string params_of(const Experiment& experiment, std::size_t backend) {
  return with_positions_of(experiment.models[0], experiment.backends[backend]).params();
}

/// What reading it says is wrong; "" when nothing is.
std::string wrong(const Parts& parts) {
  try {
    read(parts);
    return "";
  } catch (const Error& problem) {
    return problem.what();
  }
}

}  // namespace

TEST_CASE("An imported model has the architecture, the positions and the weights of its file") {
  const Imported imported;
  const Experiment experiment = read(imported.parts());
  const ModelChoice& choice = experiment.models[0];
  CHECK(canonical(choice.architecture) == canonical(imported.model.architecture()));
  CHECK_THAT(params_of(experiment, 0), Contains("pairing: interleaved"));
  const model::Transformer made = make_model(choice, experiment.backends[0], 5);
  REQUIRE(made.weights().size() == imported.model.weights().size());
  CHECK(std::ranges::equal(made.weights(), imported.model.weights()));
}

TEST_CASE("What a configuration says of positions wins over the model's own") {
  const Imported imported;
  Parts parts = imported.parts();
  parts.backends =
      "[{name: full, full: {rope: {theta: 500}}}, {name: none, full: {rope: none}}, {name: yarn, "
      "full: {rope: {scaling: yarn, factor: 2}}}, {name: infini, infini: {segment: 16}}, {name: "
      "linear, linear: {}}]";
  const Experiment experiment = read(parts);
  CHECK_THAT(params_of(experiment, 0), Contains("theta: 500, pairing: interleaved"));
  CHECK_THAT(params_of(experiment, 1), Contains("rope: none"));
  // Scaling wants to know how long the contexts of the training were: the file says 96.
  CHECK_THAT(params_of(experiment, 2), Contains("scaling: yarn, factor: 2, original_length: 96"));
  CHECK_THAT(params_of(experiment, 3), Contains("pairing: interleaved"));
  CHECK_THAT(params_of(experiment, 4), Contains("rope: none"));
}

TEST_CASE("Other weights in the same file make other cells") {
  Imported imported;
  const std::string before = make_plan(read(imported.parts()))[0].id;
  CHECK(make_plan(read(imported.parts()))[0].id == before);
  imported.model.weights()[3] += 1;
  imported.write();
  CHECK(make_plan(read(imported.parts()))[0].id != before);
}

TEST_CASE("A cell's process hashes an import again only when its file is not the one it was") {
  Imported imported;
  const Experiment experiment = read(imported.parts());
  const Cell cell = make_plan(experiment)[0];
  nlohmann::json job = nlohmann::json::parse(job_text(experiment, cell));
  CHECK(read_job(job.dump()).cell.id == cell.id);
  job["model"]["import"]["sha"] = std::string(64, '0');  // believed, so that nothing was hashed
  CHECK_THROWS_WITH(read_job(job.dump()), Contains("changed while the run went on"));
  imported.write();  // the same bytes at another time: hashed, and found to be the same
  CHECK(read_job(job.dump()).cell.id == cell.id);
  imported.model.weights()[0] += 1;
  imported.write();
  CHECK_THROWS_WITH(read_job(job_text(experiment, cell)),
                    Contains("changed while the run went on"));
}

TEST_CASE("Training only the gates of an import moves nothing else, and is held to its start") {
  const Imported imported;
  Parts parts = imported.parts(kTrainGates);
  parts.backends = "[{name: infini, infini: {segment: 16}}]";
  const Experiment experiment = read(parts);
  const std::vector<Cell> plan = make_plan(experiment);
  REQUIRE(plan[0].kind == CellKind::train);
  const Outcome outcome =
      run_cell(experiment, plan[0], imported.folder / "out", {}, model::Processes::alone());
  INFO(outcome.info.reason);
  REQUIRE(outcome.info.status == Status::ok);
  const auto measured = [&](const std::string& name) {
    for (const Measurement& m : outcome.findings.measurements) {
      if (m.metric == name) return *m.value;
    }
    FAIL("no " + name);
    return 0.0;
  };
  CHECK(measured("training/gate_travel") > 0.01);
  CHECK(measured("training/held_out") < measured("training/held_out_before"));

  const model::TensorFile file =
      model::read_safetensors(weights_path(imported.folder / "out", plan[0].id));
  for (const model::Parameter& parameter : imported.model.parameters()) {
    INFO(parameter.name);
    const Tensor* trained = file.find(parameter.name);
    REQUIRE(trained != nullptr);
    CHECK(std::ranges::equal(trained->flat(), model::values_of(imported.model, parameter.name)));
  }
}

TEST_CASE("Gates first: for that share of the steps all other weights stay as imported") {
  const Imported imported;
  const auto changed = [&](const std::string& share) {
    std::string train = kTrainGates;
    train.replace(train.find("train_only: gates"), 17, "gates_first: " + share);
    Parts parts = imported.parts(train);
    parts.backends = "[{name: infini, infini: {segment: 16}}]";
    const Experiment experiment = read(parts);
    const Cell cell = make_plan(experiment)[0];
    const std::string out = imported.folder / ("first" + share);
    REQUIRE(run_cell(experiment, cell, out, {}, model::Processes::alone()).info.status ==
            Status::ok);
    const model::TensorFile file = model::read_safetensors(weights_path(out, cell.id));
    const Tensor* trained = file.find("norm");
    return !std::ranges::equal(trained->flat(), model::values_of(imported.model, "norm"));
  };
  CHECK_FALSE(changed("1"));
  CHECK(changed("0.5"));
}

TEST_CASE("Rows that pad an embedding stand for no text, and the model's own endings end one") {
  const TempFolder folder;
  model::Architecture architecture = model::llama(true);
  architecture.vocabulary = 300;  // of 256 bytes
  const model::Transformer model = model::random_model(architecture, {});
  const std::filesystem::path place = folder / "model";
  std::filesystem::create_directories(place);
  model::write_hugging_face(model, place);
  nlohmann::json config = model::hugging_face_config(model.architecture(), "llama", 10000);
  config["eos_token_id"] = {10, 7};
  model::write_bytes((place / "config.json").string(), config.dump());
  Parts parts;
  parts.models =
      fmt::format("[{{name: padded, import: {{path: {}, tokenizer: bytes}}}}]", place.string());
  parts.tasks = "[memory]";
  const Experiment experiment = read(parts);
  const auto tokenizer = make_tokenizer(experiment.models[0]);
  CHECK(tokenizer->vocabulary_size() == 300);
  CHECK(tokenizer->decode(std::vector<Token>{'a', 299, 256, 'b'}) == "ab");
  CHECK_THROWS_AS(tokenizer->decode(std::vector<Token>{300}), Error);
  CHECK(tokenizer->endings() == std::vector<Token>{10, 7});
}

TEST_CASE("A training of an import that is interrupted ends where it would have, from one start") {
  const Imported imported;
  std::string train = kTrainGates;
  train.replace(train.find("train_only: gates"), 17, "gates_first: 0.4, checkpoint: 0");
  Parts parts = imported.parts(train);
  parts.backends = "[{name: infini, infini: {segment: 16}}]";
  const Experiment experiment = read(parts);
  const Cell cell = make_plan(experiment)[0];
  const auto trained = [&](const std::string& out, i64 stop_after) {
    i64 steps = 0;
    TrainingWatch watch;
    watch.step = [&](const StepLine&) { ++steps; };
    watch.stop = [&] { return steps == stop_after; };
    try {
      run_cell(experiment, cell, out, watch, model::Processes::alone());
      FAIL("was not interrupted");
    } catch (const Interrupted&) {
    }
    return run_cell(experiment, cell, out, {}, model::Processes::alone());
  };
  const std::string whole = imported.folder / "whole", cut = imported.folder / "cut";
  const Outcome one = run_cell(experiment, cell, whole, {}, model::Processes::alone());
  const Outcome two = trained(cut, 2);
  INFO(two.info.reason);
  CHECK(two.info.weights_sha == one.info.weights_sha);
  const auto before = [](const Outcome& outcome) {
    for (const Measurement& m : outcome.findings.measurements) {
      if (m.metric == "training/held_out_before") return m.value;
    }
    return std::optional<double>();
  };
  REQUIRE(before(one));
  CHECK(before(two) == before(one));
}

TEST_CASE("What cannot be imported as asked is said before anything runs") {
  const Imported imported;
  Parts parts = imported.parts();
  const std::string path = imported.folder / "model.bin";
  parts.models = "[{name: story, import: {path: nowhere.bin, tokenizer: bytes}}]";
  CHECK_THAT(wrong(parts), Contains("import.path: 'nowhere.bin': no such file"));
  parts.models = fmt::format("[{{name: story, import: {}}}]", path);
  CHECK_THAT(wrong(parts), Contains("needs tokenizer"));
  parts.models = "[{name: story, import: {tokenizer: bytes}}]";
  CHECK_THAT(wrong(parts), Contains("needs path"));
  parts.models = fmt::format(
      "[{{name: story, arch: {{width: 64}}, import: {{path: {}, tokenizer: bytes}}}}]", path);
  CHECK_THAT(wrong(parts), Contains("has the architecture of its file"));
  parts.models =
      "[{name: story, arch: {width: 16, heads: 2}, train: {from: imported, data: {text: {path: "
      "configs/data/harbour.txt}}}}]";
  CHECK_THAT(wrong(parts), Contains("the model has no import"));

  std::string none_held_out = kTrainGates;
  none_held_out.replace(none_held_out.find("held_out: 0.4"), 13, "held_out: 0.0");
  CHECK_THAT(wrong(imported.parts(none_held_out)), Contains("no held-out sample of 64 tokens"));

  parts = imported.parts();
  parts.backends = "[{name: full, heads: 2, full: {}}]";
  CHECK_THAT(wrong(parts), Contains("its weights are imported"));
  CHECK_THAT(wrong(imported.parts(kTrainGates)), Contains("has no weights of its own"));

  model::Architecture small = model::llama(true);  // of 19 tokens, fewer than there are bytes
  model::write_bytes(path, model::llama2c_bytes(model::random_model(small, {}), 0, 96));
  CHECK_THAT(wrong(imported.parts()), Contains("they do not belong together"));
  model::write_bytes(path, "short");
  CHECK_THAT(wrong(imported.parts()), Contains("model.bin"));
}
