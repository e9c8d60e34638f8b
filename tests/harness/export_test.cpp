// `export`: from a folder, a store that went on, or files alone, into every format.
#include <catch2/catch.hpp>
#include <sstream>

#include "command.h"
#include "core/error.h"
#include "harness/results.h"
#include "reports/csv.h"
#include "reports/report.h"
#include "stored.h"

using namespace longreach;
using namespace longreach::tests;
using Catch::Matchers::Contains;

namespace {

namespace fs = std::filesystem;

Outcome measured(const std::string& backend, const std::string& task, i64 length, double value) {
  Outcome made = outcome(backend + "-" + task + "-" + std::to_string(length), value);
  made.info.backend = backend;
  made.info.baseline = backend == "full";
  made.info.model = "reader";
  made.info.task = task;
  made.info.context_length = length;
  made.info.run_id = "study@1";
  made.info.started_at = "2026-01-02T03:04:05Z";
  made.findings.measurements.resize(1);
  made.findings.measurements[0].metric = task + "/token";
  made.findings.measurements[0].ci_method = "said \"so\", twice\nover";
  return made;
}

/// A folder with a finished study of two backends at two lengths, a cell of which failed, and its
/// reports.
class Study {
 public:
  explicit Study(const std::string& name = "study") : name_(name) {
    fs::create_directories(path());
    Store store(path(), Store::Open::create);
    std::vector<Outcome> found{
        measured("full", "perplexity", 512, 2.5), measured("full", "perplexity", 4096, 3.5),
        measured("window", "perplexity", 512, 2.25), measured("window", "perplexity", 4096, 0)};
    found[3].info.status = Status::oom;
    found[3].info.reason = "wanted 9 GiB";
    found[3].findings = {};
    std::vector<std::string> plan;
    for (const Outcome& one : found) {
      store.finish(one);
      plan.push_back(one.info.cell_id);
    }
    plan.push_back("never run");
    store.set_plan(plan);
    store.set_meta("name", name);
    store.set_meta("seed", "1");
    write_reports(read_results(store), path());
  }

  std::string path() const { return folder_ / name_; }
  std::string file(const std::string& name) const { return read_file(fs::path(path()) / name); }
  /// Exports from the folder, and must succeed.
  std::string exported(const std::string& options) const {
    const Run run = run_command("export " + path() + " " + options);
    INFO(run.err);
    CHECK(run.exit_code == 0);
    CHECK(run.err.empty());
    return run.out;
  }
  void refuses(const std::string& options, const std::string& words) const {
    require_refused(run_command("export " + path() + " " + options), words);
  }

 private:
  TempFolder folder_;
  std::string name_;
};

std::size_t lines(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

std::vector<Record> read_back(const std::string& csv) {
  std::istringstream in(csv);
  return reports::read_csv(in);
}

}  // namespace

TEST_CASE("Without a choice, csv and jsonl are the run's own files") {
  const Study study;
  CHECK(study.exported("--format csv") == study.file("records.csv"));
  CHECK(study.exported("--format jsonl") == study.file("records.jsonl"));
  CHECK(study.exported("--format jsonl --what samples") == study.file("samples.jsonl"));
  CHECK(study.exported("--format jsonl --what curves") == study.file("curves.jsonl"));
  CHECK(study.file("samples.jsonl").size() > 100);
  CHECK(study.file("curves.jsonl").size() > 100);
}

TEST_CASE("A run writes no tables unasked") {
  const Study study;
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(study.path())) {
    names.push_back(entry.path().filename().string());
  }
  for (const std::string unasked : {"tables.md", "tables.tex", "benchmark.json", "results.json"}) {
    CHECK(std::ranges::find(names, unasked) == names.end());
  }
}

TEST_CASE("Records that the store has gone beyond are not exported") {
  const Study study;
  {
    Store store(study.path(), Store::Open::existing);
    Outcome again = measured("full", "perplexity", 512, 2.75);
    again.info.started_at = "2026-02-02T03:04:05Z";
    store.finish(again);
  }
  CHECK_THAT(study.exported("--format csv --backends full --lengths 512"), Contains(",2.75,"));
  {
    Store store(study.path(), Store::Open::existing);
    Outcome late = measured("late", "perplexity", 512, 1.25);
    store.finish(late);
    std::vector<std::string> plan = store.plan();
    plan.push_back(late.info.cell_id);
    store.set_plan(plan);
  }
  CHECK_THAT(study.exported("--format csv --backends late"), Contains(",1.25,"));
  {
    Store store(study.path(), Store::Open::existing);
    std::vector<std::string> plan = store.plan();
    write_reports(read_results(store), study.path());
    std::erase(plan, "window-perplexity-512");
    store.set_plan(plan);
  }
  CHECK(study.exported("--format csv").find("window-perplexity-512") == std::string::npos);
  const std::string before = study.exported("--format csv");
  write_file(study.path() + "/records.jsonl", study.file("records.jsonl").substr(0, 300));
  CHECK(study.exported("--format csv") == before);
  fs::remove(study.path() + "/records.jsonl");
  CHECK(study.exported("--format csv") == before);
}

TEST_CASE("The data files alone, or a records file alone, export the same as the whole folder") {
  const Study study;
  const std::string csv = study.exported("--format csv"),
                    table = study.exported("--format markdown"),
                    samples = study.exported("--format csv --what samples");
  fs::remove(study.path() + "/store.sqlite");
  CHECK(study.exported("--format csv") == csv);
  CHECK(study.exported("--format markdown") == table);
  CHECK(study.exported("--format csv --what samples") == samples);
  for (const std::string name : {"/records.csv", "/records.jsonl"}) {
    const Run run = run_command("export " + study.path() + name + " --format csv");
    CHECK(run.exit_code == 0);
    CHECK(run.out == csv);
  }
  require_refused(run_command("export " + study.path() + "/records.csv --format samples"),
                  "records.csv: has records alone; samples.jsonl lies in a run's folder");
  fs::remove(study.path() + "/curves.jsonl");
  study.refuses("--format csv --what curves", "study: has no curves.jsonl");
}

TEST_CASE("Only what is chosen is exported, of samples and curves too") {
  const Study study;
  const std::string both = study.exported("--format csv --lengths 4k");
  CHECK(lines(both) == 3 + 1);  // a field has a line end
  CHECK_THAT(both, Contains(",oom,wanted 9 GiB,"));
  const std::vector<Record> chosen = read_back(study.exported("--format csv --backends window"));
  REQUIRE(chosen.size() >= 2);
  for (const Record& record : chosen) CHECK(record.cell.backend == "window");
  // A cell without measurements stays whatever metrics are chosen.
  CHECK(read_back(study.exported("--format csv --backends window --metrics perplexity/token"))
            .size() == 2);
  CHECK(study.exported("--format jsonl --models reader --tasks perplexity") ==
        study.file("records.jsonl"));
  for (const std::string what : {"samples", "curves"}) {
    const std::string text =
        study.exported("--format jsonl --backends full --lengths 512 --what " + what);
    CHECK(lines(text) == 1);
    CHECK_THAT(text, Contains("full-perplexity-512"));
  }
}

TEST_CASE("A choice of what was not found is refused with what was meant") {
  const Study study;
  study.refuses("--format csv --backends windw",
                "--backends windw: not among what was found; did "
                "you mean 'window'?");
  study.refuses("--format csv --tasks passkey", "--tasks passkey: not among what was found");
  study.refuses("--format csv --models writer", "--models writer: not among");
  study.refuses("--format csv --metrics perplexity/tokn", "did you mean 'perplexity/token'?");
  study.refuses("--format csv --lengths 1k", "--lengths 1024: not among what was found");
  study.refuses("--format csv --lengths long", "--lengths long: not a number of tokens");
  study.refuses("--format csv --backends late,full", "--backends late");
}

TEST_CASE("An unknown format lists those there are, and what is no run is refused") {
  const Study study;
  study.refuses("--format docx",
                "--format docx: unknown; known: csv, curves, gbench, html, jsonl, "
                "latex, lm-eval, markdown, samples");
  study.refuses("--format latex --what samples", "--format latex has no such rows; csv and jsonl");
  study.refuses("--format gbench", "gbench: no record is a time");
  study.refuses("--format csv --what questions", "--what");
  study.refuses("", "--format");
  require_refused(run_command("export --format csv"), "sources");
  require_refused(run_command("export no-such --format csv"), "no-such: no such folder or file");
  require_refused(run_command("export configs --format csv"),
                  "configs: has no store.sqlite, records.jsonl or records.csv");
  require_refused(run_command("export README.md --format csv"),
                  "README.md: records line 1: not a JSON object");
}

TEST_CASE("Every format writes something of a study, and only where --output says") {
  const Study study;
  for (const std::string format :
       {"csv", "curves", "html", "jsonl", "latex", "markdown", "samples"}) {
    INFO(format);
    const std::string text = study.exported("--format " + format);
    CHECK(text.size() > 10);
    CHECK(study.exported("--format " + format + " --output " + study.path() + "/x." + format) ==
          study.path() + "/x." + format + "\n");
    CHECK(study.file("x." + format) == text);
  }
  CHECK_THAT(study.exported("--format html"), Contains("study"));
}

TEST_CASE("A folder takes one file, or one for each model of lm-eval") {
  const Study study;
  CHECK(study.exported("--format latex --output " + study.path() + "/new/") ==
        study.path() + "/new/tables.tex\n");
  CHECK(study.file("new/tables.tex") == study.exported("--format latex"));
  CHECK(study.exported("--format lm-eval --output " + study.path() + "/new") ==
        study.path() + "/new/reader__full/results_2026-01-02T03-04-05Z.json\n" + study.path() +
            "/new/reader__window/results_2026-01-02T03-04-05Z.json\n");
  CHECK(study.file("new/reader__full/results_2026-01-02T03-04-05Z.json") ==
        study.exported("--format lm-eval --backends full"));
}

TEST_CASE("What cannot be exported leaves the file that was there, and a full disk is no misuse") {
  const Study study;
  const std::string path = study.path() + "/mine.json";
  write_file(path, "mine");
  study.refuses("--format lm-eval --output " + path, "here are 2 (reader__full, reader__window)");
  CHECK(read_file(path) == "mine");
  const Run run = run_command("export " + study.path() + " --format csv --output /proc/none/x");
  CHECK(run.exit_code == 1);
  CHECK_THAT(run.err, Contains("/proc/none/x: cannot be written"));
  CHECK(run_command("export " + study.path() + " --format csv --output /proc/none/").exit_code ==
        1);
}

TEST_CASE("A damaged cell is left out, told of, and makes exit code 1") {
  const Study study;
  execute(study.path() + "/store.sqlite",
          "UPDATE measurements SET json = replace(json, '2.5', '9.5') "
          "WHERE cell_id = 'full-perplexity-512'");
  const Run run = run_command("export " + study.path() + " --format csv");
  CHECK(run.exit_code == 1);
  CHECK_THAT(run.err, Contains("full-perplexity-512"));
  CHECK(run.out.find("full-perplexity-512") == std::string::npos);
  CHECK_THAT(run.out, Contains("window-perplexity-512"));
}

TEST_CASE("A manifest that is none is refused where there is no store") {
  const Study study;
  fs::remove(study.path() + "/store.sqlite");
  write_file(study.path() + "/manifest.json", "{\"name\":");
  study.refuses("--format csv", "manifest.json: not a JSON object");
}

TEST_CASE("Several runs are exported together, and tables keep their rows apart") {
  const Study study, other("other");
  {
    Store store(other.path(), Store::Open::existing);
    Outcome again = measured("full", "perplexity", 512, 2.75);
    again.info.run_id = "other@2";
    store.finish(again);
  }
  const std::string csv = study.exported(other.path() + " --format csv");
  CHECK(read_back(csv).size() == read_back(study.exported("--format csv")).size() +
                                     read_back(other.exported("--format csv")).size());
  const std::string table = study.exported(other.path() + " --format markdown");
  CHECK_THAT(table, Contains("# `study, other`"));
  CHECK_THAT(table, Contains("| `full` `study@1` |"));
  CHECK_THAT(table, Contains("| `full` `other@2` |"));
}

TEST_CASE("What is given twice, or is no file, is refused") {
  const Study study;
  study.refuses(study.path() + "/. --format csv", "is given twice");
  study.refuses("/dev/zero --format csv", "neither a run's output folder nor a file of records");
}

TEST_CASE("Formats that do not say which run a cell is of refuse a cell of two runs") {
  const Study study, other("other");
  for (const std::string format : {"html", "lm-eval --output x/", "gbench"}) {
    study.refuses(other.path() + " --format " + format, "have results of the same cells");
  }
}

TEST_CASE("The help and the list name the formats") {
  const Run help = run_command("export --help");
  CHECK(help.exit_code == 0);
  for (const std::string& name : reports::ReportRegistry::instance().names()) {
    CHECK_THAT(help.out, Contains(name));
    CHECK_THAT(run_command("list").out, Contains(name));
  }
}
