// `run`, `plan` and `report`: an experiment from file to reports.
#include "harness/run_command.h"

#include <algorithm>
#include <filesystem>
#include <omp.h>
#include <unistd.h>

#include "core/error.h"
#include "core/units.h"
#include "harness/build_info.h"
#include "harness/cell_process.h"
#include "harness/cli.h"
#include "harness/interrupt.h"
#include "harness/job.h"
#include "harness/manifest.h"
#include "harness/merge.h"
#include "harness/open_run.h"
#include "harness/plan_table.h"
#include "harness/results.h"
#include "harness/summary.h"

namespace longreach::harness {
namespace {

/// What a run from a manifest does not have as it was then.
void tell_differences(const Recipe& recipe, std::ostream& out) {
  const std::vector<std::string> lines = differences(recipe);
  for (const std::string& line : lines) out << fmt::format("longreach: {}\n", line);
  if (lines.empty()) return;
  out << "longreach: another build or machine may change the last digits of results, and timings\n";
}

/// Seconds that probes take, about.
constexpr double kProbeSeconds = 1.5;

/// What a process has to do besides its cell: it is told one, and refuses it under another name.
Overhead measured_overhead(const RunRequest& request, const Experiment& experiment, Cell cell) {
  cell.id = "none";
  std::vector<std::string> arguments{"cell"};
  for (const std::string& plugin : request.options.plugins) {
    arguments.insert(arguments.end(), {"--plugin", plugin});
  }
  return probe_overhead({.arguments = std::move(arguments), .input = job_text(experiment, cell)});
}

/// Ready to predict these cells.
std::unique_ptr<Predictor> predictor_of(const RunRequest& request, const Experiment& experiment,
                                        const std::vector<Cell>& cells) {
  if (request.options.threads > 0) omp_set_num_threads(static_cast<int>(request.options.threads));
  const bool probes = request.options.probe && !cells.empty();
  auto predictor = std::make_unique<Predictor>(
      experiment, probes ? measured_overhead(request, experiment, cells[0]) : assumed_overhead());
  predictor->prepare(cells, probes ? kProbeSeconds : 0);
  return predictor;
}

/// Before all that work whose end could not be written.
void require_writable(const std::string& folder) {
  if (!std::filesystem::is_directory(folder)) return;  // which the store tells better
  try {
    AtomicFile((std::filesystem::path(folder) / "report").string());
  } catch (const WriteError& failure) {
    throw error("{}; its reports can be written from a copy of the folder", failure.what());
  }
}

int exit_code(const RunSummary& summary, const Verdict& found) {
  if (found.any_invalid) return kExitInvalid;
  return summary.not_ok > 0 || summary.invalid > 0 || !found.all_ok ? kExitCellFailed : kExitOk;
}

/// Of all files written, the one to open; the others lie beside it.
WrittenReports page_of(WrittenReports written) {
  std::erase_if(written.paths, [](const auto& path) { return !path.ends_with("report.html"); });
  return written;
}

}  // namespace

int run_command(const RunRequest& request, std::ostream& out, std::ostream& progress_out) {
  if (request.recipe) tell_differences(*request.recipe, progress_out);
  OpenRun run(request);
  const Experiment& experiment = run.experiment;
  Store& store = run.store;
  RunOptions options = request.options;
  run.write_configuration();
  options.run_id = run.run_id;
  options.interrupted = &interrupt_requested();
  const Pending pending = run.to_do(run.chosen, options);
  const i64 all = std::ssize(pending.cells);
  const i64 to_run = options.limit > 0 ? std::min(all, options.limit) : all;
  const auto predictor = predictor_of(request, experiment, pending.cells);
  options.predictor = predictor.get();
  Progress progress(progress_out, isatty(STDERR_FILENO) == 1, static_cast<std::size_t>(to_run));
  const RunSummary ran = run_cells(experiment, pending, store, options, progress);
  end_run(store, run.entry);
  if (ran.interrupted) return tell_interrupted(run, request, ran.left, progress_out);
  const StoredResults results = read_results(store);
  const WrittenReports written = page_of(write_reports(results, experiment.output));
  out << (request.table ? summary_table(results) : summary(results));
  out << fmt::format("{} cells run, {} already done, {} left\n", all - ran.left, pending.done(),
                     ran.left);
  out << left_as_is_line(pending);
  const int reports = print_reports(out, written);
  const int code = exit_code(ran, verdict(store));
  return code == kExitOk ? reports : code;
}

int plan_command(const RunRequest& request, std::ostream& out) {
  const Experiment experiment = experiment_of(request);
  const std::vector<Cell> cells = chosen_cells(request, experiment, make_plan(experiment));
  const auto predictor = predictor_of(request, experiment, cells);
  const i64 limit = memory_limit(experiment.limits);
  const i64 fit = print_plan(experiment, cells, *predictor, limit, out);
  out << fmt::format("lengths: {}\noutput: {}\n", fmt::join(experiment.lengths, ", "),
                     experiment.output);
  if (!cells.empty() && fit == 0) {
    throw error("{}: no cell fits in {}; give smaller models or lengths, or another limits.memory",
                experiment.file, format_bytes(static_cast<double>(limit)));
  }
  return kExitOk;
}

int report_command(const std::string& output, bool table, std::ostream& out) {
  require_writable(output);
  const Store store(output, Store::Open::existing);
  const StoredResults results = read_results(store);
  const WrittenReports written = write_reports(results, output);
  out << (table ? summary_table(results) : summary(results));
  const int code = print_reports(out, written);
  return store.damaged().empty() ? code : kExitCellFailed;
}

int merge_command(const MergeRequest& request, std::ostream& out) {
  const std::vector<std::string> folders =
      request.folders.empty() ? shards_in(request.output) : request.folders;
  const Merged merged = merge(request.output, folders, request.command);
  if (!merged.conflicts.empty()) {
    for (const std::string& conflict : merged.conflicts) out << "conflict: " << conflict << '\n';
    out << fmt::format(
        "{} conflicts, nothing was merged; leave out the folder that you trust less\n",
        merged.conflicts.size());
    return kExitInvalid;
  }
  const Store store(request.output, Store::Open::existing);
  const StoredResults results = read_results(store);
  const WrittenReports written = page_of(write_reports(results, request.output));
  out << (request.table ? summary_table(results) : summary(results));
  for (const std::string& line : merged.without_weights) out << "no weights: " << line << '\n';
  out << fmt::format("{} folders merged: {} cells of {} planned, {} of them new\n", folders.size(),
                     merged.cells, merged.planned, merged.added);
  const int reports = print_reports(out, written);
  const int code = exit_code({}, verdict(store));
  return code == kExitOk ? reports : code;
}

std::string version() {
  const BuildInfo& info = build_info();
  return fmt::format("{} ({})", info.version, info.revision);
}

}  // namespace longreach::harness
