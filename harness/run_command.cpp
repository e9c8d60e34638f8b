// `run`, `plan`, `report` and the hidden `cell`: an experiment from file to reports.
#include "harness/run_command.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sys/resource.h>
#include <unistd.h>

#include "core/error.h"
#include "harness/build_info.h"
#include "harness/cell.h"
#include "harness/child.h"
#include "harness/cli.h"
#include "harness/results.h"

namespace longreach::harness {
namespace {

volatile std::sig_atomic_t interrupt_requested = 0;

void request_interrupt(int) { interrupt_requested = 1; }

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = request_interrupt;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

/// Writes what the children read, beside the results; it is also there for people.
std::string write_configuration(const Experiment& experiment) {
  const std::string path =
      (std::filesystem::path(experiment.output) / "configuration.yaml").string();
  std::ofstream out(path, std::ios::binary);
  out << experiment.edited;
  out.close();
  if (!out) throw error("{}: cannot be written ({})", path, std::strerror(errno));
  return path;
}

int exit_code(const RunSummary& summary, const Verdict& found) {
  if (found.any_invalid) return kExitInvalid;
  return summary.not_ok > 0 || summary.invalid > 0 || !found.all_ok ? kExitCellFailed : kExitOk;
}

void print_paths(std::ostream& out, const std::vector<std::string>& paths) {
  for (const std::string& path : paths) out << path << '\n';
  out.flush();
}

void limit_memory(i64 bytes) {
#if !defined(__SANITIZE_ADDRESS__)  // whose shadow alone takes terabytes of address space
  if (bytes <= 0) return;
  const rlimit limit{static_cast<rlim_t>(bytes), static_cast<rlim_t>(bytes)};
  setrlimit(RLIMIT_AS, &limit);
#else
  static_cast<void>(bytes);
#endif
}

}  // namespace

int run_command(const RunRequest& request, std::ostream& out, std::ostream& progress_out) {
  const Experiment experiment = read_experiment(request.config, request.overrides);
  const std::vector<Cell> plan = make_plan(experiment);
  const std::vector<Cell> chosen = select(experiment, plan, request.selection);
  const OutputLock lock(experiment.output);
  Store store(experiment.output, Store::Open::create);
  std::vector<std::string> ids;
  for (const Cell& cell : plan) ids.push_back(cell.id);
  store.set_plan(ids);
  store_experiment(store, experiment, request.command);
  catch_interrupts();

  RunOptions options = request.options;
  options.configuration = write_configuration(experiment);
  options.run_id = fmt::format("{}@{}", experiment.name, utc_now());
  options.interrupted = &interrupt_requested;
  store.set_meta("run_id", options.run_id);
  std::vector<Cell> left = pending(chosen, store, experiment.output, options.resume);
  const std::size_t to_run = options.limit > 0
                                 ? std::min(left.size(), static_cast<std::size_t>(options.limit))
                                 : left.size();
  Progress progress(progress_out, isatty(STDERR_FILENO) == 1, to_run);
  const RunSummary summary = run_cells(experiment, left, store, options, progress);
  if (summary.interrupted) {
    progress_out << fmt::format(
        "\nlongreach: interrupted, {} cells left; the same command takes it up again: {}\n",
        summary.left, request.command);
    return kExitInterrupted;
  }
  const std::vector<std::string> paths = write_reports(store, experiment.output);
  out << summary_table(store);
  out << fmt::format("{} cells run, {} already done, {} left\n",
                     static_cast<i64>(left.size()) - summary.left, chosen.size() - left.size(),
                     summary.left);
  print_paths(out, paths);
  return exit_code(summary, verdict(store));
}

int plan_command(const RunRequest& request, std::ostream& out) {
  const Experiment experiment = read_experiment(request.config, request.overrides);
  out << plan_table(experiment, select(experiment, make_plan(experiment), request.selection));
  out << fmt::format("lengths: {}\noutput: {}\n", fmt::join(experiment.lengths, ", "),
                     experiment.output);
  return kExitOk;
}

int report_command(const std::string& output, std::ostream& out) {
  const Store store(output, Store::Open::existing);
  print_paths(out, write_reports(store, output));
  return kExitOk;
}

int cell_command(const CellRequest& request) {
  Overrides overrides;
  overrides.folder = request.folder;
  overrides.output = request.output;
  const Experiment experiment = read_experiment(request.config, overrides);
  const std::vector<Cell> plan = make_plan(experiment);
  const auto cell = std::find_if(plan.begin(), plan.end(),
                                 [&](const Cell& one) { return one.id == request.cell; });
  if (cell == plan.end()) {
    throw error("cell {}: not in the plan of {}; its data changed while running", request.cell,
                request.config);
  }
  limit_memory(experiment.limits.memory);
  double told = 0;
  const Outcome outcome = run_cell(experiment, *cell, request.output, [&](double share) {
    if (share < told + 0.005) return;
    told = share;
    send_line(request.result_fd, fmt::format("{:.4f}", share));
  });
  send_line(request.result_fd, to_json(outcome));
  return kExitOk;
}

std::string version() {
  const BuildInfo info = build_info();
  return fmt::format("{} ({})", info.version, info.revision);
}

}  // namespace longreach::harness
