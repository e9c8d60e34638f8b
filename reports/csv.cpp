// records.csv: a row per cell and measurement, quoted as RFC 4180 asks, lines ended by "\n".
#include <string>
#include <string_view>

#include "reports/columns.h"
#include "reports/report.h"

namespace longreach::reports {
namespace {

/// Quotes a field that holds a comma, a quote or a line end; quotes inside are doubled.
std::string quoted(const std::string& field) {
  if (field.find_first_of(",\"\r\n") == std::string::npos) return field;
  std::string out = "\"";
  for (const char c : field) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

class Csv final : public Report {
 public:
  struct Params {
    void fields(Fields&) {}
  };
  explicit Csv(const Params&) {}

  std::string file_name() const override { return "records.csv"; }

  void write(const Results& results, std::ostream& out) const override {
    std::string_view separator;
    for (const Column& column : columns(Record{})) {
      out << separator << column.name;
      separator = ",";
    }
    out << '\n';
    ColumnTexts texts([](const Column& column) { return quoted(to_text(column.value)); });
    results.records.each([&](const Record& record) {
      std::string_view before;
      for (const std::string& text : texts.of(record)) {
        out << before << text;
        before = ",";
      }
      out << '\n';
    });
  }
};

const Registered<ReportRegistry, Csv> registered{"csv", "one row per cell and measurement"};

}  // namespace
}  // namespace longreach::reports
