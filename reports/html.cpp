// report.html: one self-contained page. C++ only fills in the data; the page's script draws it.
#include <algorithm>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "reports/columns.h"
#include "reports/report.h"

// The files of reports/html and Chart.js, embedded by the build.
namespace longreach::embedded {
std::string_view page_html();
std::string_view page_css();
std::string_view data_js();
std::string_view figures_js();
std::string_view tables_js();
std::string_view sections_js();
std::string_view language_js();
std::string_view trade_offs_js();
std::string_view reach_js();
std::string_view page_js();
std::string_view chart_js();
}  // namespace longreach::embedded

namespace longreach::reports {
namespace {

using Json = nlohmann::ordered_json;

/// Points kept of a curve: more than a figure has pixels to tell apart.
constexpr std::size_t kCurvePoints = 600;

/// Records as a list of names and rows of values, which is half the size of named fields.
Json table(std::span<const Record> records) {
  Json names = Json::array(), rows = Json::array();
  for (const Column& column : columns(Record{})) names.push_back(column.name);
  for (const Record& record : records) {
    Json row = Json::array();
    for (const Column& column : columns(record)) row.push_back(to_json(column.value));
    rows.push_back(std::move(row));
  }
  return {{"columns", names}, {"rows", rows}};
}

/// Samples without a hash are repetitions of a timing, which nobody wants to read one by one.
std::vector<SampleRecord> answers(std::span<const SampleRecord> samples) {
  std::vector<SampleRecord> out;
  std::ranges::copy_if(samples, std::back_inserter(out),
                       [](const SampleRecord& sample) { return !sample.sample_sha.empty(); });
  return out;
}

/// The same number of samples from the start of each cell, about `limit` in all, so that the
/// backends' answers to one question stand side by side.
Json chosen_samples(std::span<const SampleRecord> samples, i64 limit) {
  std::map<std::string, i64> left;
  for (const SampleRecord& sample : samples) left[sample.cell_id] = 0;
  const i64 share = std::max<i64>(1, limit / std::max<i64>(1, static_cast<i64>(left.size())));
  for (auto& [cell, count] : left) count = share;
  Json out = Json::array();
  for (const SampleRecord& sample : samples) {
    if (static_cast<i64>(out.size()) < limit && left[sample.cell_id]-- > 0) {
      out.push_back(to_json(sample));
    }
  }
  return out;
}

/// At most kCurvePoints points, evenly spread, the last one always among them.
Curve thinned(const Curve& curve) {
  const std::size_t points = std::min(curve.x.size(), curve.y.size());
  if (points <= kCurvePoints) return curve;
  Curve out{curve.cell_id, curve.name, curve.x_unit, curve.y_unit, {}, {}, curve.series};
  for (std::size_t i = 0; i < kCurvePoints; ++i) {
    const std::size_t from = i * (points - 1) / (kCurvePoints - 1);
    out.x.push_back(curve.x[from]);
    out.y.push_back(curve.y[from]);
  }
  return out;
}

/// JSON that no parser of HTML can read a tag out of, whatever the strings in it hold.
std::string inert(const Json& json) {
  std::string out;
  for (const char c : dump(json)) {
    if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
  return out;
}

/// Replaces each "{{name}}" of the template once; what is put in is not searched again.
std::string filled(std::string_view page, const std::map<std::string_view, std::string>& values) {
  std::string out;
  while (true) {
    const std::size_t open = page.find("{{");
    out += page.substr(0, open);
    if (open == std::string_view::npos) return out;
    const std::size_t close = page.find("}}", open);
    const auto found = values.find(page.substr(open + 2, close - open - 2));
    check(close != std::string_view::npos && found != values.end(),
          "page.html names only values that exist");
    out += found->second;
    page.remove_prefix(close + 2);
  }
}

class Html final : public Report {
 public:
  struct Params {
    i64 samples = 400;
    void fields(Fields& fields) {
      fields("samples", samples, at_least(0, Unit::count), "samples shown, spread over the cells");
    }
  };
  explicit Html(const Params& params) : params_(params) {}

  std::string file_name() const override { return "report.html"; }

  void write(const Results& results, std::ostream& out) const override {
    Json curves = Json::array();
    for (const Curve& curve : results.curves) curves.push_back(to_json(thinned(curve)));
    const Json manifest = Json::parse(results.manifest, nullptr, false);
    const std::vector<SampleRecord> samples = answers(results.samples);
    const Json data = {{"schema_version", kSchemaVersion},
                       {"title", results.title},
                       {"configuration", results.configuration},
                       {"manifest", manifest.is_discarded() ? Json(results.manifest) : manifest},
                       {"command", results.command},
                       {"records", table(results.records)},
                       {"samples", chosen_samples(samples, params_.samples)},
                       {"samples_total", samples.size()},
                       {"curves", curves}};
    std::string script;
    for (const std::string_view part :
         {embedded::data_js(), embedded::figures_js(), embedded::tables_js(),
          embedded::sections_js(), embedded::language_js(), embedded::trade_offs_js(),
          embedded::reach_js(), embedded::page_js()}) {
      script += part;
    }
    out << filled(embedded::page_html(), {{"style", std::string(embedded::page_css())},
                                          {"chart", std::string(embedded::chart_js())},
                                          {"script", script},
                                          {"data", inert(data)}});
  }

 private:
  Params params_;
};

const Registered<ReportRegistry, Html> registered{"html", "a page with figures, for reading"};

}  // namespace
}  // namespace longreach::reports
