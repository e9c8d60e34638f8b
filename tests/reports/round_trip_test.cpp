// What is written is read back bit for bit, whatever it is; what no one should write is refused.
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <random>
#include <sstream>

#include "core/error.h"
#include "core/random.h"
#include "reports/columns.h"
#include "reports/csv.h"
#include "reports/jsonl.h"
#include "tests/reports/synthetic.h"

namespace longreach::reports {
namespace {

/// Random values of every type a column has, hostile ones more often than not.
class Maker {
 public:
  explicit Maker(std::uint64_t seed) : rng_(seed) {}

  void operator()(std::string_view, std::string& field) { field = text(); }
  void operator()(std::string_view, bool& field) { field = rng_.below(2) == 1; }
  void operator()(std::string_view, Status& field) { field = static_cast<Status>(rng_.below(7)); }
  void operator()(std::string_view, double& field) {
    do field = std::bit_cast<double>(rng_.bits());
    while (!std::isfinite(field));
    if (rng_.below(8) == 0) field = -0.0;
  }
  void operator()(std::string_view, i64& field) {
    field = std::bit_cast<i64>(rng_.bits()) >> rng_.below(64);
  }
  template <class T>
  void operator()(std::string_view name, std::optional<T>& field) {
    field.reset();
    if (rng_.below(4) > 0) (*this)(name, field.emplace());
  }

  std::string text() {
    static const std::vector<std::string> pieces{",",
                                                 "\"",
                                                 "\"\"",
                                                 "\n",
                                                 "\r\n",
                                                 "\r",
                                                 "\t",
                                                 ";",
                                                 "'",
                                                 "\\",
                                                 "\\n",
                                                 "|",
                                                 " ",
                                                 "",
                                                 "NA",
                                                 "null",
                                                 "nan",
                                                 "true",
                                                 "0",
                                                 "-1e5",
                                                 "=1+1",
                                                 "<script>alert(1)</script>",
                                                 "\xef\xbb\xbf",
                                                 "é",
                                                 "中文",
                                                 "\xf0\x9f\x98\x80",
                                                 "\xe2\x80\xa8",
                                                 std::string("\0", 1),
                                                 "\x7f",
                                                 "{}",
                                                 "name"};
    std::string made;
    for (i64 left = rng_.below(6); left > 0; --left) {
      made += pieces[static_cast<std::size_t>(rng_.below(std::ssize(pieces)))];
    }
    return made;
  }
  i64 below(i64 n) { return rng_.below(n); }

 private:
  Rng rng_;
};

std::vector<Record> random_records(std::uint64_t seed) {
  Maker make(seed);
  std::vector<Record> records(static_cast<std::size_t>(make.below(40)));
  for (Record& record : records) {
    record.columns(make);
    record.cell.cell_id += fmt::format("{}", &record - records.data());  // a cell's are its own
  }
  return records;
}

/// The bits of a value, so that 0 and -0 differ.
std::string bits(const Value& value) {
  const double* const number = std::get_if<double>(&value);
  return fmt::format(
      "{}:{}", value.index(),
      number ? fmt::format("{:x}", std::bit_cast<std::uint64_t>(*number)) : to_text(value));
}

void require_same(const std::vector<Record>& after, const std::vector<Record>& before) {
  REQUIRE(after.size() == before.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    const std::vector<Column> a = columns(after[i]), b = columns(before[i]);
    for (std::size_t c = 0; c < b.size(); ++c) {
      INFO("record " << i << " column " << b[c].name);
      REQUIRE(bits(a[c].value) == bits(b[c].value));
    }
  }
}

Results only(const std::vector<Record>& records) { return {"", "", "", "", records, {}, {}}; }

std::vector<Record> from_csv(const std::string& text) {
  std::istringstream in(text);
  return read_csv(in);
}

std::vector<Record> from_jsonl(const std::string& text) {
  std::istringstream in(text);
  return read_records(in);
}

TEST_CASE("Random records read back from CSV and from JSONL are the same to the bit") {
  for (int round = 0; round < 100; ++round) {
    const std::uint64_t seed = std::random_device{}();
    INFO("seed " << seed);
    const std::vector<Record> records = random_records(seed);
    require_same(from_csv(written("csv", only(records))), records);
    require_same(from_jsonl(written("jsonl", only(records))), records);
  }
}

TEST_CASE("Random samples and curves read back are written the same again") {
  const std::uint64_t seed = std::random_device{}();
  INFO("seed " << seed);
  Maker make(seed);
  std::vector<SampleRecord> samples(50), samples_back;
  for (SampleRecord& sample : samples) {
    sample = {make.text(), 0,  make.text(), make.text(), make.text(), make.text(),
              {},          {}, {},          {},          make.text()};
    make("", sample.index);
    make("", sample.depth);
    make("", sample.distance);
    make("", sample.segments_crossed);
    make("", sample.scores.emplace_back("exact_match", 0).second);
    make("", sample.scores.emplace_back("a,\"b\"\n", 0).second);
  }
  std::vector<Curve> curves(50), curves_back;
  for (Curve& curve : curves) {
    curve = {make.text(), make.text(), make.text(), make.text(), {}, {}, make.text()};
    for (i64 left = make.below(9); left > 0; --left) {
      make("", curve.x.emplace_back());
      make("", curve.y.emplace_back());
    }
  }
  const Results results{"", "", "", "", {}, samples, curves};
  std::istringstream sample_lines(written("samples", results));
  read_samples(sample_lines, [&](const SampleRecord& one) { samples_back.push_back(one); });
  std::istringstream curve_lines(written("curves", results));
  read_curves(curve_lines, [&](const Curve& one) { curves_back.push_back(one); });
  const Results back{"", "", "", "", {}, samples_back, curves_back};
  CHECK(samples_back.size() == samples.size());
  CHECK(samples_back[7].scores == samples[7].scores);
  CHECK(samples_back[7].output == samples[7].output);
  CHECK(curves_back[7].x == curves[7].x);
  CHECK(written("samples", back) == written("samples", results));
  CHECK(written("curves", back) == written("curves", results));
}

TEST_CASE("Infinities, NaN and numbers that no column holds are refused with line and column") {
  for (const std::string number : {"inf", "-Infinity", "nan", "1e999", "0x10", " 1", "1 ", "+1"}) {
    CHECK_THROWS_WITH(from_csv("backend,value\na,1\nb," + number + "\n"),
                      Catch::Contains("line 3: column value") && Catch::Contains(number));
  }
  for (const std::string count : {"1.5", "9223372036854775808", "1e3", "seven"}) {
    CHECK_THROWS_WITH(from_csv("n\n" + count + "\n"), Catch::Contains("line 2: column n"));
  }
  for (const std::string value : {"Infinity", "NaN", "1e999"}) {
    CHECK_THROWS_WITH(from_jsonl("{\"value\": " + value + "}"), Catch::Contains("line 1"));
  }
  for (const std::string count : {"1.5", "9223372036854775808", "\"7\"", "true"}) {
    CHECK_THROWS_WITH(from_jsonl("{\"n\": " + count + "}"), Catch::Contains("line 1: column n"));
  }
}

TEST_CASE("CSV is read in any order of columns, with either line end and with a byte order mark") {
  const std::vector<Record> records = from_csv(
      "\xef\xbb\xbfvalue,colour,backend,reason\r\n"
      "0.5,blue,full,\"two\r\nlines\"\r\n"
      "\r\n"
      ",,\"a \"\"b\"\"\",last");
  REQUIRE(records.size() == 2);
  CHECK(records[0].measurement.value == 0.5);
  CHECK(records[0].cell.backend == "full");
  CHECK(records[0].cell.reason == "two\r\nlines");
  CHECK_FALSE(records[1].measurement.value.has_value());
  CHECK(records[1].cell.backend == "a \"b\"");
  CHECK(records[1].cell.reason == "last");
  CHECK(records[1].cell.schema_version == kSchemaVersion);  // an absent column keeps its default
}

TEST_CASE("CSV that is cut short or is none is refused with its line") {
  const auto refused = [](const std::string& text, const std::string& words) {
    CHECK_THROWS_WITH(from_csv(text), Catch::Contains(words));
  };
  refused("", "empty, not even a header");
  refused("backend,n\n\"two\nlines\",1\nfull", "line 4: 1 fields where the header has 2");
  refused("backend,n\nfull,1,2\n", "line 2: 3 fields");
  refused("backend,n\n\"full,1\n", "line 2: a quote is never closed");
  refused("backend,n\nfu\"ll,1\n", "line 2: a quote within an unquoted field");
  refused("backend,n\n\"fu\"ll,1\n", "line 2: after a closing quote");
}

TEST_CASE("Bytes that are not UTF-8 become U+FFFD in CSV, as in JSONL") {
  std::vector<Record> records(1);
  records[0].cell.backend = "caf\xe9 \xc3\xa9";
  CHECK(from_csv(written("csv", only(records)))[0].cell.backend == "caf\xef\xbf\xbd \xc3\xa9");
  CHECK(from_jsonl(written("jsonl", only(records)))[0].cell.backend == "caf\xef\xbf\xbd \xc3\xa9");
}

TEST_CASE("A null read from JSONL is null, whatever the column's default") {
  CHECK_FALSE(from_jsonl("{\"schema_version\": null}")[0].cell.schema_version.has_value());
  CHECK(from_jsonl("{}")[0].cell.schema_version == kSchemaVersion);
}

TEST_CASE("A flag or a status that is none is refused") {
  CHECK_THROWS_WITH(from_csv("baseline\nyes\n"), Catch::Contains("line 2: column baseline"));
  CHECK_THROWS_WITH(from_csv("status\nfine\n"), Catch::Contains("unknown status 'fine'"));
}

}  // namespace
}  // namespace longreach::reports
