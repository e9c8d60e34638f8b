// GitHub's Markdown: a table of backends by context length for each task.
#include <algorithm>
#include <string>

#include "core/error.h"
#include "reports/columns.h"
#include "reports/escapes.h"
#include "reports/report.h"
#include "reports/score_tables.h"

namespace longreach::reports {
namespace {

/// "0.980 [0.950, 0.992]", with "(n = 40)" where the numbers of a table have unlike n.
std::string score_text(const std::optional<Score>& score, int decimals, bool tell_n) {
  if (!score) return "";
  if (score->status != Status::ok) {
    return std::string(EnumNames<Status>::names[static_cast<std::size_t>(score->status)]);
  }
  if (!score->value) return "none";
  std::string text = number_text(*score->value, decimals);
  const auto end = [decimals](const std::optional<double>& value) {
    return value ? number_text(*value, decimals) : std::string("…");
  };
  if (score->ci_low || score->ci_high) {
    text += fmt::format(" [{}, {}]", end(score->ci_low), end(score->ci_high));
  }
  if (tell_n && score->n) text += fmt::format(" (n = {})", *score->n);
  return text;
}

std::string heading(const ScoreTable& table) {
  std::string text = "## " + markdown_code(table.task, false);
  if (!table.model.empty()) text += ", model " + markdown_code(table.model, false);
  if (!table.metric.empty()) text += ": " + markdown_code(table.metric, false);
  if (!table.unit.empty() && table.unit != "1") text += " in " + markdown_code(table.unit, false);
  return text;
}

/// What all numbers of a table have in common.
std::string remarks(const ScoreTable& table) {
  std::vector<std::string> told;
  if (table.higher_is_better) {
    told.push_back(*table.higher_is_better ? "higher is better" : "lower is better");
  }
  if (const auto n = table.common_n()) told.push_back(fmt::format("n = {}", *n));
  const std::vector<std::string> methods = table.methods();
  for (const std::string& method : methods) {
    told.push_back((method == methods.front() ? "intervals: " : "") + markdown_code(method, false));
  }
  return fmt::format("{}", fmt::join(told, "; "));
}

class Markdown final : public Report {
 public:
  struct Params {
    Scores scores = Scores::main;
    void fields(Fields& f) {
      f("scores", scores, "a table for each task's main score, or for every metric");
    }
  };
  explicit Markdown(const Params& params) : params_(params) {}

  std::string file_name() const override { return "tables.md"; }
  bool of_every_run() const override { return false; }

  void write(const Results& results, std::ostream& out) const override {
    out << "# " << markdown_code(results.title.empty() ? "Longreach" : results.title, false)
        << "\n\nBy context length in tokens.\n";
    for (const ScoreTable& table : score_tables(results.records, params_.scores)) {
      write_table(table, out);
    }
  }

 private:
  static void write_table(const ScoreTable& table, std::ostream& out) {
    out << '\n' << heading(table) << "\n\n";
    if (const std::string told = remarks(table); !told.empty()) out << told << "\n\n";
    out << "| backend |";
    for (const auto& length : table.lengths) out << ' ' << length_text(length) << " |";
    out << "\n|---|";
    for (std::size_t i = 0; i < table.lengths.size(); ++i) out << "--:|";
    out << '\n';
    const int decimals = table.decimals();
    const bool tell_n = !table.common_n();
    for (const ScoreTable::Row& row : table.rows) {
      out << "| " << markdown_code(row.backend, true)
          << (row.run.empty() ? "" : " " + markdown_code(row.run, true)) << " |";
      for (const auto& score : row.scores) {
        out << ' ' << score_text(score, decimals, tell_n) << " |";
      }
      out << '\n';
    }
  }

  Params params_;
};

const Registered<ReportRegistry, Markdown> registered{
    "markdown", "GitHub tables: backends by context length, with intervals and n"};

}  // namespace
}  // namespace longreach::reports
