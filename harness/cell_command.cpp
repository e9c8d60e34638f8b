// The hidden `cell`: one cell in the process that `run` or `train` started for it.
#include <cstring>
#include <exception>
#include <iostream>
#include <iterator>
#include <new>
#include <unistd.h>

#include "core/error.h"
#include "harness/cell.h"
#include "harness/child.h"
#include "harness/cli.h"
#include "harness/interrupt.h"
#include "harness/job.h"
#include "harness/process_state.h"
#include "harness/progress.h"
#include "harness/run_command.h"

namespace longreach::harness {
namespace {

/// What last_words() sends, made while memory could still be had.
struct LastWords {
  int result_fd = -1;
  std::string out_of_memory;
};
LastWords last_words;

/// In a parallel region no handler is reached: an exception that leaves one ends the program here.
/// Nothing may be allocated. Of several threads the first speaks, and its end is that of all.
[[noreturn]] void say_last_words() {
  static std::atomic_flag spoken;
  while (spoken.test_and_set()) pause();
  if (const std::exception_ptr thrown = std::current_exception()) {
    try {
      std::rethrow_exception(thrown);
    } catch (const std::bad_alloc&) {
      const std::string& line = last_words.out_of_memory;
      if (write(last_words.result_fd, line.data(), line.size()) == std::ssize(line)) {
        _exit(kExitCellFailed);
      }
    } catch (const std::exception& failure) {
      for (const char* text : {"longreach: ", failure.what(), "\n"}) {
        [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text, std::strlen(text));
      }
    } catch (...) {
    }
  }
  std::abort();
}

void prepare_last_words(const Experiment& experiment, const Cell& cell, int result_fd) {
  Outcome outcome;
  outcome.info = cell_info(experiment, cell);
  outcome.info.status = Status::oom;
  outcome.info.reason = "out of memory";
  last_words = {.result_fd = result_fd, .out_of_memory = to_json(outcome) + '\n'};
  std::set_terminate(say_last_words);
}

/// Tells the parent how far a training is: the share that is done, and each step in words.
std::function<void(const StepLine&)> teller(const CellRequest& request) {
  return [request, fd = request.result_fd, told = 0.0](const StepLine& line) mutable {
    if (request.tell_steps) send_line(fd, step_text(line));
    const double share =
        static_cast<double>(line.report.step + 1) / static_cast<double>(line.steps);
    if (share < told + 0.005) return;
    told = share;
    send_line(fd, fmt::format("{:.4f}", share));
  };
}

}  // namespace

int cell_command(const CellRequest& request) {
  const Job job = read_job({std::istreambuf_iterator<char>(std::cin), {}});
  prepare_last_words(job.experiment, job.cell, request.result_fd);
  TrainingWatch watch{.step = teller(request), .stop = {}};
  if (job.cell.kind == CellKind::train) {
    catch_interrupts();  // to write a checkpoint first
    watch.stop = [] { return interrupt_requested() != 0; };
  }
  try {
    Outcome outcome = run_cell(job.experiment, job.cell, job.experiment.output, watch);
    if (const auto state = process_state(getpid())) {
      outcome.info.peak_bytes = state->peak_resident;
    }
    send_line(request.result_fd, to_json(outcome));
  } catch (const Interrupted&) {
    return kExitInterrupted;
  }
  return kExitOk;
}

}  // namespace longreach::harness
