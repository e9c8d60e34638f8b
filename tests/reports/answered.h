// What a script finds on the page as a browser draws it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "tests/reports/drawn.h"

namespace longreach::reports {

using nlohmann::json;

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
