// `export`: what runs found, in the formats of others.
#include "harness/export_command.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/units.h"
#include "harness/cli.h"
#include "harness/config.h"
#include "harness/export_source.h"
#include "reports/report.h"

namespace longreach::harness {
namespace {

namespace fs = std::filesystem;

std::string formats() {
  return fmt::format("{}", fmt::join(reports::ReportRegistry::instance().names(), ", "));
}

/// The report asked for, with its parameters `what` and `scores` as the request has them.
std::unique_ptr<reports::Report> report_of(const ExportRequest& request) {
  const auto& entries = reports::ReportRegistry::instance().entries();
  const auto entry = entries.find(request.format);
  if (entry == entries.end()) {
    throw error("--format {}: unknown; known: {}", request.format, formats());
  }
  std::set<std::string> keys;
  for (const FieldDescription& field : describe(entry->second.visit_defaults)) {
    keys.insert(field.key);
  }
  if (!request.what.empty() && request.what != "records" && !keys.contains("what")) {
    throw error("--what {}: --format {} has no such rows; csv and jsonl have", request.what,
                request.format);
  }
  std::vector<std::string> set;
  if (!request.what.empty() && keys.contains("what")) set.push_back("what: " + request.what);
  if (!request.metrics.empty() && keys.contains("scores")) set.emplace_back("scores: all");
  std::unique_ptr<reports::Report> report;
  visit_params(fmt::format("{}", fmt::join(set, ", ")),
               [&](Fields& reader) { report = entry->second.make(reader); });
  return report;
}

/// Some of a record's names, all of them when nothing was chosen.
class Choice {
 public:
  /// `base`: also the name that a sweep made several of, as in a configuration.
  Choice(const char* flag, const std::vector<std::string>& wanted, bool base)
      : flag_(flag), wanted_(wanted), base_(base), used_(wanted.size()) {}

  bool takes(const std::string& name) {
    if (std::ranges::find(seen_, name) == seen_.end()) seen_.push_back(name);
    bool taken = wanted_.empty();
    for (std::size_t i = 0; i < wanted_.size(); ++i) {
      const bool fits = base_ ? named(name, wanted_[i]) : name == wanted_[i];
      used_[i] = used_[i] || fits;
      taken |= fits;
    }
    return taken;
  }

  /// Throws Error when one of those wanted was never seen.
  void finish() const {
    for (std::size_t i = 0; i < wanted_.size(); ++i) {
      if (used_[i]) continue;
      throw error("{} {}: not among what was found{}", flag_, wanted_[i],
                  suggestion(wanted_[i], seen_));
    }
  }

 private:
  const char* flag_;
  const std::vector<std::string>& wanted_;
  bool base_;
  std::vector<bool> used_;
  std::vector<std::string> seen_;
};

std::vector<std::string> plain_lengths(const std::vector<std::string>& lengths) {
  std::vector<std::string> plain;
  for (const std::string& text : lengths) {
    const std::optional<i64> length = parse_integer(text, Unit::count);
    if (!length) throw error("--lengths {}: not a number of tokens, such as 512 or 4k", text);
    plain.push_back(fmt::format("{}", *length));
  }
  return plain;
}

/// Leaves in each source the records chosen.
void choose(std::vector<ExportSource>& sources, const ExportRequest& request) {
  const std::vector<std::string> wanted_lengths = plain_lengths(request.lengths);
  Choice models("--models", request.models, true), backends("--backends", request.backends, true),
      tasks("--tasks", request.tasks, true), lengths("--lengths", wanted_lengths, false),
      metrics("--metrics", request.metrics, false);
  for (ExportSource& source : sources) {
    std::erase_if(source.records, [&](const Record& record) {
      const CellInfo& cell = record.cell;
      const std::string& metric = record.measurement.metric;
      const std::string length =
          cell.context_length ? fmt::format("{}", *cell.context_length) : "none";
      // Each is asked, so that each has seen every name.
      const bool a = models.takes(cell.model), b = backends.takes(cell.backend),
                 c = tasks.takes(cell.task), d = lengths.takes(length),
                 e = metric.empty() || metrics.takes(metric);
      return !(a && b && c && d && e);
    });
  }
  for (const Choice* choice : {&models, &backends, &tasks, &lengths, &metrics}) choice->finish();
}

/// For formats that name what is measured by its cell, without the run: the numbers of two runs of
/// one experiment would pass for one's.
void require_distinct_cells(const std::vector<ExportSource>& sources,
                            const ExportRequest& request) {
  std::map<std::string, std::size_t> owners;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    for (const Record& record : sources[i].records) {
      const auto [owner, added] = owners.try_emplace(record.cell.cell_id, i);
      if (added || owner->second == i) continue;
      throw error(
          "--format {}: {} and {} have results of the same cells, which it does not tell apart; "
          "export them one at a time, or hold them against each other with compare",
          request.format, request.sources[owner->second], request.sources[i]);
    }
  }
}

std::string joined(const std::vector<ExportSource>& sources, std::string ExportSource::*text,
                   const char* between) {
  std::vector<std::string> texts;
  for (const ExportSource& source : sources) {
    if (std::ranges::find(texts, source.*text) == texts.end()) texts.push_back(source.*text);
  }
  return fmt::format("{}", fmt::join(texts, between));
}

/// Rows of all sources whose cells are still among the records; views `sources`.
template <class Row>
reports::Rows<Row> rows_of_chosen(const std::vector<ExportSource>& sources,
                                  reports::Rows<Row> (ExportSource::*rows)() const) {
  return reports::Rows<Row>([&sources, rows](const auto& use) {
    for (const ExportSource& source : sources) {
      std::set<std::string> cells;
      for (const Record& record : source.records) cells.insert(record.cell.cell_id);
      (source.*rows)().each([&](const Row& row) {
        if (cells.contains(row.cell_id)) use(row);
      });
    }
  });
}

/// Views `sources`.
reports::Results results_of(const std::vector<ExportSource>& sources) {
  return {.title = joined(sources, &ExportSource::name, ", "),
          .configuration = joined(sources, &ExportSource::configuration, "\n---\n"),
          .manifest = sources.front().manifest,
          .command = joined(sources, &ExportSource::command, "; "),
          .records = reports::Rows<Record>([&sources](const auto& use) {
            for (const ExportSource& source : sources) {
              for (const Record& record : source.records) use(record);
            }
          }),
          .samples = rows_of_chosen<SampleRecord>(sources, &ExportSource::samples),
          .curves = rows_of_chosen<Curve>(sources, &ExportSource::curves)};
}

void write(const reports::Report& report, const reports::Results& results,
           const std::string& output, std::ostream& out) {
  if (output.empty()) {
    report.write(results, out);
  } else if (output.ends_with('/') || fs::is_directory(output)) {
    for (const reports::File& file : report.files(results)) {
      const fs::path path = fs::path(output) / file.path;
      std::error_code failure;
      fs::create_directories(path.parent_path(), failure);
      replace_file(path.string(), file.content);
      out << path.string() << '\n';
    }
  } else {
    replace_file(output, [&](std::ostream& file) { report.write(results, file); });
    out << output << '\n';
  }
}

}  // namespace

void add_export(CLI::App& app, ExportRequest& request) {
  CLI::App* command = app.add_subcommand("export", "turn what runs found into other formats");
  command
      ->add_option("sources", request.sources,
                   "output folders of runs, or files such as records.csv and records.jsonl")
      ->required();
  command->add_option("--format", request.format, "one of " + formats())->required();
  command->add_option("--output", request.output,
                      "a file, or a folder (ends in / when new), instead of standard output");
  command->add_option("--what", request.what, "rows of csv and jsonl: records, samples or curves")
      ->check(CLI::IsMember({"records", "samples", "curves"}));
  const auto list = [command](const char* flag, std::vector<std::string>& values, const char* doc) {
    command->add_option(flag, values, doc)->delimiter(',')->allow_extra_args(false);
  };
  list("--models", request.models, "only these, by name");
  list("--backends", request.backends, "only these, by name");
  list("--tasks", request.tasks, "only these, by name");
  list("--lengths", request.lengths, "only these context lengths: 512,4k");
  list("--metrics", request.metrics, "only these: passkey/exact_match,questions/f1");
}

int export_command(const ExportRequest& request, std::ostream& out) {
  const std::unique_ptr<reports::Report> report = report_of(request);
  std::vector<ExportSource> sources;
  for (const std::string& path : request.sources) {
    const auto same = [&](const std::string& other) {
      std::error_code failure;
      return fs::equivalent(path, other, failure);
    };
    if (std::any_of(request.sources.begin(), request.sources.begin() + std::ssize(sources), same)) {
      throw error("export: {} is given twice", path);
    }
    const ExportSource& source = sources.emplace_back(path);
    for (const std::string rows : {"samples", "curves"}) {
      if (request.what == rows || request.format == rows) source.require(rows + ".jsonl");
    }
  }
  choose(sources, request);
  if (std::ranges::all_of(sources, [](const auto& one) { return one.records.empty(); })) {
    throw error("export: nothing to export; no record is of all that was chosen");
  }
  if (!report->tells_runs_apart()) require_distinct_cells(sources, request);
  write(*report, results_of(sources), request.output, out);
  const bool damaged = std::ranges::any_of(sources, &ExportSource::damaged);
  return damaged ? kExitCellFailed : kExitOk;
}

}  // namespace longreach::harness
