// What figures show beside their points: fits, rings, bands and bars.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <fmt/format.h>

#include "tests/reports/answered.h"

namespace longreach::reports {
namespace {

/// A run of training whose loss is `start` less a tenth a step.
void train(Made& made, const std::string& backend, i64 seed, double lr, double start) {
  Measurement& m = made.add(backend, "training/tokens_per_second", 128, 1000);
  Record& record = made.records.back();
  m.unit = "tokens/s";
  record.cell.seed = seed;
  record.cell.lr = lr;
  record.cell.cell_id += std::to_string(seed) + std::to_string(lr);
  Curve curve{record.cell.cell_id, "training/loss", "tokens", "nats/token", {}, {}, {}};
  for (int step = 0; step < 100; ++step) {
    curve.x.push_back(128.0 * step);
    curve.y.push_back(start - 0.01 * step);
  }
  made.curves.push_back(curve);
}

TEST_CASE("A fitted power has the exponent and Student's interval of least squares on logarithms") {
  Made made;
  // In doublings x = 0, 1, 2, 3 and y = 0, 1, 2, 4: slope 6.5 / 5, squared residuals .3, and so a
  // standard error of sqrt(.3 / 2 / 5), of which Student's t with 2 degrees has 4.3027.
  for (const auto& [length, time] : {std::pair{256, 1.0}, {512, 2.0}, {1024, 4.0}, {2048, 16.0}}) {
    made.add("full", "latency/prefill", length, time).unit = "ms";
    if (length < 2048) made.add("short", "latency/prefill", length, 3 * time).unit = "ms";
    if (length < 1024) made.add("two", "latency/prefill", length, time).unit = "ms";
  }
  const json answer = answered(made.results(), kTools + R"(
    const { caption, chart } = called("Prefill time");
    const fits = chart.data.datasets.filter((d) => d.mute);
    const power = powerLaw(seriesOf(MEASURED.filter((r) => r.backend === "full"))[0].points);
    const answer = { caption, power, student: [2, 20, 21, 30, 100].map(student), fits: fits.map(({ label, data }) => ({ label, data })),
      joined: chart.data.datasets.filter((d) => !d.mute).map((d) => [d.label, d.showLine]) };)");
  CHECK(answer["power"]["exponent"].get<double>() == Approx(1.3));
  const double half = 4.3027 * std::sqrt(0.3 / 2 / 5);
  CHECK(answer["power"]["low"].get<double>() == Approx(1.3 - half));
  CHECK(answer["power"]["high"].get<double>() == Approx(1.3 + half));
  const std::vector<double> exact{4.3027, 2.0860, 2.0796, 2.0423, 1.9840};
  for (std::size_t i = 0; i < exact.size(); ++i) {
    CHECK(answer["student"][i].get<double>() == Approx(exact[i]).margin(0.001));
  }
  const std::string caption = answer["caption"];
  CHECK(caption.find("full 1.30 [0.55, 2.05]") != std::string::npos);
  CHECK(caption.find("short 1.00.") != std::string::npos);  // three lengths: no interval
  CHECK(caption.find("two") == std::string::npos);
  REQUIRE(answer["fits"].size() == 2);
  // The line at x = 0 and x = 3 doublings: 1.75 - 1.3 * 1.5, and 1.3 * 3 above.
  CHECK(answer["fits"][0]["data"][0]["y"].get<double>() == Approx(std::exp2(1.75 - 1.95)));
  CHECK(answer["fits"][0]["data"][1]["y"].get<double>() == Approx(std::exp2(1.75 + 1.95)));
  CHECK(answer["joined"] == json::parse(R"([["full", false], ["short", false], ["two", true]])"));
}

TEST_CASE("Figures of unlike protocols are named by what differs in them, in whole values") {
  Made made;
  for (const auto& [length, pairs] : {std::pair{64, "4+8"}, {128, "4+8+16"}, {256, "4+8+16"}}) {
    made.add("full", "recall/accuracy", length, 0.5).protocol =
        fmt::format("recall/1:ctx={}:pairs={}:values=128", length, pairs);
  }
  const json answer = answered(made.results(), R"(
    const answer = FIGURES.map(({ title }) => title).filter((title) => title.startsWith("Recall"));)");
  CHECK(answer == json{"Recall accuracy — pairs=4+8", "Recall accuracy — pairs=4+8+16"});
}

TEST_CASE("A ring marks the effective length of its own series, with the interval in the tooltip") {
  Made made;
  for (const std::string backend : {"full", "window"}) {
    for (const i64 length : {256, 512, 1024}) {
      made.add(backend, "recall/accuracy", length, 0.5).chance = 0.1;
    }
  }
  Measurement& reach = made.add("window", "recall/accuracy/effective_length", 1024, 512);
  reach.unit = "tokens";
  reach.ci_low = 256;
  reach.ci_high = 1024;
  reach.protocol = "effective_length/1:threshold=0.85:relative:chance=0.1:of=recall/1";
  reach.ci_method = "bootstrap 0.95 over 20 samples; falls below at the next length";
  Measurement& none = made.add("full", "recall/accuracy/effective_length", 1024, 0);
  none.value.reset();
  const json answer = answered(made.results(), kTools + R"(
    const { chart, caption } = called("Recall accuracy"), { datasets } = chart.data;
    const lines = (d, i) => chart.options.plugins.tooltip.callbacks.label(
      { datasetIndex: d, dataIndex: i, dataset: datasets[d], raw: datasets[d].data[i] });
    const answer = { caption, rings: datasets.map((d) => [d.label, d.ring ?? null]), tip: lines(1, 1), other: lines(1, 0),
      chance: datasets[2].data.map(({ y }) => y), ends: datasets.map((d) => d.endLabel ?? null) };)");
  CHECK(answer["rings"] == json::parse(R"([["full", null],
    ["window", {"index": 1, "ends": [256, 1024]}], ["chance", null]])"));
  CHECK(answer["tip"].back() == "effective length 512 [256, 1k] tokens");
  CHECK(answer["other"].back() == "interval –");
  CHECK(answer["tip"][1] == "n = 20");
  CHECK(answer["chance"] == json{0.1, 0.1, 0.1});
  CHECK(answer["ends"] == json{"full", "window", nullptr});
  CHECK(answer["caption"].get<std::string>().find("stays above 0.85 of that at the shortest") !=
        std::string::npos);
}

TEST_CASE("Seeds of one setting are a band around their mean, and no learning rate is left out") {
  Made made;
  for (const i64 seed : {0, 1, 2}) train(made, "full", seed, 1e-3, 3.0 + static_cast<double>(seed));
  train(made, "full", 0, 3e-3, 7);
  const json answer = answered(made.results(), kTools + R"(
    const { chart, caption } = called("Training loss — reader"), { datasets } = chart.data;
    const at = (d) => d.data[d.data.length - 1];
    const answer = { caption, key: legendItems({ data: chart.data }).map(({ label }) => label), mean: at(datasets[0]),
      low: at(datasets[1]).y, high: at(datasets[2]).y, filled: datasets[2].fill,
      runs: datasets.filter((d) => d.label === datasets[0].label && d.mute && d.borderWidth > 0).map((d) => at(d).y),
      tip: curveLines({ raw: at(datasets[0]) }, "nats/token"),
      numbers: [...called("Training loss — reader").canvas.closest("figure").querySelectorAll(
        "tbody tr")].length };)");
  CHECK(answer["key"].size() == 2);  // a learning rate each
  CHECK(answer["mean"]["y"].get<double>() == Approx(4 - 0.99));
  CHECK(answer["low"].get<double>() == Approx(3 - 0.99));
  CHECK(answer["high"].get<double>() == Approx(5 - 0.99));
  CHECK(answer["filled"] == "-1");
  REQUIRE(answer["runs"].size() == 3);
  for (int seed = 0; seed < 3; ++seed) {
    CHECK(answer["runs"][static_cast<std::size_t>(seed)].get<double>() == Approx(3 + seed - 0.99));
  }
  CHECK(answer["tip"][0] == "3.010 nats/token, mean of 3 seeds");
  CHECK(answer["numbers"] == 4);
  const std::string caption = answer["caption"];
  CHECK(caption.find("the mean of 3 seeds") != std::string::npos);
  CHECK(caption.find("2 learning rates") != std::string::npos);
}

TEST_CASE("Memory stacks weights and state at the longest length, and a point at what was held") {
  Made made;
  for (const i64 length : {256, 512}) {
    for (const auto& [backend, state] : {std::pair{"full", 8 * length}, {"window", i64{1024}}}) {
      made.add(backend, "memory/weights", length, 4096).unit = "bytes";
      made.add(backend, "memory/state_declared", length, static_cast<double>(state)).unit = "bytes";
      made.add(backend, "memory/state_held", length, static_cast<double>(state)).unit = "bytes";
    }
  }
  const json answer = answered(made.results(), kTools + R"(
    const { chart } = called("Weights and state at 512 tokens");
    const answer = { xs: chart.data.datasets.map((d) => d.data.map(({ x }) => x)),
      names: chart.data.labels, ends: chart.getDatasetMeta(1).data.map(({ x }) => x),
      points: chart.getDatasetMeta(2).data.map(({ x }) => x), axis: chart.options.scales.y.title.text,
      weights: FIGURES.filter(({ title }) => title === "Weights").length };)");
  CHECK(answer["names"] == json{"full", "window"});
  CHECK(answer["xs"] == json::parse("[[4096, 4096], [4096, 1024], [8192, 5120]]"));
  CHECK(answer["axis"] == "Backend");
  CHECK(answer["weights"] == 0);
  for (std::size_t i = 0; i < 2; ++i) {  // where the stacked bar ends
    CHECK(answer["points"][i].get<double>() == Approx(answer["ends"][i].get<double>()));
  }
}

TEST_CASE("Every axis of every figure has a name") {
  const Synthetic made = synthetic();
  const json answer = answered(made.results(), R"(
    const answer = CHARTS.flatMap(({ title, chart }) => Object.values(chart.options.scales)
      .map((axis) => [title, [axis.title.text].flat().join(" "), axis.title.display]));)");
  CHECK(answer.size() > 40);
  for (const json& axis : answer) {
    INFO(axis.dump());
    CHECK_FALSE(axis[1].get<std::string>().empty());
    CHECK(axis[2] == true);
  }
}

}  // namespace
}  // namespace longreach::reports
