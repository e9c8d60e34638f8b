// `run`, `plan` and `report`: an experiment from file to reports.
#include "harness/run_command.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <omp.h>
#include <optional>
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
#include "harness/mpi.h"
#include "harness/open_run.h"
#include "harness/plan_table.h"
#include "harness/results.h"
#include "harness/summary.h"
#include "harness/workers.h"

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

/// `run` of the first process, which has the store and tells.
int lead_run(Ranks& ranks, const RunRequest& request, std::ostream& out,
             std::ostream& progress_out) {
  std::optional<OpenRun> opened;
  RunOptions options = request.options;
  Pending pending;
  ranks.together([&] {
    if (request.recipe) tell_differences(*request.recipe, progress_out);
    opened.emplace(request);
    opened->write_configuration();
    options.run_id = opened->run_id;
    pending = opened->to_do(opened->chosen, options);
  });
  OpenRun& run = *opened;
  const i64 all = std::ssize(pending.cells);
  const i64 to_run = options.limit > 0 ? std::min(all, options.limit) : all;
  Progress progress(progress_out, screen_of(STDERR_FILENO), request.verbose);
  ChildListener listener{.progress = {}, .line = {}, .words = [&progress](std::string_view text) {
                           progress.words(text);
                         }};
  if (ranks.size() == 1) listener.progress = [&progress](double share) { progress.share(share); };
  ranks.together([] {});  // the others plan
  RunSummary ran;
  {
    const auto workers = workers_of(ranks, run.experiment, run.plan, options, std::move(listener));
    // Now that the others sleep until there is work: one that waits in MPI disturbs what is probed.
    const auto predictor = predictor_of(request, run.experiment, pending.cells);
    options.predictor = predictor.get();
    progress.start(
        predicted_seconds(*predictor, pending.cells, memory_limit(run.experiment.limits)),
        static_cast<std::size_t>(to_run), pending.settled.size(),
        static_cast<std::size_t>(workers->count()));
    ran = run_cells(run.experiment, pending, run.store, options, progress, *workers);
    progress.end();
  }
  end_run(run.store, run.entry);
  if (ran.interrupted) return tell_interrupted(run, request, ran.left, progress_out);
  const StoredResults results = read_results(run.store);
  const WrittenReports written = page_of(write_reports(results, run.experiment.output));
  out << (request.table ? summary_table(results, table_columns())
                        : summary(results, table_columns()));
  out << fmt::format("{} cells run, {} already done, {} left\n", all - ran.left, pending.done(),
                     ran.left);
  out << left_as_is_line(pending);
  const int reports = print_reports(out, written);
  const int code = exit_code(ran, verdict(run.store));
  return code == kExitOk ? reports : code;
}

/// `run` of another process that mpirun started: runs cells until the first has no more.
int help_run(Ranks& ranks, const RunRequest& request) {
  ranks.together([] {});  // the first opens the run
  std::optional<Experiment> experiment;
  std::vector<Cell> plan;
  ranks.together([&] {
    experiment.emplace(experiment_of(request));
    if (!std::filesystem::exists(experiment->output)) {
      throw error("{}: not seen by process {}; --output must be on a file system that all share",
                  experiment->output, ranks.rank());
    }
    plan = make_plan(*experiment);
    catch_interrupts();
  });
  serve_cells(ranks, *experiment, plan, request.options);
  return kExitOk;
}

}  // namespace

int run_command(const RunRequest& asked, std::ostream& out, std::ostream& progress_out) {
  const std::unique_ptr<Ranks> ranks = join_processes();
  RunRequest request = asked;
  if (request.options.threads == 0 && std::getenv("OMP_NUM_THREADS") == nullptr) {
    request.options.threads = ranks->cores();
  }
  request.options.interrupted = &interrupt_requested();
  return ranks->rank() == 0 ? lead_run(*ranks, request, out, progress_out)
                            : help_run(*ranks, request);
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
  out << (table ? summary_table(results, table_columns()) : summary(results, table_columns()));
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
  out << (request.table ? summary_table(results, table_columns())
                        : summary(results, table_columns()));
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
