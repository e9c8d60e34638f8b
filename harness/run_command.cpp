// `run`, `train`, `plan`, `report` and the hidden `cell`: an experiment from file to reports.
#include "harness/run_command.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <sys/resource.h>
#include <unistd.h>

#include "core/error.h"
#include "harness/build_info.h"
#include "harness/cell.h"
#include "harness/child.h"
#include "harness/cli.h"
#include "harness/interrupt.h"
#include "harness/mpi.h"
#include "harness/results.h"

namespace longreach::harness {
namespace {

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

namespace {

/// An experiment with its output folder held and its store open.
struct OpenRun {
  explicit OpenRun(const RunRequest& request)
      : experiment(read_experiment(request.config, request.overrides)),
        plan(make_plan(experiment)),
        chosen(select(experiment, plan, request.selection)),
        lock(experiment.output),
        store(experiment.output, Store::Open::create),
        run_id(fmt::format("{}@{}", experiment.name, utc_now())) {
    std::vector<std::string> ids;
    for (const Cell& cell : plan) ids.push_back(cell.id);
    store.set_plan(ids);
    store_experiment(store, experiment, request.command);
    store.set_meta("run_id", run_id);
    catch_interrupts();
  }

  /// Those of `cells` that are not finished; without `resume`, all, from their start.
  std::vector<Cell> to_do(const std::vector<Cell>& cells, bool resume) const {
    if (!resume) {
      for (const Cell& cell : cells) {
        std::filesystem::remove(checkpoint_path(experiment.output, cell.id));
      }
    }
    return pending(cells, store, experiment.output, resume);
  }

  const Experiment experiment;
  const std::vector<Cell> plan, chosen;
  const OutputLock lock;
  Store store;
  const std::string run_id;
};

int interrupted(const RunRequest& request, i64 left, std::ostream& out) {
  out << fmt::format(
      "\nlongreach: interrupted, {} cells left; the same command takes it up again: {}\n", left,
      request.command);
  return kExitInterrupted;
}

std::string step_text(const StepLine& line) {
  const model::StepReport& r = line.report;
  const i64 left = std::llround(line.left);
  return fmt::format(
      "step {}/{}  loss {:.4f}  lr {:.3g}  norm {:.3g}  {:.0f} tokens/s  mfu {:.3f}  left "
      "{}m{:02}s\n",
      r.step + 1, line.steps, r.loss, r.lr, r.gradient_norm, line.tokens_per_second, line.mfu,
      left / 60, left % 60);
}

}  // namespace

int run_command(const RunRequest& request, std::ostream& out, std::ostream& progress_out) {
  OpenRun run(request);
  const Experiment& experiment = run.experiment;
  Store& store = run.store;
  RunOptions options = request.options;
  options.configuration = write_configuration(experiment);
  options.run_id = run.run_id;
  options.interrupted = &interrupt_requested();
  const std::vector<Cell> left = run.to_do(run.chosen, options.resume);
  const std::size_t to_run = options.limit > 0
                                 ? std::min(left.size(), static_cast<std::size_t>(options.limit))
                                 : left.size();
  Progress progress(progress_out, isatty(STDERR_FILENO) == 1, to_run);
  const RunSummary summary = run_cells(experiment, left, store, options, progress);
  if (summary.interrupted) return interrupted(request, summary.left, progress_out);
  const std::vector<std::string> paths = write_reports(store, experiment.output);
  out << summary_table(store);
  out << fmt::format("{} cells run, {} already done, {} left\n",
                     static_cast<i64>(left.size()) - summary.left, run.chosen.size() - left.size(),
                     summary.left);
  print_paths(out, paths);
  return exit_code(summary, verdict(store));
}

namespace {

/// The plan's cells of these ids, one a line.
std::vector<Cell> cells_of(const std::vector<Cell>& plan, const std::string& ids) {
  std::vector<Cell> cells;
  std::istringstream lines(ids);
  for (std::string id; std::getline(lines, id);) {
    const auto found = std::ranges::find(plan, id, &Cell::id);
    if (found == plan.end()) throw error("cell {}: in the first process's plan only", id);
    cells.push_back(*found);
  }
  return cells;
}

/// `train` of the first process, which alone has the store and tells, or of one that helps it.
class TrainCommand {
 public:
  TrainCommand(const RunRequest& request, model::Processes& processes, std::ostream& out)
      : request_(request), processes_(processes), out_(out) {}

  int run() {
    processes_.together([this] { open(); });
    std::string ids;
    for (const Cell& cell : left_) ids += cell.id + '\n';
    ids = processes_.from_first(std::move(ids));
    processes_.together([&] { left_ = cells_of(plan_, ids); });
    limit_memory(experiment_->limits.memory);
    bool all_ok = true;
    for (std::size_t i = 0; i < left_.size(); ++i) {
      try {
        all_ok = train(i) && all_ok;
      } catch (const Interrupted&) {
        if (!run_) return kExitInterrupted;
        return interrupted(request_, static_cast<i64>(left_.size() - i), out_);
      }
    }
    if (run_) print_paths(out_, write_reports(run_->store, experiment_->output));
    return all_ok ? kExitOk : kExitCellFailed;
  }

 private:
  void open() {
    if (processes_.rank() != 0) {
      experiment_.emplace(read_experiment(request_.config, request_.overrides));
      plan_ = make_plan(*experiment_);
      catch_interrupts();
      return;
    }
    run_.emplace(request_);
    experiment_.emplace(run_->experiment);
    plan_ = run_->plan;
    std::vector<Cell> training;
    std::ranges::copy_if(run_->chosen, std::back_inserter(training),
                         [](const Cell& cell) { return cell.kind == CellKind::train; });
    if (training.empty()) {
      throw error("{}: nothing to train; give a model a section `train`", experiment_->file);
    }
    left_ = run_->to_do(training, request_.options.resume);
  }

  /// Whether it succeeded.
  bool train(std::size_t number) {
    const Cell& cell = left_[number];
    TrainingWatch watch;
    watch.stop = [] { return interrupt_requested() != 0; };
    if (run_) {
      watch.step = [this](const StepLine& line) { out_ << step_text(line) << std::flush; };
      out_ << fmt::format("training {} with {}, seed {}, lr {} (cell {}, {} of {})\n",
                          experiment_->models[cell.model].name,
                          experiment_->backends[cell.backend].name, cell.seed, *cell.lr, cell.id,
                          number + 1, left_.size())
           << std::flush;
    }
    const std::string started = utc_now();
    const auto start = std::chrono::steady_clock::now();
    Outcome outcome = run_cell(*experiment_, cell, experiment_->output, watch, processes_);
    const bool ok = outcome.info.status == Status::ok;
    processes_.together([&] {
      if (!run_) return;
      outcome.info.run_id = run_->run_id;
      outcome.info.started_at = started;
      outcome.info.wall_s =
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      run_->store.finish(outcome);
      out_ << (ok ? "weights: " + weights_path(experiment_->output, cell.id) : outcome.info.reason)
           << '\n';
    });
    return ok;
  }

  const RunRequest& request_;
  model::Processes& processes_;
  std::ostream& out_;
  std::optional<OpenRun> run_;  ///< the first process's
  std::optional<Experiment> experiment_;
  std::vector<Cell> plan_, left_;
};

}  // namespace

int train_command(const RunRequest& request, std::ostream& out) {
  const std::unique_ptr<model::Processes> processes = join_processes();
  return TrainCommand(request, *processes, out).run();
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
  TrainingWatch watch;
  watch.step = [&](const StepLine& line) {
    const double share =
        static_cast<double>(line.report.step + 1) / static_cast<double>(line.steps);
    if (share < told + 0.005) return;
    told = share;
    send_line(request.result_fd, fmt::format("{:.4f}", share));
  };
  const Outcome outcome = run_cell(experiment, *cell, request.output, watch);
  send_line(request.result_fd, to_json(outcome));
  return kExitOk;
}

std::string version() {
  const BuildInfo info = build_info();
  return fmt::format("{} ({})", info.version, info.revision);
}

}  // namespace longreach::harness
