// Running cells: limits, interrupts, two runs at once, and what the activity check catches.
#include "harness/runner.h"

#include <catch2/catch.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "attention/backend.h"
#include "command.h"
#include "core/error.h"
#include "experiment.h"
#include "harness/cell.h"
#include "model/scoring.h"

using namespace longreach;
using namespace longreach::tests;
using Catch::Matchers::Contains;

namespace {

/// Claims one key too many scored in each call.
class Boastful final : public attention::Backend {
 public:
  explicit Boastful(std::shared_ptr<const attention::Backend> inner) : inner_(std::move(inner)) {}
  const attention::Shape& shape() const override { return inner_->shape(); }
  attention::State initial_state(i64 batch, i64 capacity) const override {
    return inner_->initial_state(batch, capacity);
  }
  i64 state_bytes(i64 capacity) const override { return inner_->state_bytes(capacity); }
  void forward(std::span<const float> weights, const attention::Chunk& in, attention::State& state,
               View<float, 4> out, attention::Tape* tape) const override {
    inner_->forward(weights, in, state, out, tape);
    ++state.activity.keys_scored;
  }
  void backward(std::span<const float> weights, const attention::Chunk& in,
                const attention::Tape& tape, View<const float, 4> d_out, attention::State& d_state,
                const attention::ChunkGrad& grad, std::span<float> d_weights) const override {
    inner_->backward(weights, in, tape, d_out, d_state, grad, d_weights);
  }
  attention::Cost cost(i64 position, i64 tokens) const override {
    return inner_->cost(position, tokens);
  }
  std::vector<double> reference(std::span<const double> weights,
                                const attention::ReferenceStream& in) const override {
    return inner_->reference(weights, in);
  }

 private:
  std::shared_ptr<const attention::Backend> inner_;
};

std::shared_ptr<const attention::Backend> full_backend(const attention::Shape& shape) {
  std::shared_ptr<const attention::Backend> made;
  harness::visit_params("", [&](Fields& reader) {
    made = attention::AttentionRegistry::instance().find("full").make(reader, shape);
  });
  return made;
}

/// Runs an experiment of these parts into folder/out.
Run run(const TempFolder& folder, const Parts& parts, const std::string& more) {
  write_file(folder / "c.yaml", parts.yaml());
  return run_command("run " + folder / "c.yaml" + " --threads 1 --output " + folder / "out" + " " +
                     more);
}

}  // namespace

TEST_CASE("The activity check passes an honest backend and names the layer of another") {
  model::Architecture architecture;
  architecture.layers = 2;
  architecture.width = 16;
  architecture.heads = 2;
  architecture = architecture.resolved();
  const auto honest = full_backend(architecture.attention_shape());
  const auto boastful = std::make_shared<Boastful>(honest);
  const auto checked = [&](const std::shared_ptr<const attention::Backend>& second) {
    const model::Transformer model(architecture, {honest, second}, Rng(1));
    const std::vector<Token> tokens(8);
    model::StreamState state = model.initial_state(1, 16);
    model::prefill(model, View<const Token, 2>(tokens.data(), {1, 8}), state);
    return harness::check_activity(model, 16);
  };
  CHECK(checked(honest) == "");
  // 1 + 2 + ... + 8 = 36 keys
  CHECK_THAT(checked(boastful), Contains("layer 1 did 37 keys scored where it declared 36") &&
                                    Contains("the call for tokens 0 to 7"));
}

TEST_CASE("A cell over its time is stopped, and what needs it is skipped with the reason") {
  const TempFolder folder;
  const Run result = run(folder, {},
                         "--set limits.time_per_cell=1 --set models.reader.train.steps=10000000 "
                         "--backends full --tasks perplexity --lengths 64");
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.out, Contains("timeout") && Contains("ran longer than 1.0s") &&
                             Contains("skipped") && Contains("did not succeed"));
}

TEST_CASE("A cell over its memory is marked so, and the program goes on") {
  const TempFolder folder;
  const Run result = run(folder, {},
                         "--set limits.memory=400MiB --set "
                         "models.reader.train.batch_tokens=4M --backends full --tasks "
                         "perplexity --lengths 64");
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.out, Contains("oom"));
}

TEST_CASE("An interrupted run says how to go on, and going on does only what is left") {
  const TempFolder folder;
  write_file(folder / "c.yaml", Parts{}.yaml());
  const std::string common = "run " + folder / "c.yaml" + " --threads 1 --output " + folder / "out";
  REQUIRE(run_command(common + " --limit 2").exit_code == 0);
  const std::string endless = common + " --set models.reader.train.steps=10000000";
  run_command("list >/dev/null; " LONGREACH_BINARY_DIR "/longreach " + endless + " 2>" +
              folder / "stopped" + " & run=$!; sleep 1; kill -TERM $run; wait $run; echo $? >" +
              folder / "code" + "; true");
  CHECK(read_file(folder / "code") == "130\n");
  CHECK_THAT(read_file(folder / "stopped"),
             Contains("interrupted") && Contains("takes it up again"));
  const Run resumed = run_command(common);
  CHECK(resumed.exit_code == 0);
  CHECK_THAT(resumed.out, Contains("8 cells run, 2 already done, 0 left"));
}

TEST_CASE("Training killed between two checkpoints goes on and ends in the same weights") {
  const TempFolder folder;
  Parts parts;
  parts.backends = "[{infini: {segment: 16}}]";
  write_file(folder / "c.yaml", parts.yaml());
  const std::string train = "train " + folder / "c.yaml" +
                            " --threads 1 --set models.reader.train.steps=200"
                            " --set models.reader.train.checkpoint=0 --output ";
  const Run whole = run_command(train + folder / "whole");
  REQUIRE(whole.exit_code == 0);
  CHECK_THAT(whole.out, Contains("step 200/200  loss ") && Contains("tokens/s  mfu "));
  const std::string cut = folder / "cut";
  run_command("list >/dev/null; " LONGREACH_BINARY_DIR "/longreach " + train + cut + " >" +
              folder / "lines" + " & run=$!; until grep -q 'step 20/' " + folder / "lines" +
              "; do sleep 0.01; done; kill -KILL $run; wait $run; true");
  CHECK_THAT(read_file(folder / "lines"), !Contains("step 200/200"));
  const Run resumed = run_command(train + cut);
  CHECK(resumed.exit_code == 0);
  CHECK_THAT(resumed.out, !Contains("step 1/200"));
  std::vector<std::string> weights;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "whole/models")) {
    weights.push_back(entry.path().filename().string());
  }
  REQUIRE(weights.size() == 1);  // no checkpoint is left
  CHECK(read_file(folder / "whole/models/" + weights[0]) ==
        read_file(folder / "cut/models/" + weights[0]));
}

TEST_CASE("The same seed and build give the same measurements, bit for bit") {
  const TempFolder first, second;
  const auto measured = [](const TempFolder& folder) {
    REQUIRE(run(folder, {}, "--tasks perplexity").exit_code == 0);
    return read_file(folder / "out/samples.jsonl");
  };
  const std::string samples = measured(first);
  CHECK(samples.size() > 100);
  CHECK(samples == measured(second));
}

TEST_CASE("A divergence is that from the baseline's mechanism on the weights of the cell") {
  // The window covers the context of 16 tokens, not that of 64.
  Parts parts;
  parts.backends =
      "[{name: full, full: {}, baseline: true}, {name: window, sliding_window: {window: 16, sinks: "
      "0}, weights_of: full}]";
  parts.lengths = "[16, 64]";
  parts.tasks =
      "[{divergence: {stride: 16, tokens: 512, data: {text: {path: configs/data/harbour.txt, "
      "held_out: 0.4}}}}]";
  const std::string drawn = "[{name: reader, arch: {layers: 1, width: 16, heads: 2}}]";
  for (const std::string& models : {parts.models, drawn}) {
    parts.models = models;
    const TempFolder folder;
    const Run ran = run(folder, parts, "");
    INFO(ran.err);
    REQUIRE(ran.exit_code == 0);
    std::istringstream lines(read_file(folder / "out/records.jsonl"));
    int seen = 0;
    for (std::string line; std::getline(lines, line);) {
      const auto row = nlohmann::json::parse(line);
      INFO(line);
      if (row["metric"] != "divergence/kl") continue;
      ++seen;
      const bool differs = row["backend"] == "window" && row["context_length"] == 64;
      CHECK((row["value"] > 0) == differs);
      CHECK(row["n"] == 32);
      CHECK(row["protocol"].get<std::string>().ends_with(":against=full"));
    }
    CHECK(seen == 4);
  }
}

TEST_CASE("A model that learns a mix is asked about all of it, and once more about one part") {
  Parts parts;
  parts.models =
      "[{name: m, arch: {layers: 1, width: 16, heads: 2, vocabulary: task}, train: {data: {mix: "
      "[passkey, {recall: {pairs: 4}}]}, steps: 3, length: 96, batch_tokens: 192}}]";
  parts.backends = "[{infini: {segment: 16}}]";
  parts.lengths = "[96]";
  parts.tasks =
      "[{questions: {samples: 12}}, {name: one, questions: {samples: 5, data: {recall: {pairs: "
      "2}}}}]";
  const TempFolder folder;
  const Run ran = run(folder, parts, "");
  INFO(ran.out << ran.err);
  REQUIRE(ran.exit_code == 0);
  std::map<std::string, nlohmann::json> rows;
  std::istringstream records(read_file(folder / "out/records.jsonl"));
  for (std::string line; std::getline(records, line);) {
    const auto row = nlohmann::json::parse(line);
    if (!row["depth"].is_null()) continue;  // passkeys lie at as many depths as there are
    rows[fmt::format("{} {} {}", row["task"].get<std::string>(), row["metric"].get<std::string>(),
                     row["subtask"].get<std::string>())] = row;
  }
  CHECK(rows.at("questions questions/found ")["n"] == 12);
  CHECK(rows.at("questions questions/found kind=passkey")["n"] == 6);
  CHECK(rows.at("questions questions/found kind=recall")["n"] == 6);
  CHECK(rows.at("one questions/found ")["n"] == 5);
  CHECK_FALSE(rows.contains("one questions/found kind=recall"));

  std::map<std::string, int> clusters;
  std::istringstream samples(read_file(folder / "out/samples.jsonl"));
  for (std::string line; std::getline(samples, line);) {
    ++clusters[nlohmann::json::parse(line)["cluster"].get<std::string>()];
  }
  CHECK(clusters[""] == 6);  // of a passkey each
  CHECK(clusters.size() == 1 + 6 + 5);
  CHECK_THAT(run(folder, parts, "").out, Contains("0 cells run, 3 already done"));
}
