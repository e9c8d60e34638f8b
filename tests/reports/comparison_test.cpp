// What `compare` found, in every format.
#include "reports/comparison.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "tests/reports/comparisons.h"

using namespace longreach;
using namespace longreach::reports;
using Catch::Matchers::Contains;
using Json = nlohmann::json;

namespace {

template <class Write>
std::string written(const Write& write, const RunComparison& found) {
  std::ostringstream out;
  write(found, out);
  return out.str();
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++found;
  }
  return found;
}

}  // namespace

TEST_CASE("A comparison's table leaves out what all rows share, and says it in words") {
  const ComparisonText table = comparison_text(comparison());
  CHECK(table.constant == "model reader, backend full, task passkey, length 4k, seed 7");
  CHECK(table.keys == 1);
  CHECK(table.head == std::vector<std::string>{"metric", "A", "B", "B - A", "adjusted p", "change",
                                               "n", "detectable"});
  CHECK(table.rows[0] == std::vector<std::string>{"passkey/exact_match", "0.75", "0.5",
                                                  "-0.25 [-0.375, -0.125]", "0.002", "worse", "200",
                                                  "0.0625"});
  CHECK(table.rows[1] ==
        std::vector<std::string>{"latency/decode", "2", "-", "x1.5", "1", "", "-", "-"});
}

TEST_CASE("What is the same within each model of a comparison is said in words too") {
  RunComparison found = comparison();
  CellInfo other = *found.rows[1].base;
  other.model = "writer";
  other.seed = 8;
  found.rows[1].base = found.rows[1].other = std::make_shared<const CellInfo>(other);
  const ComparisonText table = comparison_text(found);
  CHECK(table.constant == "backend full, task passkey, length 4k, seed 7 (reader) 8 (writer)");
  CHECK(table.head[0] == "model");
  // The same model under two seeds needs a column.
  other.model = "reader";
  found.rows[1].base = found.rows[1].other = std::make_shared<const CellInfo>(other);
  CHECK(comparison_text(found).head[0] == "seed");
}

TEST_CASE("Of more runs than two each row names its own") {
  RunComparison found = comparison();
  found.runs.push_back(found.runs[1]);
  found.rows[1].run = "C";
  const ComparisonText table = comparison_text(found);
  CHECK(table.head[0] == "run");
  CHECK(table.rows[1][0] == "C");
  CHECK(table.head[3] == "other");
}

TEST_CASE("A comparison in Markdown is one table whatever its names hold") {
  CHECK(written(write_comparison_markdown, comparison()) ==
        "- A: `runs/base` (`study`; `0.1.0`)\n"
        "- B: `full` (`full`; `full`)\n"
        "\n"
        "**1 regression, 0 improvements, 1 without a significant difference beyond the "
        "threshold**\n"
        "\n"
        "`model reader, backend full, task passkey, length 4k, seed 7`\n"
        "\n"
        "| metric | A | B | B - A | adjusted p | change | n | detectable |\n"
        "| --- | --: | --: | --: | --: | --- | --: | --: |\n"
        "| **`passkey/exact_match`** | **0.75** | **0.5** | "
        "**-0.25 [-0.375, -0.125]** | **0.002** | **worse** | **200** | **0.0625** |\n"
        "| `latency/decode` | 2 | - | x1.5 | 1 |  | - | - |\n"
        "\n"
        "95% intervals; p by Holm over 2 tests; detectable: smallest true difference found 80% of "
        "the time by one test. Bold: significant.\n"
        "\n"
        "Not compared, only in A (2):\n\n- `full 1`\n- `two`\n"
        "\n"
        "Not compared, oom in B (1):\n\n- `one`\n"
        "\n"
        "3 more scores of these tasks not asked for (--all).\n"
        "\n"
        "1 row of parts of scores (depth, distance, kind, layer) not compared (--depths: each "
        "depth).\n");
  const std::string hostile = written(write_comparison_markdown, comparison(kHostile));
  // A fence longer than any run of backticks within.
  CHECK_THAT(hostile, Contains("- B: ``<script>alert(1)</script>|`x`\"' ,&`` ("));
  CHECK(count(hostile, "\n|") == 4);
}

TEST_CASE("A comparison's page is inert, stands alone and needs no script") {
  const std::string page = written(write_comparison_html, comparison(kHostile));
  CHECK_THAT(page, Contains("default-src 'none'; style-src 'unsafe-inline'") &&
                       Contains("&lt;script&gt;alert(1)") && Contains("class=\"banner warn\""));
  CHECK_THAT(page, !Contains("<script") && !Contains("{{"));
  CHECK_FALSE(std::regex_search(page, std::regex("(src|href)=|@import|url\\(")));
  CHECK(count(page, "<svg") == 2);
  CHECK(count(page, "<strong>") == 8);  // every cell of the significant row alone
  CHECK_THAT(page, !Contains("nan") && !Contains("inf,"));
  for (const std::string tag : {"table", "section", "tr", "td", "details", "main", "svg"}) {
    INFO(tag);
    CHECK(count(page, "<" + tag + ">") + count(page, "<" + tag + " ") ==
          count(page, "</" + tag + ">"));
  }
}

TEST_CASE("A comparison's CSV and JSON have one schema, and null for what is absent") {
  const std::string csv = written(write_comparison_csv, comparison());
  const std::string head = csv.substr(0, csv.find('\n'));
  std::string keys;
  const Json json = Json::parse(written(write_comparison_json, comparison(kHostile)));
  CHECK(json["rows"][0]["backend"] == kHostile);
  CHECK(json["rows"][1]["value"].is_null());
  CHECK(json["rows"][1]["effect_kind"] == "ratio");
  CHECK(json["rows"][0]["effect"] == -0.25);
  CHECK(json["not_compared"].size() == 3);
  CHECK(json["version"] == 1);
  const auto ordered = nlohmann::ordered_json::parse(written(write_comparison_json, comparison()));
  for (const auto& [key, value] : ordered["rows"][0].items()) {
    keys += (keys.empty() ? "" : ",") + key;
  }
  CHECK(head == keys);
  CHECK_THAT(csv,
             Contains("\nB,reader,full,full,passkey,,,,4096,,7,,passkey/exact_match,,true,0.75,"
                      "0.5,difference,-0.25,-0.375,-0.125,,200,0.001,0.002,0.0625,1%,true,"
                      "regression\n"));
}

TEST_CASE("Names that are not UTF-8 do not break a comparison's JSON") {
  CHECK(Json::accept(written(write_comparison_json, comparison("\xff\xfe"))));
}
