// LaTeX tables: their text, and that pdflatex takes them whatever the names.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/reports/synthetic.h"
#include "tests/reports/tiny.h"

namespace longreach::reports {
namespace {

/// What pdflatex printed of a document with this in it; "" when it was content.
std::string problems_of(const std::string& tables) {
  namespace fs = std::filesystem;
  std::string folder = (fs::temp_directory_path() / "longreach-XXXXXX").string();
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  std::ofstream(folder + "/tables.tex", std::ios::binary) << tables;
  std::ofstream(folder + "/paper.tex")
      << "\\documentclass{article}\\usepackage{booktabs}\\usepackage[T1]{fontenc}\n"
         "\\begin{document}\\input{tables}\\end{document}\n";
  const std::string line = "cd " + folder +
                           " && pdflatex -draftmode -no-shell-escape -interaction=nonstopmode "
                           "-halt-on-error paper >out 2>&1 </dev/null";
  std::string told;
  if (std::system(line.c_str()) != 0) {
    std::ifstream out(folder + "/out");
    told.assign(std::istreambuf_iterator<char>(out), {});
    if (told.empty()) told = "pdflatex said nothing";
  }
  fs::remove_all(folder);
  return told;
}

TEST_CASE("LaTeX has a booktabs table with caption, label, intervals and statuses") {
  const Tiny made = tiny();
  CHECK(
      written("latex", made.results()) ==
      "% \\usepackage{booktabs}, \\usepackage[T1]{fontenc}\n"
      "\n"
      "\\begin{table}[tb]\n"
      "  \\centering\n"
      "  \\caption{passkey/exact\\_match (higher is better) of task find, model reader, by context "
      "length in tokens. $n=200$. Intervals: wilson 0.95.}\n"
      "  \\label{tab:reader-find-passkey-exact-match}\n"
      "  \\small\n"
      "  \\setlength{\\tabcolsep}{5pt}\n"
      "  \\begin{tabular}{@{}lrr@{}}\n"
      "    \\toprule\n"
      "    Backend & 512 & 4k \\\\\n"
      "    \\midrule\n"
      "    full & $0.980_{[.950,.992]}$ & \\emph{oom} \\\\\n"
      "    window & $0.200_{[.150,.261]}$ & $0.185_{[.137,.245]}$ \\\\\n"
      "    \\bottomrule\n"
      "  \\end{tabular}\n"
      "\\end{table}\n");
}

TEST_CASE("LaTeX tells n with each number where they differ, powers of ten and open intervals") {
  Tiny made = tiny();
  made.records[3].measurement.n = 40;
  made.records[3].measurement.ci_low = {};
  made.records[2].measurement.ci_low = -0.15;
  CHECK_THAT(written("latex", made.results()), Catch::Contains("$0.20_{[-.15,.26]\\;n=200}$"));
  CHECK_THAT(written("latex", made.results()), Catch::Contains("_{[\\ldots,.24]\\;n=40}$"));
  Tiny small;
  small.score("full", 512, 1.5e-9, 1e-9, 2e-9);
  CHECK_THAT(written("latex", small.results()),
             Catch::Contains("$1.5\\times 10^{-9}_{[1\\times 10^{-9},2\\times 10^{-9}]}$"));
}

TEST_CASE("Two tables of one label are told apart in LaTeX") {
  Tiny made;
  made.score("full", 512, 0.5, 0.4, 0.6).cell.task = "a b";
  made.score("full", 512, 0.5, 0.4, 0.6).cell.task = "a+b";
  const std::string text = written("latex", made.results());
  CHECK_THAT(text, Catch::Contains("{tab:reader-a-b-passkey-exact-match}"));
  CHECK_THAT(text, Catch::Contains("{tab:reader-a-b-passkey-exact-match-2}"));
}

TEST_CASE("LaTeX prints names as they are written") {
  const auto printed = [](const std::string& name) {
    Tiny made;
    made.score(name, 512, 0.5, 0.4, 0.6);
    const std::string text = written("latex", made.results());
    const std::size_t begin = text.find("\\midrule\n") + 13;
    return text.substr(begin, text.find(" & $0.50") - begin);
  };
  CHECK(printed("*best") == "{*}best");  // a star after \\ would be taken for its own
  CHECK(printed("[a]") == "{[}a{]}");
  CHECK(printed("a_b 50% #1 & {$x^2~}") ==
        "a\\_b 50\\% \\#1 \\& \\{\\$x\\textasciicircum{}2\\textasciitilde{}\\}");
  CHECK(printed("\\input{x}") == "\\textbackslash{}input\\{x\\}");
  CHECK(printed("a--b\nc") == "a{-}{-}b c");
  CHECK(printed("caf\xc3\xa9 \xe4\xb8\xad") == "caf\xc3\xa9 {[}U+4E2D{]}");
}

TEST_CASE("pdflatex takes every name and every status") {
  Tiny made = tiny();
  for (const std::string& name : hostile_names()) {
    for (const auto part : {&CellInfo::backend, &CellInfo::task, &CellInfo::model}) {
      made.score("full", 512, 0.5, 0.4, 0.6).cell.*part = name;
    }
    Measurement& m = made.score("full", 512, 1.5e-9, 1e-9, 2e-9).measurement;
    m.metric = m.unit = m.ci_method = name;
  }
  for (i64 status = 0; status < 7; ++status) {
    made.without_result("full", "find", 1 << status, static_cast<Status>(status), "no reason");
  }
  INFO("Debian's texlive-latex-recommended is needed: scripts/bootstrap");
  REQUIRE(problems_of("nothing").empty());
  CHECK(problems_of(written("latex", made.results())) == "");
  CHECK(problems_of(written("latex", synthetic().results())) == "");
  CHECK_THAT(problems_of("$"), Catch::Contains("!"));  // it would have said so
}

}  // namespace
}  // namespace longreach::reports
