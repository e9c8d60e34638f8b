// report.html: self-contained, inert whatever its data hold, and whole without data.
#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>

#include "tests/reports/drawn.h"

namespace longreach::reports {
namespace {

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++found;
  }
  return found;
}

/// A table's rows of one column, as the page's script reads them.
std::vector<nlohmann::json> column(const nlohmann::json& table, const std::string& name) {
  const nlohmann::json& coded = table["columns"][name];
  std::vector<nlohmann::json> rows;
  for (std::size_t i = 0; i < table["rows"].get<std::size_t>(); ++i) {
    rows.push_back(coded.is_array() ? coded[i]
                   : coded.contains("all")
                       ? coded["all"]
                       : coded["dictionary"][coded["rows"][i].get<std::size_t>()]);
  }
  return rows;
}

/// The data block, as a browser would hand it to the script.
nlohmann::json data_of(const std::string& page) {
  const std::string open = "<script id=\"data\" type=\"application/json\">";
  const std::size_t begin = page.find(open) + open.size();
  return nlohmann::json::parse(page.substr(begin, page.find("</script>", begin) - begin));
}

TEST_CASE("A hostile backend name reaches the page only as inert data") {
  const std::string name = "</script><script>alert(1)</script><!--<script>{{chart}}";
  std::vector<Record> records(1);
  records[0].cell.backend = name;
  const std::string page = written("html", {name, name, "{}", name, records, {}, {}});
  const std::string plain = written("html", {"", "", "{}", "", {}, {}, {}});
  CHECK(count(page, "alert(1)") == 4);
  CHECK(count(page, "<script>alert(1)") == 0);
  CHECK(count(page, "<script") == count(plain, "<script"));
  CHECK(count(page, "</script") == count(plain, "</script"));
  CHECK(count(page, "<!--") == count(plain, "<!--"));
  const nlohmann::json data = data_of(page);
  CHECK(data["title"] == name);
  CHECK(column(data["table"]["cells"], "backend") == std::vector<nlohmann::json>{name});
}

TEST_CASE("The page loads nothing from elsewhere") {
  const std::string page = written("html", synthetic().results());
  const std::regex outside(R"((src|href)\s*=\s*["']?\s*(https?:)?//|@import|url\(\s*["']?https?:)");
  CHECK_FALSE(std::regex_search(page, outside));
  CHECK(count(page, "default-src 'none'") == 1);
  CHECK(count(page, "<link") == 0);
}

TEST_CASE("Scripts never end early: every opened script element is closed once") {
  const std::string page = written("html", synthetic().results());
  CHECK(count(page, "<script") == count(page, "</script>"));
  CHECK(count(page, "<script") == 3);
}

TEST_CASE("A page without records is whole") {
  const std::string page = written("html", {"Nothing yet", "", "", "", {}, {}, {}});
  CHECK(page.find("</html>") != std::string::npos);
  const nlohmann::json data = data_of(page);
  CHECK(data["table"]["records"]["rows"] == 0);
  CHECK(data["table"]["cells"]["rows"] == 0);
  CHECK(data["manifest"] == "");
}

TEST_CASE("Cells without a result keep their status and reason on the page") {
  const Synthetic made = synthetic();
  const nlohmann::json data = data_of(written("html", made.results()));
  const nlohmann::json& cells = data["table"]["cells"];
  const std::vector<nlohmann::json> status = column(cells, "status"),
                                    reason = column(cells, "reason"),
                                    cell = column(data["table"]["records"], "cell"),
                                    value = column(data["table"]["records"], "value");
  i64 without = 0;
  for (std::size_t row = 0; row < cell.size(); ++row) {
    const std::size_t at = cell[row];
    if (status[at] == "ok") continue;
    ++without;
    CHECK(reason[at] != "");
    CHECK(value[row].is_null());
  }
  CHECK(without == 2);  // full runs out of memory at 4096; no energy counter
}

TEST_CASE("Samples are shared out evenly over the cells, and their true number is given") {
  std::vector<SampleRecord> samples(6000);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    samples[i].cell_id = i < 5900 ? "long" : "short";
    samples[i].sample_sha = "ab";
  }
  samples.resize(7000);  // repetitions of timings, which have no hash, are left out
  const nlohmann::json data = data_of(written("html", {"", "", "{}", "", {}, samples, {}}));
  CHECK(data["samples"]["total"] == 6000);
  std::map<std::string, int> cells;
  for (const nlohmann::json& id : column(data["samples"]["shown"], "cell_id")) ++cells[id];
  CHECK(cells["long"] == 4000);  // 8000 / 2 cells
  CHECK(cells["short"] == 100);  // all it has
  CHECK(data["samples"]["totals"] == nlohmann::json{{"long", 5900}, {"short", 100}});
}

TEST_CASE("A long curve is thinned to 600 points and keeps its ends") {
  Curve curve{"cell", "training/loss", "tokens", "nats/token", {}, {}, "b"};
  for (int i = 0; i <= 5000; ++i) curve.x.push_back(i), curve.y.push_back(-i);
  const std::vector<Curve> curves{curve};
  const nlohmann::json kept =
      data_of(written("html", {"", "", "{}", "", {}, {}, curves}))["curves"]["shown"][0];
  CHECK(kept["x"].size() == 600);
  CHECK(kept["y"].size() == 600);
  CHECK(kept["x"].front() == 0.0);
  CHECK(kept["x"].back() == 5000.0);
  CHECK(kept["y"].back() == -5000.0);
  CHECK(kept["series"] == "b");
}

/// The section of that heading, up to the next one.
std::string section_of(const std::string& page, const std::string& heading) {
  const std::size_t begin = page.find("</span>" + heading + "</h2>");
  if (begin == std::string::npos) return "";
  return page.substr(begin, page.find("<h2", begin) - begin);
}

TEST_CASE("Curves by position stand in their metric's section, and the baseline's zeros nowhere") {
  const Synthetic made = synthetic();
  const std::string page = drawn(made.results());
  const std::string perplexity = section_of(page, "Perplexity by context length");
  CHECK(count(perplexity, "<h3>Bits per byte by position — reader</h3>") == 1);
  CHECK(count(perplexity, "in windows of 4k") == 2);  // label and caption
  const std::string divergence = section_of(page, "Divergence from the baseline");
  CHECK(count(divergence, "<h3>KL from the baseline</h3>") == 1);
  CHECK(count(divergence, "<h3>Same top token as the baseline</h3>") == 1);
  CHECK(count(divergence, "<h3>KL by position — reader</h3>") == 1);
  CHECK(count(divergence, "<h3>Same top token by position — reader</h3>") == 1);
  // Numbers at four lengths of two backends; the baseline has them for the top token only.
  CHECK(count(divergence, "<td>full</td>") == 4 + 2);  // and its two curves
  const std::string training = section_of(page, "Training");
  CHECK(count(training, "<h3>Training loss — reader</h3>") == 1);
  CHECK(count(training, "by position") == 0);
}

TEST_CASE(
    "A time is bold where both its test and its ratio's interval tell it from the baseline's") {
  std::vector<Record> records;
  const auto add = [&](const std::string& backend, const std::string& metric,
                       double value) -> auto& {
    Record& record = records.emplace_back();
    record.cell.cell_id = record.cell.backend = backend;
    record.cell.model = "reader";
    record.cell.task = "latency";
    record.cell.context_length = 256;
    Measurement& m = record.measurement;
    m.metric = metric;
    m.value = value;
    m.n = 9;
    m.unit = metric == "latency/prefill" ? "ms" : "1";
    m.higher_is_better = false;
    return m;
  };
  add("base", "latency/prefill", 10);
  const auto compared = [&](const std::string& backend, double low, double high, double p) {
    add(backend, "latency/prefill", 13);
    Measurement& ratio = add(backend, "latency/prefill_ratio", 1.3);
    ratio.ci_low = low;
    ratio.ci_high = high;
    ratio.p_adjusted = p;
  };
  compared("slower", 1.2, 1.4, 0.01);
  compared("overlapping", 0.9, 1.4, 0.01);
  compared("unproven", 1.2, 1.4, 0.2);
  const std::string page = drawn(Results{"", "", "{}", "", records, {}, {}});
  const auto row = [summary = section_of(page, "Summary")](const std::string& backend) {
    const std::size_t from = summary.find("</span> " + backend + "</th>");
    REQUIRE(from != std::string::npos);
    return summary.substr(from, summary.find("</tr>", from) - from);
  };
  CHECK(count(row("slower"), "<strong") == 1);
  CHECK(count(row("slower"), "× 1.300") == 1);
  CHECK(count(row("slower"), ">worse</span>") == 1);
  CHECK(count(row("overlapping"), "× 1.300") == 1);
  CHECK(count(row("overlapping"), "<strong") == 0);
  CHECK(count(row("unproven"), "<strong") == 0);
}

TEST_CASE(
    "Only answers are marked right or wrong, and what a generated text scored is shown by name") {
  const Synthetic made = synthetic();
  const std::string page = drawn(made.results());
  CHECK(count(section_of(page, "Quality of text"), "<h3>Repeated 4-grams</h3>") == 1);
  const std::string samples = section_of(page, "Samples");
  CHECK(count(samples, "<td>rep_4 0.000</td>") > 0);
  CHECK(count(samples, "✓ right") > 0);
  const std::size_t generated = samples.find("the sea the sea");
  REQUIRE(generated != std::string::npos);
  CHECK(samples.substr(generated, samples.find("</tr>", generated) - generated).find("wrong") ==
        std::string::npos);
}

TEST_CASE("The page is written to the build folder for a person to open") {
  const Synthetic made = synthetic();
  std::ofstream file(std::string(LONGREACH_BINARY_DIR) + "/report.html", std::ios::binary);
  file << written("html", made.results());
  CHECK(file.good());
}

}  // namespace
}  // namespace longreach::reports
