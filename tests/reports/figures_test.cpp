// Figures as a browser draws, changes and saves them.
#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/reports/answered.h"

namespace longreach::reports {
namespace {

TEST_CASE("A figure that is saved twice gives the same file") {
  const Synthetic made = synthetic();
  const json answer = answered(made.results(), kTools + R"(
    const answer = FIGURES.slice(0, 8).map((figure) => figureSvg(figure) === figureSvg(figure) && figureSvg(figure).includes("clip-0"));)");
  CHECK(answer == json(std::vector<bool>(answer.size(), true)));
}

TEST_CASE("Every figure and heatmap saves as SVG that is well formed and says its title and key") {
  const Synthetic made = synthetic();
  const json answer = answered(made.results(), kTools + R"(
    document.documentElement.dataset.theme = "dark"; redrawCharts();
    const answer = FIGURES.map((figure) => {
      const text = figureSvg(figure), svg = parsed(text), texts = textsOf(svg);
      return { title: figure.title, whole: svg.querySelector("parsererror") === null &&
          svg.documentElement.localName === "svg",
        named: texts.join(" ").includes(figure.title),
        keys: legendItemsOf(figure).every((label) => texts.includes(label)),
        outside: (text.match(/https?:[^"]*/g) ?? []).filter((url) => !url.includes("www.w3.org")),
        paths: figure.title === "Training loss — reader" ? [...svg.querySelectorAll("path")].filter(
          (path) => (path.getAttribute("d").match(/L/g) ?? []).length > 100 && path.getAttribute("stroke") !== "none").length : 0,
        dark: text.includes("#1a1f26"), scripts: svg.querySelectorAll("script, image, a").length };
    });
    function legendItemsOf(figure) {
      return figure.configure ? legendItems(figure.configure()).map(({ label }) => label) : [];
    })");
  CHECK(answer.size() > 20);
  std::size_t long_paths = 0;
  for (const json& figure : answer) {
    INFO(figure.dump());
    CHECK(figure["whole"] == true);
    CHECK(figure["named"] == true);
    CHECK(figure["keys"] == true);
    CHECK(figure["outside"].empty());
    CHECK(figure["dark"] == false);
    CHECK(figure["scripts"] == 0);
    long_paths += figure["paths"].get<std::size_t>();
  }
  CHECK(long_paths >= 3 * 3);  // a mean and two runs of three backends, lines and not only keys
}

TEST_CASE("A saved heatmap has every cell's value and n, and tells what failed") {
  const Synthetic made = synthetic();
  const json answer = answered(made.results(), kTools + R"(
    const figure = called("Passkey exact match by depth and length");
    const answer = { texts: textsOf(parsed(figureSvg(figure))),
      cells: [...document.querySelectorAll('td.heat strong, td.heat span:not(.tiny)')].map((c) => c.textContent)
};)");
  const auto count = [](const json& texts, const std::string& text) {
    return std::count(texts.begin(), texts.end(), text);
  };
  CHECK(count(answer["texts"], "oom") == 5);    // full at 4096, each depth
  CHECK(count(answer["texts"], "n=20") == 55);  // the other lengths of 3 backends, 5 depths
  CHECK(count(answer["texts"], "tokens →") == 3);
  for (const json& cell : answer["cells"]) CHECK(count(answer["texts"], cell) > 0);
}

TEST_CASE("A hostile backend name is only text in a saved figure") {
  Made made;
  const std::string name = "<script>alert(1)</script>&\x01\"'";
  for (const i64 length : {256, 512}) made.add(name, "recall/accuracy", length, 0.5);
  const json answer = answered(made.results(), kTools + R"(
    const text = figureSvg(called("Recall accuracy")), svg = parsed(text);
    const answer = { whole: svg.querySelector("parsererror") === null, texts: textsOf(svg),
      scripts: svg.querySelectorAll("script").length, name: fileName("../<b>: " + "x".repeat(200)) };)");
  CHECK(answer["whole"] == true);
  CHECK(answer["scripts"] == 0);
  CHECK(std::count(answer["texts"].begin(), answer["texts"].end(),
                   "<script>alert(1)</script>&\xef\xbf\xbd\"'") == 1);
  CHECK(answer["name"] == "b-" + std::string(78, 'x'));
}

TEST_CASE("A series hidden by its button stays hidden in another theme, scale and in the file") {
  const Synthetic made = synthetic();
  const json answer = answered(made.results(), kTools + R"(
    const figure = called("Passkey exact match"), button = figure.buttons.get("window");
    const before = shownOf(figure), pressed = [button.getAttribute("aria-pressed")];
    button.click();
    pressed.push(button.getAttribute("aria-pressed"));
    const after = shownOf(figure);
    setTheme("dark");
    const dark = shownOf(figure);
    button.closest("figure").querySelector(".tools button").click();  // log y
    const log = shownOf(figure), type = figure.chart.options.scales.y.type;
    const texts = textsOf(parsed(figureSvg(figure)));
    filterChanged();  // makes every figure anew
    const anew = called("Passkey exact match");
    draw(anew);
    const filtered = shownOf(anew), still = anew.chart.options.scales.y.type;
    anew.buttons.get("window").click();
    const answer = { before, after, dark, log, type, texts, filtered, still, again: shownOf(anew), pressed };)");
  const json all = {"full", "window", "infini", "chance"}, left = {"full", "infini", "chance"};
  CHECK(answer["before"] == all);
  CHECK(answer["after"] == left);
  CHECK(answer["dark"] == left);
  CHECK(answer["log"] == left);
  CHECK(answer["filtered"] == left);
  CHECK(answer["still"] == "logarithmic");
  CHECK(answer["again"] == all);
  CHECK(answer["type"] == "logarithmic");
  CHECK(answer["pressed"] == json{"true", "false"});
  CHECK(std::count(answer["texts"].begin(), answer["texts"].end(), "infini") > 0);
  CHECK(std::count(answer["texts"].begin(), answer["texts"].end(), "window") == 0);
}

TEST_CASE("Values above 0 have a logarithmic axis to switch to, and others none") {
  Made made;
  for (const i64 length : {256, 512}) {
    Measurement& time = made.add("full", "latency/decode", length, 3);
    time.unit = "ms/token";
    made.add("full", "perplexity/token", length, 8);
    made.add("full", "utilization/gain", length, length > 256 ? 0.1 : 0);
  }
  const json answer = answered(made.results(), kTools + R"(
    const axes = (figure) => Object.fromEntries([...figure.canvas.closest("figure").querySelectorAll(
      ".tools button[aria-pressed]")].map((b) => [b.textContent, b.getAttribute("aria-pressed")]));
    const type = (figure) => figure.chart.options.scales.y.type;
    const time = called("Decode time per token"), types = [type(time)];
    time.canvas.closest("figure").querySelector(".tools button").click();
    types.push(type(time));
    setTheme("dark");
    types.push(type(time));
    const answer = { types, time: axes(time), perplexity: axes(called("Perplexity per token")),
      gain: axes(called("Gain from context")) };)");
  CHECK(answer["types"] == json{"logarithmic", "linear", "linear"});
  CHECK(answer["time"] == json{{"log y", "false"}, {"log x", "true"}});
  CHECK(answer["perplexity"] == json{{"log y", "false"}, {"log x", "true"}});
  CHECK(answer["gain"] == json{{"log x", "true"}});
}

}  // namespace
}  // namespace longreach::reports
