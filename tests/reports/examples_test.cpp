// The examples of docs/records.md are run, with pandas and with R, and say what is in the files.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/reports/synthetic.h"
#include "tests/reports/tiny.h"

namespace longreach::reports {
namespace {

namespace fs = std::filesystem;

std::string content(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Names and ids that tools like to take for numbers or nulls, and a field of several lines.
Tiny study() {
  Tiny made = tiny();
  made.score("NA", 512, 0.5, 0.4, 0.6);
  for (Record& record : made.records) {
    record.cell.cell_id = "12e" + std::to_string(&record - made.records.data());
    record.cell.reason += "\nsaid \"no\", and é";
    for (int sample = 0; sample < 4; ++sample) {
      SampleRecord& one = made.samples.emplace_back();
      one.cell_id = record.cell.cell_id;
      one.sample_sha = "00" + std::to_string(sample);
      const bool right = sample == 0 || (record.cell.backend == "full" && sample < 3);
      one.scores = {{"digit_accuracy", 0.5}, {"exact_match", right ? 1.0 : 0.0}};
    }
  }
  made.records[0].measurement.value = 0.1 + 0.2;  // the last bit counts
  return made;
}

/// By hand, of study(). The baseline is right three times of four, the others once.
constexpr const char* kPrinted =
    "NA at 512: 0.500 [0.400, 0.600], n = 200\n"
    "full at 512: 0.300 [0.950, 0.992], n = 200\n"
    "window at 512: 0.200 [0.150, 0.261], n = 200\n"
    "window at 4096: 0.185 [0.137, 0.245], n = 200\n"
    "NA - full at 512: -0.500 over 4 samples\n";

/// What a script prints of study(), or its complaints.
std::string printed(const std::string& interpreter, const std::string& script) {
  std::string folder = (fs::temp_directory_path() / "longreach-XXXXXX").string();
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  const Tiny made = study();
  for (const std::string report : {"csv", "jsonl", "samples"}) {
    const std::string name = report == "samples" ? "samples.jsonl" : "records." + report;
    std::ofstream(folder + "/" + name, std::ios::binary) << written(report, made.results());
  }
  const std::string line = interpreter + " " LONGREACH_SOURCE_DIR "/docs/examples/" + script + " " +
                           folder + " passkey/exact_match NA full >" + folder + "/out 2>" + folder +
                           "/err </dev/null";
  const bool ended_well = std::system(line.c_str()) == 0;
  const std::string told = content(folder + (ended_well ? "/out" : "/err"));
  fs::remove_all(folder);
  return told;
}

TEST_CASE("The pandas example prints what the files have") {
  INFO("Debian's python3-pandas is needed: scripts/bootstrap");
  CHECK(printed("/usr/bin/python3", "records.py") == kPrinted);
}

TEST_CASE("The R example prints what the files have") {
  if (std::system("command -v Rscript >/dev/null") != 0) {
    WARN("TEST SKIPPED: no Rscript; scripts/bootstrap installs it");
    return;
  }
  INFO("Debian's r-cran-jsonlite is needed: scripts/bootstrap");
  CHECK(printed("Rscript --vanilla", "records.R") == kPrinted);
}

TEST_CASE("The excerpts in docs/records.md are of the examples that are run") {
  std::istringstream doc(content(LONGREACH_SOURCE_DIR "/docs/records.md"));
  int excerpts = 0;
  for (std::string line; std::getline(doc, line);) {
    if (line != "```python" && line != "```r") continue;
    const std::string script = content(std::string(LONGREACH_SOURCE_DIR "/docs/examples/records.") +
                                       (line == "```r" ? "R" : "py"));
    std::string excerpt;
    while (std::getline(doc, line) && line != "```") excerpt += line + "\n";
    INFO(excerpt);
    CHECK(script.find(excerpt) != std::string::npos);
    ++excerpts;
  }
  CHECK(excerpts >= 2);
}

}  // namespace
}  // namespace longreach::reports
