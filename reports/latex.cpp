// LaTeX: a booktabs table of backends by context length for each task.
#include <cstdint>
#include <map>
#include <string>

#include "core/error.h"
#include "reports/columns.h"
#include "reports/report.h"
#include "reports/score_tables.h"

namespace longreach::reports {
namespace {

/// The code point that begins at `at`, which is moved behind it.
char32_t next_code_point(const std::string& text, std::size_t& at) {
  const auto byte = static_cast<unsigned char>(text[at++]);
  if (byte < 0x80) return byte;
  const int more = byte >= 0xF0 ? 3 : byte >= 0xE0 ? 2 : 1;
  char32_t point = byte & (0x3F >> more);
  for (int i = 0; i < more; ++i)
    point = point << 6 | (static_cast<unsigned char>(text[at++]) & 0x3F);
  return point;
}

/// Text from data, every special character as its command. Letters of Latin-1 stay, which T1 has;
/// of others pdfLaTeX has none, so their code points are told. Braces keep \\ from taking what
/// follows for its star or its option, and hyphens from becoming dashes.
std::string escaped(const std::string& raw) {
  static const std::map<char32_t, std::string> commands{{U'\\', "\\textbackslash{}"},
                                                        {U'{', "\\{"},
                                                        {U'}', "\\}"},
                                                        {U'$', "\\$"},
                                                        {U'&', "\\&"},
                                                        {U'#', "\\#"},
                                                        {U'%', "\\%"},
                                                        {U'_', "\\_"},
                                                        {U'^', "\\textasciicircum{}"},
                                                        {U'~', "\\textasciitilde{}"},
                                                        {U'<', "\\textless{}"},
                                                        {U'>', "\\textgreater{}"},
                                                        {U'|', "\\textbar{}"},
                                                        {U'"', "\\textquotedbl{}"},
                                                        {U'\'', "\\textquotesingle{}"},
                                                        {U'`', "\\textasciigrave{}"},
                                                        {U'*', "{*}"},
                                                        {U'-', "{-}"},
                                                        {U',', "{,}"},
                                                        {U'[', "{[}"},
                                                        {U']', "{]}"}};
  const std::string text = valid_utf8(raw);
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const char32_t point = next_code_point(text, at);
    if (const auto command = commands.find(point); command != commands.end()) {
      out += command->second;
    } else if (point < 0x20 || point == 0x7F) {
      out += ' ';
    } else if (point < 0x7F || (point >= 0xC0 && point <= 0xFF && point != 0xD7 && point != 0xF7)) {
      out += text.substr(begin, at - begin);
    } else {
      out += fmt::format("{{[}}U+{:04X}{{]}}", static_cast<std::uint32_t>(point));
    }
  }
  return out;
}

/// A number within math; "1.5e-09" as a power of ten.
std::string math(double value, int decimals) {
  const std::string text = number_text(value, decimals);
  const std::size_t e = text.find('e');
  if (e == std::string::npos) return text;
  return fmt::format("{}\\times 10^{{{}}}", text.substr(0, e), std::stoi(text.substr(e + 1)));
}

/// As papers write it in subscripts, to save room: ".950" for "0.950".
std::string without_zero(const std::string& text) {
  if (text.starts_with("0.")) return text.substr(1);
  return text.starts_with("-0.") ? "-" + text.substr(2) : text;
}

/// "$0.980_{[.950,.992]}$", with n in the subscript where a table's numbers differ in it.
std::string score_text(const std::optional<Score>& score, int decimals, bool tell_n) {
  if (!score) return "";
  if (score->status != Status::ok) {
    const auto name = EnumNames<Status>::names[static_cast<std::size_t>(score->status)];
    return fmt::format("\\emph{{{}}}", name);
  }
  if (!score->value) return "--";
  const auto end = [decimals](const std::optional<double>& value) {
    return value ? without_zero(math(*value, decimals)) : std::string("\\ldots");
  };
  std::string below;
  if (score->ci_low || score->ci_high) {
    below = fmt::format("[{},{}]", end(score->ci_low), end(score->ci_high));
  }
  if (tell_n && score->n) below += fmt::format("{}n={}", below.empty() ? "" : "\\;", *score->n);
  return fmt::format("${}{}$", math(*score->value, decimals),
                     below.empty() ? "" : fmt::format("_{{{}}}", below));
}

std::string caption(const ScoreTable& table) {
  std::string text = escaped(table.metric.empty() ? table.task : table.metric);
  std::vector<std::string> told;
  if (!table.unit.empty() && table.unit != "1") told.push_back("in " + escaped(table.unit));
  if (table.higher_is_better) {
    told.push_back(*table.higher_is_better ? "higher is better" : "lower is better");
  }
  if (!told.empty()) text += fmt::format(" ({})", fmt::join(told, ", "));
  if (!table.metric.empty()) text += " of task " + escaped(table.task);
  if (!table.model.empty()) text += ", model " + escaped(table.model);
  text += ", by context length in tokens.";
  if (const auto n = table.common_n()) text += fmt::format(" $n={}$.", *n);
  std::vector<std::string> methods = table.methods();
  for (std::string& method : methods) method = escaped(method);
  if (!methods.empty()) text += fmt::format(" Intervals: {}.", fmt::join(methods, "; "));
  return text;
}

/// Columns beyond which numbers are set smaller: about five fit into 345 pt, article's text width.
constexpr std::size_t kWide = 3;

/// Letters, digits and hyphens alone; unlike names may give one label.
std::string label(const ScoreTable& table) {
  std::string text;
  for (const char c : table.model + "-" + table.task + "-" + table.metric) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (plain) text += c;
    if (!plain && !text.ends_with('-')) text += '-';
  }
  return text;
}

class Latex final : public Report {
 public:
  struct Params {
    Scores scores = Scores::main;
    void fields(Fields& f) {
      f("scores", scores, "a table for each task's main score, or for every metric");
    }
  };
  explicit Latex(const Params& params) : params_(params) {}

  std::string file_name() const override { return "tables.tex"; }
  bool of_every_run() const override { return false; }

  void write(const Results& results, std::ostream& out) const override {
    out << "% \\usepackage{booktabs}, \\usepackage[T1]{fontenc}\n";
    std::map<std::string, int> labels;
    for (const ScoreTable& table : score_tables(results.records, params_.scores)) {
      std::string name = label(table);
      if (const int before = labels[name]++; before > 0) name += fmt::format("-{}", before + 1);
      write_table(table, name, out);
    }
  }

 private:
  static void write_table(const ScoreTable& table, const std::string& name, std::ostream& out) {
    const std::size_t columns = table.lengths.size();
    out << "\n\\begin{table}[tb]\n  \\centering\n  \\caption{" << caption(table)
        << "}\n  \\label{tab:" << name << "}\n  \\" << (columns > kWide ? "footnotesize" : "small")
        << "\n  \\setlength{\\tabcolsep}{" << (columns > kWide ? 3 : 5)
        << "pt}\n  \\begin{tabular}{@{}l" << std::string(columns, 'r')
        << "@{}}\n    \\toprule\n    Backend";
    for (const auto& length : table.lengths) out << " & " << length_text(length);
    out << " \\\\\n    \\midrule\n";
    const int decimals = table.decimals();
    const bool tell_n = !table.common_n();
    for (const ScoreTable::Row& row : table.rows) {
      out << "    " << escaped(row.backend);
      if (!row.run.empty()) out << " (" << escaped(row.run) << ')';
      for (const auto& score : row.scores) out << " & " << score_text(score, decimals, tell_n);
      out << " \\\\\n";
    }
    out << "    \\bottomrule\n  \\end{tabular}\n\\end{table}\n";
  }

  Params params_;
};

const Registered<ReportRegistry, Latex> registered{
    "latex", "booktabs tables: backends by context length, with intervals and n"};

}  // namespace
}  // namespace longreach::reports
