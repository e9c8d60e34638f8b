// What `compare` found as Markdown, for a pull request or a CI summary.
#include <algorithm>
#include <fmt/ranges.h>

#include "core/error.h"
#include "reports/comparison.h"
#include "reports/escapes.h"

namespace longreach::reports {
namespace {

constexpr std::size_t kNamed = 10;

bool among(const std::vector<std::size_t>& places, std::size_t place) {
  return std::ranges::find(places, place) != places.end();
}

void write_row(const std::vector<std::string>& cells, std::ostream& out) {
  out << '|';
  for (const std::string& cell : cells) out << ' ' << cell << " |";
  out << '\n';
}

void write_table(const ComparisonText& table, const RunComparison& found, std::ostream& out) {
  write_row(table.head, out);
  out << '|';
  for (std::size_t i = 0; i < table.head.size(); ++i) {
    out << (among(table.numbers, i) ? " --: |" : " --- |");
  }
  out << '\n';
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    std::vector<std::string> cells = table.rows[i];
    for (std::size_t k = 0; k < cells.size(); ++k) {
      const bool name = k < table.keys && !among(table.numbers, k);
      if (name) cells[k] = markdown_code(cells[k], true);
      if (found.rows[i].significant && !cells[k].empty()) cells[k] = "**" + cells[k] + "**";
    }
    write_row(cells, out);
  }
}

}  // namespace

void write_comparison_markdown(const RunComparison& found, std::ostream& out) {
  for (const ComparedRun& run : found.runs) {
    out << fmt::format("- {}: {} ({}; {})\n", run.label, markdown_code(run.folder, false),
                       markdown_code(run.name, false),
                       markdown_code(fmt::format("{}", fmt::join(run.builds, ", ")), false));
  }
  const ComparisonText table = comparison_text(found);
  out << "\n**" << comparison_summary(found) << "**\n\n";
  if (!table.constant.empty()) out << markdown_code(table.constant, false) << "\n\n";
  write_table(table, found, out);
  out << '\n' << comparison_method(found) << ". Bold: significant.\n";
  for (const NotComparedGroup& group : by_reason(found)) {
    out << fmt::format("\nNot compared, {} ({}):\n\n", group.reason, group.what.size());
    for (std::size_t i = 0; i < std::min(kNamed, group.what.size()); ++i) {
      out << "- " << markdown_code(group.what[i], false) << '\n';
    }
    if (group.what.size() > kNamed)
      out << fmt::format("- and {} more\n", group.what.size() - kNamed);
  }
  for (const std::string& note : comparison_notes(found)) out << '\n' << note << ".\n";
}

}  // namespace longreach::reports
