// What `compare` found as one page without a script, in the looks of report.html.
#include <algorithm>
#include <cmath>
#include <fmt/ranges.h>
#include <map>

#include "core/error.h"
#include "reports/comparison.h"
#include "reports/escapes.h"

namespace longreach::embedded {
std::string_view page_css();
}

namespace longreach::reports {
namespace {

/// Where a number lies along a drawn interval: differences by size, ratios by their logarithm.
double place(const ComparedRow& row, double value) {
  return row.kind == Effect::ratio ? std::log(value) : value;
}

/// How far the rows of one metric and kind reach from 0, so that their intervals have one scale.
using Reach = std::map<std::pair<std::string, Effect>, double>;
Reach reach_of(const RunComparison& found) {
  Reach reach;
  for (const ComparedRow& row : found.rows) {
    double& most = reach[{row.of.metric, row.kind}];
    for (const auto& end : {row.effect.value, row.effect.ci_low, row.effect.ci_high}) {
      if (end) most = std::max(most, std::abs(place(row, *end)));
    }
  }
  return reach;
}

constexpr double kWidth = 120, kHeight = 14;

/// The interval around no effect, which is the line in the middle; its numbers stand beside it.
std::string interval_drawing(const ComparedRow& row, double reach) {
  const auto x = [&](double value) {
    const double share = reach > 0 ? place(row, value) / reach : 0;
    return kWidth / 2 + share * (kWidth / 2 - 5);
  };
  const std::string_view colour = row.change == Change::regression    ? "worse"
                                  : row.change == Change::improvement ? "better"
                                                                      : "quiet";
  std::string svg = fmt::format(
      "<svg class=\"{}\" width=\"{}\" height=\"{}\" viewBox=\"0 0 {} {}\" aria-hidden=\"true\">"
      "<line x1=\"{}\" x2=\"{}\" y1=\"0\" y2=\"{}\" stroke=\"currentColor\" opacity=\"0.35\"/>",
      colour, kWidth, kHeight, kWidth, kHeight, kWidth / 2, kWidth / 2, kHeight);
  if (row.effect.ci_low && row.effect.ci_high) {
    svg += fmt::format(
        "<line x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"7\" y2=\"7\" stroke=\"currentColor\" "
        "stroke-width=\"2\"/>",
        x(*row.effect.ci_low), x(*row.effect.ci_high));
  }
  return svg + fmt::format("<circle cx=\"{:.1f}\" cy=\"7\" r=\"3.5\" fill=\"currentColor\"/></svg>",
                           x(*row.effect.value));
}

std::string_view change_class(Change change) {
  if (change == Change::none) return "";
  return change == Change::regression ? " class=\"worse\"" : " class=\"better\"";
}

void write_head(const ComparisonText& table, std::ostream& out) {
  out << "<thead><tr>";
  for (std::size_t i = 0; i < table.head.size(); ++i) {
    const bool number = std::ranges::find(table.numbers, i) != table.numbers.end();
    out << fmt::format("<th scope=\"col\"{}>{}</th>", number ? " class=\"number\"" : "",
                       html_text(table.head[i]));
  }
  out << "<th scope=\"col\">interval around no effect</th></tr></thead>\n";
}

/// An interval stands below its value, so that the table is narrow.
std::string cell_html(const std::string& text) {
  const std::size_t interval = text.find(" [");
  if (interval == std::string::npos) return html_text(text);
  return fmt::format("{}<span class=\"block small-text\">{}</span>",
                     html_text(text.substr(0, interval)), html_text(text.substr(interval + 1)));
}

void write_row(const ComparisonText& table, std::size_t at, const ComparedRow& row,
               const Reach& reach, std::ostream& out) {
  out << fmt::format("<tr{}>", change_class(row.change));
  for (std::size_t i = 0; i < table.head.size(); ++i) {
    const bool number = std::ranges::find(table.numbers, i) != table.numbers.end();
    const std::string& text = table.rows[at][i];
    const std::string inner = number ? cell_html(text) : html_text(text);
    out << (number ? "<td class=\"number whole\">" : "<td>")
        << (row.significant ? "<strong>" + inner + "</strong>" : inner) << "</td>";
  }
  out << "<td>" << interval_drawing(row, reach.at({row.of.metric, row.kind})) << "</td></tr>\n";
}

void write_runs(const RunComparison& found, std::ostream& out) {
  const bool worse = found.count(Change::regression) > 0;
  out << "<section><h2>Runs</h2>\n<dl class=\"facts\">";
  for (const ComparedRun& run : found.runs) {
    out << fmt::format("<div><dt>{}</dt><dd>{}: {}<br>{}<br>{}</dd></div>", run.label,
                       html_text(run.folder), html_text(run.name),
                       html_text(fmt::format("{}", fmt::join(run.builds, ", "))),
                       html_text(fmt::format("{}", fmt::join(run.machines, ", "))));
  }
  out << "</dl>\n"
      << fmt::format("<div class=\"banner {}\"><p>{}</p></div>\n</section>\n",
                     worse ? "warn" : "fine", comparison_summary(found));
}

void write_table(const RunComparison& found, std::ostream& out) {
  const ComparisonText table = comparison_text(found);
  const Reach reach = reach_of(found);
  out << "<section><h2>Compared</h2>\n";
  if (!table.constant.empty()) out << "<p>" << html_text(table.constant) << "</p>\n";
  out << "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Compared\"><table>\n";
  write_head(table, out);
  out << "<tbody>\n";
  for (std::size_t i = 0; i < found.rows.size(); ++i) {
    write_row(table, i, found.rows[i], reach, out);
  }
  out << "</tbody></table></div>\n<p class=\"quiet\">" << html_text(comparison_method(found))
      << ". Bold: significant.</p>\n";
  for (const std::string& note : comparison_notes(found)) {
    out << "<p class=\"quiet\">" << html_text(note) << ".</p>\n";
  }
  out << "</section>\n";
}

void write_not_compared(const RunComparison& found, std::ostream& out) {
  if (found.not_compared.empty()) return;
  out << "<section><h2>Not compared</h2>\n";
  for (const NotComparedGroup& group : by_reason(found)) {
    out << fmt::format("<details{}><summary>{} ({})</summary><ul>\n",
                       group.what.size() <= 10 ? " open" : "", html_text(group.reason),
                       group.what.size());
    for (const std::string& what : group.what) out << "<li>" << html_text(what) << "</li>\n";
    out << "</ul></details>\n";
  }
  out << "</section>\n";
}

}  // namespace

void write_comparison_html(const RunComparison& found, std::ostream& out) {
  std::vector<std::string> labels;
  for (const ComparedRun& run : found.runs) {
    if (std::ranges::find(labels, run.folder) == labels.end()) labels.push_back(run.folder);
  }
  const std::string title = html_text(fmt::format("{}", fmt::join(labels, " against ")));
  out << "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
         "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
         "'unsafe-inline'\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<title>"
      << title << "</title>\n<style>" << embedded::page_css() << "</style>\n</head>\n<body>\n"
      << "<header><p class=\"product\">Longreach</p><h1>" << title << "</h1>\n";
  out << "</header>\n<main>\n";
  write_runs(found, out);
  write_table(found, out);
  write_not_compared(found, out);
  out << "<section><h2>Again</h2><pre>" << html_text(found.command)
      << "</pre></section>\n</main>\n</body>\n</html>\n";
}

}  // namespace longreach::reports
