// report.html: one self-contained page. C++ only fills in the data; the page's script draws it.
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "core/error.h"
#include "reports/columns.h"
#include "reports/main_scores.h"
#include "reports/page_data.h"
#include "reports/report.h"

// The files of reports/html, and Chart.js and svgcanvas, embedded by the build.
namespace longreach::embedded {
std::string_view page_html();
std::string_view page_css();
std::string_view script_js();
std::string_view libraries_js();
}  // namespace longreach::embedded

namespace longreach::reports {
namespace {

using Json = nlohmann::ordered_json;

/// Which score stands for which task: [[task or "", metric], ...], the first that fits.
Json main_scores() {
  Json scores = Json::array();
  for (const MainScore& one : kMainScores) scores.push_back({one.task, one.metric});
  return scores;
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
    i64 samples = 8000, records = 10000;
    void fields(Fields& fields) {
      fields("samples", samples, at_least(0, Unit::count),
             "samples shown, spread over cells and depths; fewer when their texts are long");
      fields("records", records, at_least(1, Unit::count),
             "records shown; of more, the least important kinds are left out, as the page says");
    }
  };
  explicit Html(const Params& params) : params_(params) {}

  std::string file_name() const override { return "report.html"; }
  bool tells_runs_apart() const override { return false; }

  void write(const Results& results, std::ostream& out) const override {
    const Json manifest = Json::parse(results.manifest, nullptr, false);
    const Json data = {{"schema_version", kSchemaVersion},
                       {"title", results.title},
                       {"configuration", results.configuration},
                       {"manifest", manifest.is_discarded() ? Json(results.manifest) : manifest},
                       {"command", results.command},
                       {"main_scores", main_scores()},
                       {"table", page_records(results.records, params_.records)},
                       {"samples", page_samples(results.samples, params_.samples)},
                       {"curves", page_curves(results.curves)}};
    out << filled(embedded::page_html(), {{"style", std::string(embedded::page_css())},
                                          {"libraries", std::string(embedded::libraries_js())},
                                          {"script", std::string(embedded::script_js())},
                                          {"data", inert(data)}});
  }

 private:
  Params params_;
};

const Registered<ReportRegistry, Html> registered{"html", "a page with figures, for reading"};

}  // namespace
}  // namespace longreach::reports
