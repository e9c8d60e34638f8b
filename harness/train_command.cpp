// `train`: an experiment's models, trained in this process, a line a step.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <sstream>

#include "core/error.h"
#include "harness/cell.h"
#include "harness/cli.h"
#include "harness/interrupt.h"
#include "harness/manifest.h"
#include "harness/mpi.h"
#include "harness/open_run.h"
#include "harness/results.h"

namespace longreach::harness {
namespace {

std::string step_text(const StepLine& line) {
  const model::StepReport& r = line.report;
  const i64 left = std::llround(line.left);
  return fmt::format(
      "step {}/{}  loss {:.4f}  lr {:.3g}  norm {:.3g}  {:.0f} tokens/s  mfu {:.3f}  left "
      "{}m{:02}s\n",
      r.step + 1, line.steps, r.loss, r.lr, r.gradient_norm, line.tokens_per_second, line.mfu,
      left / 60, left % 60);
}

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
        end_run(run_->store, run_->entry);
        return tell_interrupted(request_, static_cast<i64>(left_.size() - i), out_);
      }
    }
    if (run_) {
      end_run(run_->store, run_->entry);
      print_paths(out_, write_reports(read_results(run_->store), experiment_->output));
    }
    return all_ok ? kExitOk : kExitCellFailed;
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

}  // namespace longreach::harness
