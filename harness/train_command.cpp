// `train`: an experiment's models, a line a step.
#include <algorithm>
#include <chrono>
#include <omp.h>
#include <optional>
#include <sstream>
#include <unistd.h>

#include "core/error.h"
#include "harness/cell.h"
#include "harness/cell_process.h"
#include "harness/cli.h"
#include "harness/interrupt.h"
#include "harness/manifest.h"
#include "harness/mpi.h"
#include "harness/open_run.h"
#include "harness/predict.h"
#include "harness/process_state.h"
#include "harness/progress.h"
#include "harness/results.h"
#include "harness/settle.h"

namespace longreach::harness {
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
  TrainCommand(const RunRequest& request, model::Processes& processes, std::ostream& out,
               std::ostream& words)
      : request_(request),
        processes_(processes),
        out_(out),
        progress_(words, screen_of(STDERR_FILENO)) {}

  int run() {
    processes_.together([this] { open(); });
    std::string ids;
    for (const Cell& cell : left_) ids += cell.id + '\n';
    ids = processes_.from_first(std::move(ids));
    processes_.together([&] { left_ = cells_of(plan_, ids); });
    if (run_) {
      options_ = request_.options;
      run_->write_configuration();
      options_.interrupted = &interrupt_requested();
      start_progress();
    }
    for (std::size_t i = 0; i < left_.size(); ++i) {
      try {
        all_ok_ = train(i) && all_ok_;
      } catch (const Interrupted&) {
        if (!run_) return kExitInterrupted;
        progress_.end();
        end_run(run_->store, run_->entry);
        return tell_interrupted(*run_, request_, static_cast<i64>(left_.size() - i), out_);
      }
    }
    if (run_) {
      progress_.end();
      end_run(run_->store, run_->entry);
      const auto written = write_reports(read_results(run_->store), experiment_->output);
      all_ok_ = print_reports(out_, written) == kExitOk && all_ok_;
      if (verdict(run_->store).any_invalid) return kExitInvalid;
    }
    return all_ok_ ? kExitOk : kExitCellFailed;
  }

 private:
  void open() {
    if (processes_.rank() != 0) {
      experiment_.emplace(experiment_of(request_));
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
    const Pending pending = run_->to_do(training, request_.options);
    left_ = pending.cells;
    all_ok_ = pending.left_as_is().empty();
    settled_ = pending.settled.size();
    out_ << left_as_is_line(pending);
  }

  /// By the assumed pace: only how the trainings compare counts, and a probe would delay the first.
  void start_progress() {
    Predictor predictor(*experiment_, assumed_overhead());
    predictor.prepare(left_, 0);
    progress_.start(predicted_seconds(predictor, left_, memory_limit(experiment_->limits)),
                    left_.size(), settled_);
  }

  /// A line for standard output, which may be the terminal that the progress is on.
  void tell(const std::string& line) {
    if (isatty(STDOUT_FILENO) == 1) progress_.clear();
    out_ << line << std::endl;
  }

  /// Whether it succeeded.
  bool train(std::size_t number) {
    const Cell& cell = left_[number];
    if (run_) {
      tell(fmt::format("training {} with {}, seed {}, lr {} (cell {}, {} of {})",
                       experiment_->models[cell.model].name,
                       experiment_->backends[cell.backend].name, cell.seed, *cell.lr, cell.id,
                       number + 1, left_.size()));
      progress_.begin(number, label_of(*experiment_, cell));
    }
    Outcome outcome = processes_.size() == 1 ? train_in_child(cell) : train_together(cell);
    const bool ok = outcome.info.status == Status::ok;
    processes_.together([&] {
      if (!run_) return;
      outcome.info.run_id = run_->run_id;
      settle(run_->store, experiment_->output, cell, outcome);
      progress_.finish(number, label_of(*experiment_, cell), outcome.info);
      if (ok) tell("weights: " + weights_path(experiment_->output, cell.id));
    });
    return ok;
  }

  /// In a process of its own, under the experiment's limits.
  Outcome train_in_child(const Cell& cell) {
    CellProcess process(*experiment_, cell, options_, next_attempt(run_->store, cell),
                        {.progress = [this](double share) { progress_.share(share); },
                         .line = [this](const auto& line) { tell(line); },
                         .words = [this](std::string_view text) { progress_.words(text); }});
    while (!process.poll()) progress_.tick();
    if (process.interrupted()) throw Interrupted();
    return process.outcome();
  }

  /// In the processes that mpirun started: here and in all the others. A crash ends them all, and
  /// no limit but that of address space holds.
  Outcome train_together(const Cell& cell) {
    TrainingWatch watch;
    watch.stop = [] { return interrupt_requested() != 0; };
    if (run_) {
      watch.step = [this](const StepLine& line) {
        tell(step_text(line));
        progress_.share(static_cast<double>(line.report.step + 1) /
                        static_cast<double>(line.steps));
      };
    }
    limit_address_space(experiment_->limits.memory);
    const std::string started = utc_now();
    const auto start = std::chrono::steady_clock::now();
    Outcome outcome = run_cell(*experiment_, cell, experiment_->output, watch, processes_);
    outcome.info.started_at = started;
    outcome.info.wall_s =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (run_) outcome.info.attempt = next_attempt(run_->store, cell);
    return outcome;
  }

  const RunRequest& request_;
  model::Processes& processes_;
  std::ostream& out_;
  Progress progress_;
  RunOptions options_;          ///< the first process's
  std::optional<OpenRun> run_;  ///< the first process's
  std::optional<Experiment> experiment_;
  std::vector<Cell> plan_, left_;
  std::size_t settled_ = 0;  ///< trainings that need not run
  bool all_ok_ = true;
};

}  // namespace

int train_command(const RunRequest& request, std::ostream& out, std::ostream& words) {
  const std::unique_ptr<model::Processes> processes = join_processes();
  if (processes->size() > 1 && request.options.threads > 0) {
    omp_set_num_threads(static_cast<int>(request.options.threads));
  }
  return TrainCommand(request, *processes, out, words).run();
}

}  // namespace longreach::harness
