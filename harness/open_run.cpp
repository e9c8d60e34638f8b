// What `run` and `train` begin and end with.
#include "harness/open_run.h"

#include <filesystem>

#include "core/atomic_file.h"
#include "core/error.h"
#include "harness/cell.h"
#include "harness/cli.h"
#include "harness/interrupt.h"
#include "harness/manifest.h"
#include "harness/unsaved.h"

namespace longreach::harness {

Experiment experiment_of(const RunRequest& request) {
  Experiment experiment = request.recipe ? experiment_of(*request.recipe, request.overrides)
                                         : read_experiment(request.config, request.overrides);
  experiment.output = shard_folder(experiment.output, request.shard);
  return experiment;
}

std::vector<Cell> chosen_cells(const RunRequest& request, const Experiment& experiment,
                               const std::vector<Cell>& plan) {
  return cells_of_shard(experiment, select(experiment, plan, request.selection), request.shard);
}

OpenRun::OpenRun(const RunRequest& request)
    : experiment(experiment_of(request)),
      plan(make_plan(experiment)),
      chosen(chosen_cells(request, experiment, plan)),
      lock(experiment.output),
      store(experiment.output, Store::Open::create),
      run_id(fmt::format("{}@{}", experiment.name, utc_now())),
      entry(begin_run(store, experiment, request, run_id)) {
  for (const char* folder : {"", "models"}) {
    remove_abandoned((std::filesystem::path(experiment.output) / folder).string());
  }
  std::vector<std::string> ids;
  for (const Cell& cell : plan) ids.push_back(cell.id);
  store.set_plan(ids);
  store_experiment(store, experiment, request.command);
  store.set_meta("run_id", run_id);
  take_in_unsaved(store, experiment.output);
  write_manifest(store, experiment.output);
  catch_interrupts();
}

Pending OpenRun::to_do(const std::vector<Cell>& cells, const RunOptions& options) const {
  if (!options.resume) {
    for (const Cell& cell : cells) {
      std::filesystem::remove(checkpoint_path(experiment.output, cell.id));
    }
  }
  return pending(
      cells, store, experiment.output,
      {.resume = options.resume, .retry = options.retry, .on_oom = experiment.limits.on_oom});
}

void OpenRun::write_configuration() const {
  const std::string path =
      (std::filesystem::path(experiment.output) / "configuration.yaml").string();
  replace_file(path, experiment.edited);
}

int tell_interrupted(const OpenRun& run, const RunRequest& request, i64 left, std::ostream& out) {
  out << fmt::format(
      "longreach: interrupted, {} cells left; the same command takes it up again: {}\n"
      "longreach: `longreach report {}` shows what is there\n",
      left, request.command, run.experiment.output);
  return kExitInterrupted;
}

int print_reports(std::ostream& out, const WrittenReports& written) {
  for (const std::string& path : written.paths) out << path << '\n';
  out.flush();
  for (const std::string& problem : written.problems) tell_on_stderr(problem);
  if (written.problems.empty()) return kExitOk;
  tell_on_stderr("every finished cell is stored; `longreach report` writes its reports again");
  return kExitCellFailed;
}

}  // namespace longreach::harness
