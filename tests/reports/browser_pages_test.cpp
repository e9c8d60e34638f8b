// The pages that tests/browser opens, written to build/<preset>/browser.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/reports/comparisons.h"
#include "tests/reports/synthetic.h"

namespace longreach::reports {
namespace {

void write_page(const std::string& name, const std::string& page) {
  const std::filesystem::path folder = std::filesystem::path(LONGREACH_BINARY_DIR) / "browser";
  std::filesystem::create_directories(folder);
  std::ofstream file(folder / (name + ".html"), std::ios::binary);
  file << page;
  REQUIRE(file.good());
}

void write_page(const std::string& name, const Results& results) {
  write_page(name, written("html", results));
}

/// A row of `like`'s cell.
Measurement& beside(Synthetic& made, const Record& like, const std::string& metric, double value) {
  Record record = like;
  Measurement& m = record.measurement;
  m = {};
  m.metric = metric;
  m.unit = "1";
  m.value = value;
  m.n = 20;
  m.ci_low = value - 0.1;
  m.ci_high = value + 0.1;
  m.ci_method = "bootstrap 0.95 over 20 blocks, 2000 resamples";
  return made.records.emplace_back(std::move(record)).measurement;
}

void add_reach(Synthetic& made, const Record& like) {
  for (const std::string end : {"effective_length", "horizon"}) {
    Measurement& m = beside(made, like, "passkey/exact_match/" + end, 512);
    m.unit = "tokens";
    m.ci_low = 256, m.ci_high = 1024;
  }
  for (const double distance : {90.0, 181.0, 362.0}) {
    beside(made, like, "passkey/exact_match_by_distance", 90 / distance).distance = distance;
  }
}

void add_introspection(Synthetic& made, const Record& like) {
  beside(made, like, "introspection/local_off", 1.5);
  for (int place = 0; place < 6; ++place) {
    beside(made, like, "introspection/sink_mass", 0.1 * place).subtask =
        "layer=" + std::to_string(place / 3) + ":head=" + std::to_string(place % 3);
  }
}

/// Something for every section of the page.
Synthetic complete() {
  Synthetic made = synthetic();
  const std::vector<Record> measured = made.records;
  for (const Record& r : measured) {
    const Measurement& m = r.measurement;
    if (r.cell.context_length != 2048 || m.depth || !m.subtask.empty()) continue;
    if (m.metric == "passkey/exact_match") {
      add_reach(made, r);
      beside(made, r, "passkey/exact_match", *m.value).subtask = "age=1";
      beside(made, r, "passkey/exact_match", *m.value / 2).subtask = "age=2-3";
    }
    if (m.metric == "utilization/gain") add_introspection(made, r);
  }
  for (Record& r : made.records) {
    if (r.cell.status != Status::ok) continue;
    r.cell.predicted_s = 4;
    r.cell.predicted_bytes = 90'000'000;
    r.cell.peak_bytes = 64'000'000;
  }
  return made;
}

/// The same study under more models, with more seeds, until there are 10,000 records.
Synthetic large() {
  const Synthetic one = synthetic();
  Synthetic made;
  for (int copy = 0; made.records.size() < 10'000; ++copy) {
    const std::string suffix = "-" + std::to_string(copy);
    for (Record record : one.records) {
      record.cell.cell_id += suffix;
      record.cell.model += "-" + std::to_string(copy % 6);
      *record.cell.seed += 2 * (copy / 6);
      if (made.records.size() < 10'000) made.records.push_back(std::move(record));
    }
    for (SampleRecord sample : one.samples) {
      sample.cell_id += suffix;
      made.samples.push_back(std::move(sample));
    }
    for (Curve curve : one.curves) {
      curve.cell_id += suffix;
      made.curves.push_back(std::move(curve));
    }
  }
  return made;
}

/// Every text that comes from a configuration or a model would like to be markup.
Synthetic hostile() {
  Synthetic made = complete();
  const auto spoil = [](std::string& text) {
    if (text.empty()) return;
    text += "</script><script>alert(1)</script><img src=x onerror=alert(2)><b class=hostile>\"'&";
  };
  for (Record& r : made.records) {
    for (std::string* text :
         {&r.cell.cell_id, &r.cell.backend, &r.cell.backend_params, &r.cell.model, &r.cell.reason,
          &r.cell.task, &r.cell.cpu, &r.cell.flags, &r.measurement.ci_method,
          &r.measurement.subtask, &r.measurement.protocol}) {
      spoil(*text);
    }
  }
  for (SampleRecord& s : made.samples) {
    for (std::string* text : {&s.cell_id, &s.target, &s.output}) spoil(*text);
    for (auto& [name, value] : s.scores) spoil(name);
  }
  for (Curve& c : made.curves) {
    for (std::string* text : {&c.cell_id, &c.x_unit, &c.series}) spoil(*text);
  }
  return made;
}

TEST_CASE("Pages for the browser's tests are written to the build folder", "[.browser]") {
  const Synthetic whole = complete(), many = large(), spoilt = hostile();
  write_page("complete", whole.results());
  write_page("large", many.results());
  Results results = spoilt.results();
  results.title = results.command = results.configuration = "<script>alert(3)</script>";
  write_page("hostile", results);
  std::ostringstream compared;
  write_comparison_html(comparison(kHostile), compared);
  write_page("comparison", compared.str());
  write_page("empty", {"Nothing yet", "", "", "", {}, {}, {}});
}

}  // namespace
}  // namespace longreach::reports
