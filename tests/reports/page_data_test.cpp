// What the page holds of a large run.
#include "reports/page_data.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "tests/reports/synthetic.h"

namespace longreach::reports {
namespace {

using Json = nlohmann::ordered_json;

/// As a run of many cells: pooled scores, and each by six depths and twelve distances.
std::vector<Record> many(std::size_t rows) {
  std::vector<Record> records;
  for (std::size_t cell = 0; records.size() < rows; ++cell) {
    Record record;
    record.cell.cell_id = fmt::format("{:016x}", 0x9e3779b97f4a7c15 * (cell + 1));
    record.cell.run_id = "study@2026-01-02T03:04:05Z";
    record.cell.backend = fmt::format("backend {}", cell % 9);
    record.cell.backend_params = std::string(200, static_cast<char>('a' + cell % 9));
    record.cell.model = "reader";
    record.cell.task = "find";
    record.cell.context_length = 256 << (cell / 9 % 6);
    record.cell.seed = static_cast<i64>(cell / 54);
    record.cell.started_at = fmt::format("2026-01-02T03:{:02}:{:02}Z", cell / 60 % 60, cell % 60);
    record.cell.wall_s = 0.123456789 * static_cast<double>(cell);
    record.cell.flops = 1e9 / 7 * static_cast<double>(cell + 1);
    for (const std::string score : {"found", "recall", "precision"}) {
      Measurement& m = record.measurement;
      m = {};
      m.metric = "questions/" + score;
      m.unit = "1";
      m.protocol = fmt::format("questions/1:ctx={}", *record.cell.context_length);
      m.data_sha = std::string(64, 'f');
      const auto add = [&](double shift) {
        m.value = 0.1234567891 + shift + 1e-4 * static_cast<double>(cell);
        m.ci_low = *m.value - 0.0987654321;
        m.ci_high = *m.value + 0.0987654321;
        m.n = 20;
        m.ci_method = "bootstrap 0.95 over 20 samples, 2000 resamples";
        records.push_back(record);
      };
      add(0);
      for (const double depth : {0, 20, 40, 60, 80, 100}) {
        m.depth = depth;
        add(depth / 1000);
      }
      m.depth.reset();
      for (int part = 0; part < 12; ++part) {
        m.subtask = fmt::format("distance={}-{}", 1 << part, (2 << part) - 1);
        add(part / 1000.0);
      }
    }
  }
  records.resize(rows);
  return records;
}

Json decoded(const Json& table, const std::string& name, std::size_t row) {
  const Json& column = table["columns"][name];
  if (column.is_array()) return column[row];
  if (column.contains("all")) return column["all"];
  return column["dictionary"][column["rows"][row].get<std::size_t>()];
}

TEST_CASE("A page of ten thousand records, and one of a hundred thousand, is under 5 MB") {
  for (const std::size_t rows : {10000u, 100000u}) {
    const std::vector<Record> records = many(rows);
    std::vector<SampleRecord> samples(5000);
    for (std::size_t i = 0; i < samples.size(); ++i) {
      samples[i].cell_id = records[i * rows / samples.size()].cell.cell_id;
      samples[i].sample_sha = "ab";
      samples[i].output = std::string(5000, 'x');
    }
    std::vector<Curve> curves(2000, {records[0].cell.cell_id, "training/loss", "tokens", "nats"});
    for (Curve& curve : curves) {
      for (int i = 0; i < 1000; ++i) curve.x.push_back(i / 7.0), curve.y.push_back(i / 3.0);
    }
    const std::string page = written("html", {"", "", "{}", "", records, samples, curves});
    INFO(rows << " records make " << page.size() << " bytes");
    CHECK(page.size() < 5000000);
  }
}

TEST_CASE("A long excerpt keeps its end, where the question stands") {
  std::vector<SampleRecord> samples(1);
  samples[0].cell_id = "cell";
  samples[0].sample_sha = "ab";
  samples[0].excerpt = "begin" + std::string(2000, '.') + "question?";
  samples[0].output = std::string(2000, 'x');
  const Json shown = page_samples(Rows<SampleRecord>(samples), 10)["shown"];
  const std::string excerpt = decoded(shown, "excerpt", 0);
  CHECK(excerpt.starts_with("begin"));
  CHECK(excerpt.ends_with("question?"));
  CHECK(excerpt.find(" […] ") != std::string::npos);
  CHECK(excerpt.size() < 700);
  samples[0].excerpt = "key " + std::string(290, 'a') + " […] " + std::string(400, 'b') + " the " +
                       std::string(280, 'c') + " key?";
  CHECK(decoded(page_samples(Rows<SampleRecord>(samples), 10)["shown"], "excerpt", 0) ==
        "key " + std::string(290, 'a') + " […] the " + std::string(280, 'c') + " key?");
  CHECK(decoded(shown, "output", 0).get<std::string>().size() < 700);
}

TEST_CASE("Each depth of a cell has its share of the samples, in whatever order they came") {
  std::vector<SampleRecord> samples;
  for (const double depth : {0.0, 50.0, 100.0}) {
    for (i64 i = 0; i < 20; ++i) {
      SampleRecord& sample = samples.emplace_back();
      sample.cell_id = "cell";
      sample.sample_sha = "ab";
      sample.depth = depth;
    }
  }
  for (i64 i = 0; i < 60; ++i) {  // a depth of its own each, as facts have
    samples.push_back(
        {.cell_id = "facts", .sample_sha = "cd", .depth = 0.5 + static_cast<double>(i)});
  }
  const Json shown = page_samples(Rows<SampleRecord>(samples), 24)["shown"];
  std::map<std::string, i64> cells;
  std::map<double, i64> depths;
  for (std::size_t i = 0; i < shown["rows"]; ++i) {
    ++cells[decoded(shown, "cell_id", i)];
    if (decoded(shown, "cell_id", i) == "cell") ++depths[decoded(shown, "depth", i)];
  }
  CHECK(depths == std::map<double, i64>{{0, 4}, {50, 4}, {100, 4}});
  CHECK(cells == std::map<std::string, i64>{{"cell", 12}, {"facts", 12}});
}

TEST_CASE("Samples whose texts are long are fewer, and their scores stay") {
  std::vector<SampleRecord> samples(9000);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    samples[i].cell_id = fmt::format("cell {}", i % 3);
    samples[i].sample_sha = "ab";
    samples[i].output = fmt::format("{:0600}", i);
    samples[i].scores = {{"exact_match", 1}, {"margin", 0.12345678}};
  }
  const Json shown = page_samples(Rows<SampleRecord>(samples), 9000)["shown"];
  CHECK(shown["rows"] > 1000);
  CHECK(shown["rows"] < 3000);
  CHECK(Json::parse(decoded(shown, "scores", 7).get<std::string>()) ==
        Json{{"exact_match", 1.0}, {"margin", 0.123457}});
}

TEST_CASE("Everything is on the page that fits, with six digits, once each") {
  const std::vector<Record> records = many(200);
  const Json data = page_records(records, 200);
  CHECK(data["total"] == 200);
  CHECK(data["left_out"].empty());
  REQUIRE(data["records"]["rows"] == 200);
  CHECK(data["cells"]["rows"] == 4);  // 57 rows each
  CHECK(data["statuses"] == Json{{"ok", 4}});
  CHECK(decoded(data["records"], "value", 0) == 0.123457);
  CHECK(decoded(data["records"], "n", 0) == 20);
  for (std::size_t row = 0; row < 200; ++row) {
    const std::size_t cell = decoded(data["records"], "cell", row);
    CHECK(decoded(data["cells"], "cell_id", cell) == records[row].cell.cell_id);
    CHECK(decoded(data["records"], "subtask", row) == records[row].measurement.subtask);
    CHECK(decoded(data["records"], "depth", row).is_null() == !records[row].measurement.depth);
  }
}

TEST_CASE("Beyond the limit parts and depths go first, those of main scores last, and it is said") {
  const std::vector<Record> records = many(570);  // 10 cells
  // 30 pooled, of the main score 60 by depth and 120 by distance, of two others 120 and 240.
  const auto kinds = [&](i64 limit) {
    const Json data = page_records(records, limit);
    std::map<std::string, i64> rows;
    for (std::size_t i = 0; i < data["records"]["rows"].get<std::size_t>(); ++i) {
      const bool main = decoded(data["records"], "metric", i) == "questions/found";
      const bool part = decoded(data["records"], "subtask", i) != "";
      const bool depth = !decoded(data["records"], "depth", i).is_null();
      ++rows[std::string(main ? "main" : "other") + (part ? " part" : depth ? " depth" : "")];
    }
    return rows;
  };
  using Kinds = std::map<std::string, i64>;
  CHECK(kinds(570) == Kinds{{"main", 10},
                            {"other", 20},
                            {"main depth", 60},
                            {"other depth", 120},
                            {"main part", 120},
                            {"other part", 240}});
  CHECK(kinds(330) == Kinds{{"main", 10},
                            {"other", 20},
                            {"main depth", 60},
                            {"main part", 120},
                            {"other depth", 120}});
  CHECK(kinds(210) == Kinds{{"main", 10}, {"other", 20}, {"main depth", 60}, {"main part", 120}});
  CHECK(kinds(90) == Kinds{{"main", 10}, {"other", 20}, {"main depth", 60}});
  CHECK(kinds(30) == Kinds{{"main", 10}, {"other", 20}});
  const Json data = page_records(records, 90);
  CHECK(data["total"] == 570);
  CHECK(data["left_out"][0] == Json{{"what", "questions/found by distance"}, {"rows", 120}});
  i64 left_out = 0;
  for (const Json& kind : data["left_out"]) left_out += kind["rows"].get<i64>();
  CHECK(left_out == 480);
}

TEST_CASE("Pooled rows too many for a page are cut to the first seeds, for every backend") {
  std::vector<Record> records = many(57 * 540);  // 9 backends, 6 lengths, 10 seeds
  std::erase_if(records, [](const Record& r) {
    return r.measurement.depth || !r.measurement.subtask.empty();
  });
  const Json data = page_records(records, 108);
  REQUIRE(data["records"]["rows"] == 108);  // of 1620: two seeds of the main score
  std::set<std::pair<std::string, i64>> settings;
  for (std::size_t i = 0; i < 108; ++i) {
    const std::size_t cell = decoded(data["records"], "cell", i);
    CHECK(decoded(data["records"], "metric", i) == "questions/found");
    CHECK(decoded(data["cells"], "seed", cell) < 2);
    settings.emplace(decoded(data["cells"], "backend", cell),
                     decoded(data["cells"], "context_length", cell));
  }
  CHECK(settings.size() == 54);
  CHECK(data["statuses"] == Json{{"ok", 540}});
}

}  // namespace
}  // namespace longreach::reports
