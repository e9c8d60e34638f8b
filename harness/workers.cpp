// Who runs cells.
//
// What is said between the first rank and another, each a line of words:
//   > hello MACHINE HASH     where it is, and a hash of the cells that it knows
//   < run ATTEMPT CELL
//   > outcome JSON           of that cell, or "interrupted"
//   < stop                   end what runs, as an interrupt does
//   < end                    no more cells
#include "harness/workers.h"

#include <iostream>
#include <map>
#include <span>
#include <sstream>
#include <string_view>
#include <thread>
#include <utility>

#include "core/error.h"
#include "core/sha256.h"
#include "harness/cell.h"
#include "harness/interrupt.h"
#include "harness/machine.h"

namespace longreach::harness {
namespace {

/// An MPI that waits keeps a core busy, which cells need; a moment's delay costs them less.
constexpr int kMomentMilliseconds = 5;

void sleep_a_moment() {
  std::this_thread::sleep_for(std::chrono::milliseconds(kMomentMilliseconds));
}

class LocalWorker final : public Workers {
 public:
  LocalWorker(const Experiment& experiment, const RunOptions& options, ChildListener listener,
              int moment)
      : experiment_(experiment),
        options_(options),
        listener_(std::move(listener)),
        moment_(moment) {}

  void start(i64, const Cell& cell, i64 attempt) override {
    process_.emplace(experiment_, cell, options_, attempt, listener_);
  }

  std::optional<Ended> wait() override {
    if (!process_ || !process_->poll(moment_)) return std::nullopt;
    Ended ended;
    if (!process_->interrupted()) ended.outcome = process_->outcome();
    process_.reset();
    return ended;
  }

  bool busy() const { return process_.has_value(); }

 private:
  const Experiment& experiment_;
  const RunOptions& options_;
  const ChildListener listener_;
  const int moment_;
  std::optional<CellProcess> process_;
};

/// Of the cells that are the same wherever they are measured: timings are of a machine.
std::string hash_of(const Experiment& experiment, const std::vector<Cell>& plan) {
  Sha256 digest;
  for (const Cell& cell : plan) {
    if (is_timing(experiment, cell)) continue;
    digest.add(std::as_bytes(std::span(cell.id)));
  }
  return digest.hex();
}

/// Tells the others that there is no more to do, whatever ends this process's work.
class Dismissal {
 public:
  explicit Dismissal(Ranks& ranks) : ranks_(ranks) {}
  ~Dismissal() { tell("end"); }
  void tell(const std::string& text) {
    for (i64 rank = 1; rank < ranks_.size(); ++rank) ranks_.send(rank, text);
  }

 private:
  Ranks& ranks_;
};

class RankWorkers final : public Workers {
 public:
  RankWorkers(Ranks& ranks, const Experiment& experiment, const std::vector<Cell>& plan,
              const RunOptions& options, ChildListener listener)
      : ranks_(ranks),
        others_(ranks),
        interrupted_(options.interrupted),
        options_(options),
        own_(experiment, options_, std::move(listener), kMomentMilliseconds) {
    options_.interrupted = &stop_;
    greet(hash_of(experiment, plan));
  }

  i64 count() const override { return ranks_.size(); }
  i64 host(i64 worker) const override { return ranks_.host(worker); }
  bool times(i64 host) const override { return times_.at(host); }

  void start(i64 worker, const Cell& cell, i64 attempt) override {
    if (worker == 0) {
      own_.start(0, cell, attempt);
    } else {
      ranks_.send(worker, fmt::format("run {} {}", attempt, cell.id));
    }
  }

  std::optional<Ended> wait() override {
    if (interrupted_ && *interrupted_) stop();
    if (std::optional<Ranks::Message> message = ranks_.receive()) {
      Ended ended{message->from, {}};
      constexpr std::string_view kOutcome = "outcome ";
      if (message->text.starts_with(kOutcome)) {
        ended.outcome = outcome_from_json(message->text.substr(kOutcome.size()));
      }
      return ended;
    }
    if (own_.busy()) return own_.wait();
    sleep_a_moment();
    return std::nullopt;
  }

  void stop() override {
    if (std::exchange(stopping_, true)) return;
    stop_ = 1;
    others_.tell("stop");
  }

 private:
  void greet(const std::string& hash) {
    times_[ranks_.host(0)] = true;
    for (i64 greeted = 1; greeted < ranks_.size();) {
      const std::optional<Ranks::Message> message = ranks_.receive();
      if (!message) {
        sleep_a_moment();
        continue;
      }
      std::istringstream words(message->text);
      std::string hello, machine, cells;
      words >> hello >> machine >> cells;
      if (cells != hash) {
        throw error(
            "process {} has other cells than the first: another build, other vector instructions, "
            "or other files; start processes on like machines, with one program and the same files",
            message->from);
      }
      times_[ranks_.host(message->from)] = machine == this_machine().fingerprint;
      ++greeted;
    }
  }

  Ranks& ranks_;
  Dismissal others_;
  const volatile std::sig_atomic_t* interrupted_;
  volatile std::sig_atomic_t stop_ = 0;  ///< for our own cell
  bool stopping_ = false;
  RunOptions options_;
  LocalWorker own_;
  std::map<i64, bool> times_;  ///< by host
};

/// Runs cells that the first rank names.
class Server {
 public:
  Server(Ranks& ranks, const Experiment& experiment, const std::vector<Cell>& plan,
         const RunOptions& options)
      : ranks_(ranks),
        experiment_(experiment),
        options_(options),
        own_(experiment, options_, words_only(), kMomentMilliseconds) {
    options_.interrupted = &stop_;
    for (const Cell& cell : plan) cells_.emplace(cell.id, &cell);
    ranks.send(0,
               fmt::format("hello {} {}", this_machine().fingerprint, hash_of(experiment, plan)));
  }

  void serve() {
    for (bool more = true; more;) {
      if (interrupt_requested() != 0) stop_ = 1;
      if (const std::optional<Ranks::Message> message = ranks_.receive()) {
        more = obey(message->text);
      } else if (!own_.busy()) {
        sleep_a_moment();
      } else if (const std::optional<Workers::Ended> ended = own_.wait()) {
        tell(ended->outcome);
      }
    }
  }

 private:
  /// What a cell says for people, to our own error stream, which mpirun passes on.
  static ChildListener words_only() {
    return {.progress = {}, .line = {}, .words = [](std::string_view text) {
              std::cerr << text << std::flush;
            }};
  }

  bool obey(const std::string& text) {
    std::istringstream words(text);
    std::string what, id;
    i64 attempt = 0;
    words >> what >> attempt >> id;
    if (what == "stop") stop_ = 1;
    if (what == "run") start(id, attempt);
    return what != "end";
  }

  void start(const std::string& id, i64 attempt) {
    const Cell& cell = *cells_.at(id);
    try {
      own_.start(0, cell, attempt);
    } catch (const Error& failure) {
      Outcome outcome{cell_info(experiment_, cell), {}};
      outcome.info.status = Status::failed;
      outcome.info.reason = failure.what();
      tell(outcome);
    }
  }

  void tell(const std::optional<Outcome>& outcome) {
    ranks_.send(0, outcome ? "outcome " + to_json(*outcome) : "interrupted");
  }

  Ranks& ranks_;
  const Experiment& experiment_;
  volatile std::sig_atomic_t stop_ = 0;
  RunOptions options_;
  LocalWorker own_;
  std::map<std::string, const Cell*> cells_;
};

}  // namespace

std::unique_ptr<Workers> local_worker(const Experiment& experiment, const RunOptions& options,
                                      ChildListener listener) {
  return std::make_unique<LocalWorker>(experiment, options, std::move(listener),
                                       Child::kPollMilliseconds);
}

std::unique_ptr<Workers> workers_of(Ranks& ranks, const Experiment& experiment,
                                    const std::vector<Cell>& plan, const RunOptions& options,
                                    ChildListener listener) {
  if (ranks.size() == 1) return local_worker(experiment, options, std::move(listener));
  return std::make_unique<RankWorkers>(ranks, experiment, plan, options, std::move(listener));
}

void serve_cells(Ranks& ranks, const Experiment& experiment, const std::vector<Cell>& plan,
                 const RunOptions& options) {
  Server(ranks, experiment, plan, options).serve();
}

}  // namespace longreach::harness
