// What `run` and `train` begin and end with.
#include "harness/open_run.h"

#include <filesystem>
#include <sys/resource.h>

#include "harness/cell.h"
#include "harness/cli.h"
#include "harness/interrupt.h"
#include "harness/manifest.h"

namespace longreach::harness {

OpenRun::OpenRun(const RunRequest& request)
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

std::vector<Cell> OpenRun::to_do(const std::vector<Cell>& cells, bool resume) const {
  if (!resume) {
    for (const Cell& cell : cells) {
      std::filesystem::remove(checkpoint_path(experiment.output, cell.id));
    }
  }
  return pending(cells, store, experiment.output, resume);
}

int tell_interrupted(const RunRequest& request, i64 left, std::ostream& out) {
  out << fmt::format(
      "\nlongreach: interrupted, {} cells left; the same command takes it up again: {}\n", left,
      request.command);
  return kExitInterrupted;
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

}  // namespace longreach::harness
