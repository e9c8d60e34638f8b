// records.csv: a row per cell and measurement, quoted as RFC 4180 asks, lines ended by "\n".
#include "reports/csv.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.h"
#include "reports/columns.h"
#include "reports/escapes.h"
#include "reports/report.h"

namespace longreach::reports {
namespace {

void write_row(std::ostream& out, const std::vector<std::string>& texts) {
  std::string_view before;
  for (const std::string& text : texts) {
    out << before << text;
    before = ",";
  }
  out << '\n';
}

void write_records(const Rows<Record>& records, std::ostream& out) {
  std::vector<std::string> names;
  for (const Column& column : columns(Record{})) names.emplace_back(column.name);
  write_row(out, names);
  ColumnTexts texts([](const Column& column) { return csv_field(to_text(column.value)); });
  records.each([&](const Record& record) { write_row(out, texts.of(record)); });
}

std::string number_text(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? to_text(*value) : "";
}

/// A row for each score, since samples of unlike tasks have unlike ones.
void write_samples(const Rows<SampleRecord>& samples, std::ostream& out) {
  out << "cell_id,index,sample_sha,target,output,depth,distance,segments_crossed,cluster,excerpt,"
         "score,value\n";
  samples.each([&out](const SampleRecord& s) {
    std::vector<std::string> texts{csv_field(s.cell_id),
                                   to_text(s.index),
                                   csv_field(s.sample_sha),
                                   csv_field(s.target),
                                   csv_field(s.output),
                                   number_text(s.depth),
                                   number_text(s.distance),
                                   number_text(s.segments_crossed),
                                   csv_field(s.cluster),
                                   csv_field(s.excerpt),
                                   "",
                                   ""};
    if (s.scores.empty()) write_row(out, texts);
    for (const auto& [name, score] : s.scores) {
      texts[10] = csv_field(name);
      texts[11] = number_text(score);
      write_row(out, texts);
    }
  });
}

/// A row for each point.
void write_curves(const Rows<Curve>& curves, std::ostream& out) {
  out << "cell_id,name,series,x_unit,y_unit,x,y\n";
  curves.each([&out](const Curve& c) {
    std::vector<std::string> texts{csv_field(c.cell_id),
                                   csv_field(c.name),
                                   csv_field(c.series),
                                   csv_field(c.x_unit),
                                   csv_field(c.y_unit),
                                   "",
                                   ""};
    for (std::size_t i = 0; i < c.x.size(); ++i) {
      texts[5] = number_text(c.x[i]);
      texts[6] = number_text(c.y[i]);
      write_row(out, texts);
    }
  });
}

class Csv final : public Report {
 public:
  struct Params {
    What what = What::records;
    void fields(Fields& f) { f("what", what, "rows of which file"); }
  };
  explicit Csv(const Params& params) : what_(params.what) {}

  std::string file_name() const override {
    return fmt::format("{}.csv", EnumNames<What>::names[static_cast<std::size_t>(what_)]);
  }

  void write(const Results& results, std::ostream& out) const override {
    if (what_ == What::records) write_records(results.records, out);
    if (what_ == What::samples) write_samples(results.samples, out);
    if (what_ == What::curves) write_curves(results.curves, out);
  }

 private:
  What what_;
};

const Registered<ReportRegistry, Csv> registered{"csv", "one row per cell and measurement"};

/// Row after row of CSV, and where each begins.
class RowReader {
 public:
  explicit RowReader(std::istream& in) : in_(*in.rdbuf()) {
    for (const int c : {0xEF, 0xBB, 0xBF}) {  // a byte order mark, which spreadsheets like to add
      if (in_.sgetc() != c) break;
      in_.sbumpc();
    }
  }

  i64 line() const { return line_; }

  /// False at the end; else `fields` are those of the next row.
  bool next(std::vector<std::string>& fields) {
    line_ = next_line_;
    fields.clear();
    if (in_.sgetc() == kEnd) return false;
    do fields.push_back(field());
    while (take(','));
    take('\r');
    if (in_.sgetc() != kEnd && !take('\n')) {
      throw error("records line {}: after a closing quote only a comma may follow", line_);
    }
    ++next_line_;
    return true;
  }

 private:
  static constexpr int kEnd = std::char_traits<char>::eof();

  bool take(char wanted) {
    const bool there = in_.sgetc() == static_cast<unsigned char>(wanted);
    if (there) in_.sbumpc();
    return there;
  }

  std::string field() {
    std::string text;
    if (take('"')) {
      for (;;) {
        const int c = in_.sbumpc();
        if (c == kEnd) throw error("records line {}: a quote is never closed; cut short?", line_);
        if (c == '"' && !take('"')) return text;
        next_line_ += c == '\n';
        text += static_cast<char>(c);
      }
    }
    for (int c = in_.sgetc(); c != kEnd && c != ',' && c != '\n'; c = in_.snextc()) {
      if (c == '"') throw error("records line {}: a quote within an unquoted field", line_);
      text += static_cast<char>(c);
    }
    if (text.ends_with('\r') && in_.sgetc() == '\n') text.pop_back();
    return text;
  }

  std::streambuf& in_;
  i64 line_ = 0, next_line_ = 1;
};

template <class Number>
Number number(std::string_view text) {
  Number value{};
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end != text.data() + text.size()) {
    throw error("no number that fits: '{}'", text);
  }
  if constexpr (std::is_same_v<Number, double>) {
    if (!std::isfinite(value)) throw error("not a finite number: '{}'", text);
  }
  return value;
}

void read(std::string_view text, std::string& field) { field = text; }
void read(std::string_view text, bool& field) {
  if (text != "true" && text != "false") throw error("neither true nor false: '{}'", text);
  field = text == "true";
}
void read(std::string_view text, Status& field) {
  const auto& names = EnumNames<Status>::names;
  const auto* const found = std::find(names.begin(), names.end(), text);
  if (found == names.end()) throw error("unknown status '{}'", text);
  field = static_cast<Status>(found - names.begin());
}
void read(std::string_view text, i64& field) { field = number<i64>(text); }
void read(std::string_view text, double& field) { field = number<double>(text); }
template <class T>
void read(std::string_view text, std::optional<T>& field) {
  field.reset();
  if (!text.empty()) read(text, field.emplace());
}

}  // namespace

std::vector<Record> read_csv(std::istream& in) {
  RowReader rows(in);
  std::vector<std::string> header, fields;
  if (!rows.next(header)) throw error("records: empty, not even a header");
  std::vector<std::size_t> places;  // of each of our columns; header.size(): absent
  Record{}.columns([&](std::string_view name, const auto&) {
    places.push_back(
        static_cast<std::size_t>(std::find(header.begin(), header.end(), name) - header.begin()));
  });
  std::vector<Record> out;
  while (rows.next(fields)) {
    if (fields.size() == 1 && fields[0].empty()) continue;
    if (fields.size() != header.size()) {
      throw error("records line {}: {} fields where the header has {}; the file may be cut short",
                  rows.line(), fields.size(), header.size());
    }
    std::size_t column = 0;
    out.emplace_back().columns([&](std::string_view name, auto& field) {
      const std::size_t place = places[column++];
      if (place == header.size()) return;
      try {
        read(fields[place], field);
      } catch (const Error& problem) {
        throw error("records line {}: column {}: {}", rows.line(), name, problem.what());
      }
    });
  }
  return out;
}

}  // namespace longreach::reports
