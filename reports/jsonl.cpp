// JSON Lines: records.jsonl, samples.jsonl and curves.jsonl, one object a line, null when absent.
#include "reports/jsonl.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "core/error.h"
#include "reports/columns.h"
#include "reports/report.h"

namespace longreach::reports {
namespace {

using Json = nlohmann::ordered_json;

class Jsonl final : public Report {
 public:
  struct Params {
    void fields(Fields&) {}
  };
  explicit Jsonl(const Params&) {}

  std::string file_name() const override { return "records.jsonl"; }

  void write(const Results& results, std::ostream& out) const override {
    ColumnTexts texts([](const Column& column) {
      return fmt::format("\"{}\":{}", column.name, dump(to_json(column.value)));
    });
    results.records.each([&](const Record& record) {
      std::string_view before = "{";
      for (const std::string& text : texts.of(record)) {
        out << before << text;
        before = ",";
      }
      out << "}\n";
    });
  }
};

class Samples final : public Report {
 public:
  using Params = Jsonl::Params;
  explicit Samples(const Params&) {}

  std::string file_name() const override { return "samples.jsonl"; }

  void write(const Results& results, std::ostream& out) const override {
    results.samples.each(
        [&out](const SampleRecord& sample) { out << dump(to_json(sample)) << '\n'; });
  }
};

class Curves final : public Report {
 public:
  using Params = Jsonl::Params;
  explicit Curves(const Params&) {}

  std::string file_name() const override { return "curves.jsonl"; }

  void write(const Results& results, std::ostream& out) const override {
    results.curves.each([&out](const Curve& curve) { out << dump(to_json(curve)) << '\n'; });
  }
};

void read(const Json& value, std::string& field) { field = value.get<std::string>(); }
void read(const Json& value, bool& field) { field = value.get<bool>(); }
void read(const Json& value, Status& field) {
  const auto& names = EnumNames<Status>::names;
  const auto* const found = std::find(names.begin(), names.end(), value.get<std::string>());
  if (found == names.end()) throw error("unknown status {}", value.dump());
  field = static_cast<Status>(found - names.begin());
}
template <class T>
void read(const Json& value, std::optional<T>& field) {
  field = value.get<T>();
}

const Registered<ReportRegistry, Jsonl> records{"jsonl", "the columns of csv, as JSON Lines"};
const Registered<ReportRegistry, Samples> samples{"samples", "each sample's target and output"};
const Registered<ReportRegistry, Curves> curves{"curves", "training and other curves"};

}  // namespace

std::vector<Record> read_records(std::istream& in) {
  std::vector<Record> out;
  std::string line;
  for (i64 number = 1; std::getline(in, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const Json row = Json::parse(line, nullptr, false);
    if (!row.is_object()) {
      throw error("records line {}: not a JSON object; the file may be cut short", number);
    }
    Record& record = out.emplace_back();
    record.columns([&](std::string_view name, auto& field) {
      const auto found = row.find(std::string(name));
      if (found == row.end() || found->is_null()) return;
      try {
        read(*found, field);
      } catch (const std::exception& problem) {
        throw error("records line {}: column {}: {}", number, name, problem.what());
      }
    });
  }
  return out;
}

}  // namespace longreach::reports
