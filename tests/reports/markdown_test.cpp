// Markdown tables, and that names are inert in them.
#include <catch2/catch.hpp>

#include "tests/reports/synthetic.h"
#include "tests/reports/tiny.h"
#include "tests/settings.h"

namespace longreach::reports {
namespace {

TEST_CASE("Markdown has a table of backends by length with intervals, n and statuses") {
  const Tiny made = tiny();
  CHECK(written("markdown", made.results()) ==
        "# `tiny`\n"
        "\n"
        "By context length in tokens.\n"
        "\n"
        "## `find`, model `reader`: `passkey/exact_match`\n"
        "\n"
        "higher is better; n = 200; intervals: `wilson 0.95`\n"
        "\n"
        "| backend | 512 | 4k |\n"
        "|---|--:|--:|\n"
        "| `full` | 0.980 [0.950, 0.992] | oom |\n"
        "| `window` | 0.200 [0.150, 0.261] | 0.185 [0.137, 0.245] |\n");
}

TEST_CASE("Markdown tells n with each number where they differ, and says what has no value") {
  Tiny made = tiny();
  made.records[3].measurement.n = 40;
  made.records[3].measurement.ci_high = {};
  made.records[2].measurement.value = {};
  const std::string text = written("markdown", made.results());
  CHECK_THAT(text, Catch::Contains("| `full` | 0.980 [0.950, 0.992] (n = 200) | oom |\n"));
  CHECK_THAT(text, Catch::Contains("| `window` | none | 0.185 [0.137, …] (n = 40) |\n"));
}

TEST_CASE("No name leaves its code span or its cell of a Markdown table") {
  for (const std::string& name : hostile_names()) {
    Tiny made = tiny();
    for (Record& record : made.records) record.cell.backend = record.cell.task = name;
    const std::string text = written("markdown", made.results());
    INFO(text);
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with("| `")) continue;
      // Outside the name, which ends with the last tick, the row is as ever.
      const std::string rest = line.substr(line.find_last_of('`') + 1);
      CHECK(std::count(rest.begin(), rest.end(), '|') == 3);
      const std::string cell = line.substr(0, line.find_last_of('`'));
      for (std::size_t at = cell.find('|', 1); at != std::string::npos;
           at = cell.find('|', at + 1)) {
        CHECK(cell[at - 1] == '\\');
      }
    }
  }
}

TEST_CASE("A name of backticks gets a longer fence") {
  Tiny made;
  made.score("``two`` and `", 512, 0.5, 0.4, 0.6);
  CHECK_THAT(written("markdown", made.results()), Catch::Contains("| ``` ``two`` and ` ``` |"));
}

}  // namespace
}  // namespace longreach::reports
