// JSON Lines: records.jsonl, samples.jsonl and curves.jsonl, one object a line, null when absent.
#include "reports/jsonl.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "core/error.h"
#include "reports/columns.h"
#include "reports/report.h"

namespace longreach::reports {
namespace {

using Json = nlohmann::ordered_json;

void write_records(const Rows<Record>& records, std::ostream& out) {
  ColumnTexts texts([](const Column& column) {
    return fmt::format("\"{}\":{}", column.name, dump(to_json(column.value)));
  });
  records.each([&](const Record& record) {
    std::string_view before = "{";
    for (const std::string& text : texts.of(record)) {
      out << before << text;
      before = ",";
    }
    out << "}\n";
  });
}

/// Rows of the file that its parameter `what` says, or of `Fixed`.
template <What Fixed = What::records>
class Jsonl final : public Report {
 public:
  struct Params {
    What what = Fixed;
    void fields(Fields& f) {
      if (Fixed == What::records) f("what", what, "rows of which file");
    }
  };
  explicit Jsonl(const Params& params) : what_(params.what) {}

  std::string file_name() const override {
    return fmt::format("{}.jsonl", EnumNames<What>::names[static_cast<std::size_t>(what_)]);
  }

  void write(const Results& results, std::ostream& out) const override {
    const auto line = [&out](const auto& row) { out << dump(to_json(row)) << '\n'; };
    if (what_ == What::records) write_records(results.records, out);
    if (what_ == What::samples) results.samples.each(line);
    if (what_ == What::curves) results.curves.each(line);
  }

 private:
  What what_;
};

void read(const Json& value, std::string& field) { field = value.get<std::string>(); }
void read(const Json& value, bool& field) { field = value.get<bool>(); }
void read(const Json& value, double& field) { field = value.get<double>(); }
void read(const Json& value, i64& field) {
  const bool fits = value.is_number_integer() &&
                    (!value.is_number_unsigned() || value.get<std::uint64_t>() <= INT64_MAX);
  if (!fits) throw error("no whole number of 64 bits: {}", value.dump());
  field = value.get<i64>();
}
void read(const Json& value, Status& field) {
  const auto& names = EnumNames<Status>::names;
  const auto* const found = std::find(names.begin(), names.end(), value.get<std::string>());
  if (found == names.end()) throw error("unknown status {}", value.dump());
  field = static_cast<Status>(found - names.begin());
}
void read(const Json& value, std::vector<double>& field) {
  constexpr double absent = std::numeric_limits<double>::quiet_NaN();
  for (const Json& one : value) field.push_back(one.is_null() ? absent : one.get<double>());
}
void read(const Json& value, std::vector<std::pair<std::string, double>>& field) {
  for (const auto& [name, score] : value.items()) {
    if (!score.is_null()) field.emplace_back(name, score.get<double>());
  }
}
template <class T>
void read(const Json& value, std::optional<T>& field) {
  field.reset();
  if (!value.is_null()) read(value, field.emplace());
}

template <class T>
constexpr bool kMayBeNull = false;
template <class T>
constexpr bool kMayBeNull<std::optional<T>> = true;

/// One line's object, a member at a time.
class Line {
 public:
  Line(const char* what, i64 number, const std::string& text)
      : what_(what), number_(number), object_(Json::parse(text, nullptr, false)) {
    if (object_.is_object()) return;
    throw error(
        "{} line {}: not a JSON object, or one with a number that no double holds; the "
        "file may be cut short",
        what_, number_);
  }

  template <class Field>
  void operator()(std::string_view name, Field& field) const {
    const auto found = object_.find(std::string(name));
    if (found == object_.end() || (found->is_null() && !kMayBeNull<Field>)) return;
    try {
      read(*found, field);
    } catch (const std::exception& problem) {
      throw error("{} line {}: column {}: {}", what_, number_, name, problem.what());
    }
  }

 private:
  const char* what_;
  i64 number_;
  Json object_;
};

void each_line(const char* what, std::istream& in, const std::function<void(const Line&)>& use) {
  std::string text;
  for (i64 number = 1; std::getline(in, text); ++number) {
    if (text.find_first_not_of(" \t\r") != std::string::npos) use(Line(what, number, text));
  }
}

const Registered<ReportRegistry, Jsonl<>> records{"jsonl", "the columns of csv, as JSON Lines"};
const Registered<ReportRegistry, Jsonl<What::samples>> samples{
    "samples", "each sample's target and output, as JSON Lines"};
const Registered<ReportRegistry, Jsonl<What::curves>> curves{
    "curves", "training and other curves, as JSON Lines"};

}  // namespace

std::vector<Record> read_records(std::istream& in) {
  std::vector<Record> out;
  each_line("records", in, [&out](const Line& line) { out.emplace_back().columns(line); });
  return out;
}

void read_samples(std::istream& in, const std::function<void(const SampleRecord&)>& use) {
  each_line("samples", in, [&use](const Line& line) {
    SampleRecord sample;
    line("cell_id", sample.cell_id);
    line("index", sample.index);
    line("sample_sha", sample.sample_sha);
    line("target", sample.target);
    line("output", sample.output);
    line("scores", sample.scores);
    line("depth", sample.depth);
    line("distance", sample.distance);
    line("segments_crossed", sample.segments_crossed);
    line("cluster", sample.cluster);
    line("excerpt", sample.excerpt);
    use(sample);
  });
}

void read_curves(std::istream& in, const std::function<void(const Curve&)>& use) {
  each_line("curves", in, [&use](const Line& line) {
    Curve curve;
    line("cell_id", curve.cell_id);
    line("name", curve.name);
    line("series", curve.series);
    line("x_unit", curve.x_unit);
    line("y_unit", curve.y_unit);
    line("x", curve.x);
    line("y", curve.y);
    if (curve.x.size() != curve.y.size()) {
      throw error("curves: {} of cell {} has {} x and {} y", curve.name, curve.cell_id,
                  curve.x.size(), curve.y.size());
    }
    use(curve);
  });
}

}  // namespace longreach::reports
