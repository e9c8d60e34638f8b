// What cells are predicted to take, where arithmetic says it.
#include "harness/predict.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <sstream>

#include "command.h"
#include "experiment.h"
#include "harness/assemble.h"
#include "harness/plan_table.h"

using namespace longreach;
using namespace longreach::harness;
using namespace longreach::tests;
using Catch::Matchers::Contains;

namespace {

constexpr i64 kRoomy = i64{1} << 40;

/// One layer without training; full attention is the first backend.
Parts drawn(const std::string& lengths, const std::string& tasks) {
  Parts parts;
  parts.models = "[{name: reader, arch: {layers: 1, width: 16, heads: 2}}]";
  parts.lengths = lengths;
  parts.tasks = tasks;
  return parts;
}

const Cell& first(const std::vector<Cell>& plan, CellKind kind) {
  return *std::ranges::find(plan, kind, &Cell::kind);
}

std::vector<nlohmann::json> rows_of(const std::string& path) {
  std::vector<nlohmann::json> rows;
  std::istringstream lines(read_file(path));
  for (std::string line; std::getline(lines, line);) rows.push_back(nlohmann::json::parse(line));
  return rows;
}

/// What reading a cell's tokens takes, in chunks.
double forward_seconds(const Experiment& experiment, const Cell& cell) {
  const model::Transformer model =
      make_model(experiment.models[cell.model], experiment.backends[cell.backend], 0);
  model::StreamState state = model.initial_state(1, *cell.length);
  const std::vector<Token> tokens(static_cast<std::size_t>(*cell.length));
  const View<const Token, 2> all(tokens.data(), {1, *cell.length});
  const auto start = std::chrono::steady_clock::now();
  for (i64 t = 0; t < *cell.length; t += 512) {
    model.forward(all.slice(1, t, 512), state, View<float, 3>(nullptr, {1, 0, 256}), nullptr);
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

TEST_CASE("One reading of the context has the model's FLOP, weights and state") {
  const Experiment experiment = read(drawn("[128]", "[memory]"));
  const std::vector<Cell> plan = make_plan(experiment);
  Predictor predictor(experiment, assumed_overhead());
  const Prediction predicted = predictor.of(plan.front());
  CHECK(predicted.tokens == 128);
  // Width 16, hidden 48: 4 x 16 x 16 + 3 x 48 x 16 products a token, no logits wanted.
  const double products = 2.0 * 128 * (4 * 16 * 16 + 3 * 48 * 16);
  // 128 x 129 / 2 pairs of 2 heads of 8, 4 x 8 + 1 each.
  const double pairs = 128.0 * 129 / 2 * 2 * (4 * 8 + 1);
  CHECK(predicted.flops == Approx(products + pairs).epsilon(0.05));  // softmax's divisions
  const model::Transformer model = make_model(experiment.models[0], experiment.backends[0], 0);
  const i64 weights = static_cast<i64>(model.weights().size_bytes());
  CHECK(predicted.least_bytes ==
        assumed_overhead().bytes + weights + 128 * 2 * 16 * static_cast<i64>(sizeof(float)));
  CHECK(predicted.bytes >= predicted.least_bytes);
}

TEST_CASE("A metric of text is predicted to read its blocks, and some of them in full") {
  // 128 targets in blocks of 32 are 4 blocks, all of which are scored in full as well.
  const Experiment experiment =
      read(drawn("[64, 128]",
                 "[{perplexity: {stride: 32, tokens: 128, data: {text: {path: "
                 "configs/data/harbour.txt, held_out: 0.4}}}}]"));
  const std::vector<Cell> plan = make_plan(experiment);
  Predictor predictor(experiment, assumed_overhead());
  CHECK(predictor.of(plan[0]).tokens == 2 * 4 * 64);
  CHECK(predictor.of(plan[1]).tokens == 2 * 4 * 128);
}

TEST_CASE("A training is predicted to read its batches, and 32 pairs of samples in the end") {
  Parts parts;
  parts.models.replace(parts.models.find("steps: 4"), 8, "steps: 50");
  const Experiment experiment = read(parts);
  const std::vector<Cell> plan = make_plan(experiment);
  Predictor predictor(experiment, assumed_overhead());
  const Prediction predicted = predictor.of(first(plan, CellKind::train));
  CHECK(predicted.tokens == 50 * 128 + 2 * 32 * 64);
  const model::Transformer model = make_model(experiment.models[0], experiment.backends[0], 0);
  CHECK(predicted.flops ==
        Approx(3 * 100 * model.cost(0, 64).flops + 64 * model.cost(0, 64).flops));
}

TEST_CASE("Predictions without probes are the same each time, and grow with the length") {
  const Experiment experiment = read(drawn("[64, 1k, 64k]", "[memory, latency]"));
  const std::vector<Cell> plan = make_plan(experiment);
  Predictor once(experiment, assumed_overhead()), again(experiment, assumed_overhead());
  for (const Cell& cell : plan) CHECK(once.of(cell).seconds == again.of(cell).seconds);
  for (std::size_t i = 1; i < 3; ++i) {
    CHECK(once.of(plan[i]).seconds > once.of(plan[i - 1]).seconds);
    CHECK(once.of(plan[i]).bytes > once.of(plan[i - 1]).bytes);
    CHECK(once.of(plan[i]).flops > once.of(plan[i - 1]).flops);
  }
}

TEST_CASE("A cell that cannot fit is refused with the longest length that does") {
  const Experiment experiment = read(drawn("[1k]", "[memory]"));
  const std::vector<Cell> plan = make_plan(experiment);
  Predictor predictor(experiment, assumed_overhead());
  const i64 needed = predictor.of(plan.front()).least_bytes;
  CHECK(predictor.why_not(plan.front(), needed) == "");
  // A token of full attention holds 2 x 16 floats: 24 fewer fit where 24 tokens' bytes are missing.
  CHECK_THAT(predictor.why_not(plan.front(), needed - 24 * 2 * 16 * 4),
             Contains("the longest length that fits is 1000"));
  CHECK_THAT(predictor.why_not(plan.front(), 1024), Contains("no length fits"));
}

TEST_CASE("A plan tells time and memory of each cell, totals, and which cells do not fit") {
  const Experiment experiment = read(drawn("[64, 1k]", "[memory]"));
  const std::vector<Cell> plan = make_plan(experiment);
  Predictor predictor(experiment, assumed_overhead());
  const auto printed = [&](i64 limit, i64 fit) {
    std::ostringstream out;
    CHECK(print_plan(experiment, plan, predictor, limit, out) == fit);
    return out.str();
  };
  // Two backends, 64 and 1024 tokens each: 2176, all of them read once.
  CHECK_THAT(printed(kRoomy, 4), Contains("time") && Contains("memory") &&
                                     Contains("predicted: 2.18k tokens and ") &&
                                     Contains(" at a time"));
  const i64 needed = predictor.of(plan[1]).least_bytes;  // full attention, 1024 tokens
  CHECK_THAT(printed(needed - 1, 3),
             Contains("does not fit, will be skipped: cell " + plan[1].id +
                      " (reader full memory 1024): its weights and states alone"));
}

TEST_CASE("A probed model's predicted time is that of its work, within a factor of four") {
  // Long enough that the machine's other work does not decide: half a second or so.
  const Experiment experiment = read(drawn("[16k]", "[memory]"));
  const std::vector<Cell> plan = make_plan(experiment);
  Overhead overhead = assumed_overhead();
  overhead.seconds = 0;
  // Either may meet a moment in which the machine does something else: a few tries.
  const auto ratio_of = [&](const Cell& cell) {
    Predictor predictor(experiment, overhead);
    predictor.prepare(plan, 0.3);
    return predictor.of(cell).seconds / forward_seconds(experiment, cell);
  };
  for (const Cell& cell : plan) {
    double ratio = ratio_of(cell);
    for (int tries = 1; tries < 6 && (ratio < 0.25 || ratio > 4); ++tries) ratio = ratio_of(cell);
    CAPTURE(experiment.backends[cell.backend].name);
    CHECK(ratio > 0.25);
    CHECK(ratio < 4);
  }
}

TEST_CASE("A run stores what it predicted, and skips with the reason what cannot fit") {
  const TempFolder folder;
  write_file(folder / "c.yaml", drawn("[64, 64M]", "[memory]").yaml());
  const std::string more =
      " --threads 1 --set limits.memory=300MiB --backends full --output " + folder / "out";
  const Run ran = run_command("run " + folder / "c.yaml" + more);
  INFO(ran.out << ran.err);
  CHECK(ran.exit_code == 1);
  bool skipped = false;
  for (const nlohmann::json& row : rows_of(folder / "out/records.jsonl")) {
    INFO(row);
    CHECK(row["predicted_s"] > 0);
    CHECK(row["predicted_bytes"] > 0);
    if (row["context_length"] == 64) {
      CHECK(row["status"] == "ok");
      continue;
    }
    skipped = true;
    CHECK(row["status"] == "skipped");
    CHECK_THAT(row["reason"].get<std::string>(), Contains("the longest length that fits is"));
  }
  CHECK(skipped);
}

TEST_CASE("A plan of which nothing fits is refused") {
  const TempFolder folder;
  write_file(folder / "c.yaml", drawn("[64M]", "[memory]").yaml());
  const Run ran = run_command("plan " + folder / "c.yaml" +
                              " --no-probe --backends full --set limits.memory=300MiB");
  CHECK(ran.exit_code == 2);
  CHECK_THAT(ran.err, Contains("no cell fits in 300 MiB"));
  CHECK_THAT(ran.out, Contains("does not fit, will be skipped"));
}
