// What a script finds on the page as a browser draws it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/reports/drawn.h"

namespace longreach::reports {

using nlohmann::json;

/// Rows of a page of few numbers.
struct Made {
  std::vector<Record> records;
  std::vector<Curve> curves;

  /// Of a cell of its own, whose task is the metric's family.
  Measurement& add(const std::string& backend, const std::string& metric, i64 length,
                   double value) {
    Record& record = records.emplace_back();
    record.cell.cell_id = backend + metric + std::to_string(length);
    record.cell.backend = backend;
    record.cell.model = "reader";
    record.cell.task = metric.substr(0, metric.find('/'));
    record.cell.context_length = length;
    record.cell.seed = 0;
    Measurement& m = record.measurement;
    m.metric = metric;
    m.unit = "1";
    m.value = value;
    m.n = 20;
    return m;
  }
  Results results() const { return {"", "", "{}", "", records, {}, curves}; }
};

/// What the script's `answer` is on the page of these results.
inline json answered(const Results& results, const std::string& script) {
  const std::string document =
      drawn(results, "drawAllCharts(); let result; try { result = (() => {" + script +
                         "return answer; })(); } catch (error) { result = String(error); }"
                         "document.body.append(make('pre', {id: 'answer'}, JSON.stringify(result)"
                         ".replace(/[<>&]/g, (c) => '\\\\u00' + c.charCodeAt(0).toString(16))));");
  const std::string open = "<pre id=\"answer\">";
  const std::size_t begin = document.find(open);
  REQUIRE(begin != std::string::npos);
  const std::size_t end = document.find("</pre>", begin);
  const json answer = json::parse(document.substr(begin + open.size(), end - begin - open.size()));
  INFO(answer);  // what it threw, if anything
  REQUIRE_FALSE(answer.is_string());
  return answer;
}

/// Functions for such scripts.
inline const std::string kTools = R"(
const called = (title) => FIGURES.find((figure) => figure.title === title);
const parsed = (text) => new DOMParser().parseFromString(text, "image/svg+xml");
const textsOf = (svg) => [...svg.querySelectorAll("text")].map((text) => text.textContent);
const shownOf = ({ chart }) => chart.data.datasets.filter((_, i) => chart.isDatasetVisible(i))
  .map(({ label }) => label);
)";

}  // namespace longreach::reports
