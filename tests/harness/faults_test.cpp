// Kills the program at random moments until it is done, and holds what it found against a run that
// nobody disturbed. The seed is printed; LONGREACH_FAULTS=KILLS[:SEED] repeats one, or soaks.
#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <iostream>
#include <random>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "command.h"
#include "experiment.h"
#include "harness/equality.h"
#include "memory_folder.h"

using namespace longreach;
using namespace longreach::tests;
using namespace longreach::harness;

namespace {

using Clock = std::chrono::steady_clock;

/// Every kind of cell: training that saves a checkpoint each step, samples, curves, timings.
Parts experiment() {
  Parts parts;
  parts.models =
      "[{name: reader, arch: {layers: 1, width: 8, heads: 2, vocabulary: task}, train: {data: "
      "{passkey: {near: 64}}, steps: 6, length: 96, batch_tokens: 192, checkpoint: 0}}]";
  parts.backends =
      "[{name: full, full: {}, baseline: true}, {name: infini, infini: {segment: 32}}]";
  parts.lengths = "[96]";
  parts.tasks = "[{passkey: {samples: 4}}, memory, {latency: {repetitions: 3}}]";
  return parts;
}

/// The program, running.
class Process {
 public:
  explicit Process(const std::vector<std::string>& arguments, const std::string& log) : log_(log) {
    std::vector<std::string> words{LONGREACH_BINARY_DIR "/longreach"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    pid_ = fork();
    if (pid_ != 0) return;
    const int out = open(log.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0644);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    if (chdir(LONGREACH_SOURCE_DIR) != 0) _exit(127);
    execv(argv[0], argv.data());
    _exit(127);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    if (!ended_) kill();
    wait();
  }

  /// Until then, or its end: whether it ended.
  bool ended_by(Clock::time_point moment) {
    while (!ended_ && Clock::now() < moment) {
      ended_ = waitpid(pid_, &status_, WNOHANG) == pid_;
      if (!ended_) std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    return ended_;
  }
  int wait() {
    if (!ended_) ended_ = waitpid(pid_, &status_, 0) == pid_;
    return WIFEXITED(status_) ? WEXITSTATUS(status_) : -1;
  }
  void kill() const { ::kill(pid_, SIGKILL); }
  /// The cell's process; false when there is none at the moment.
  bool kill_child() const {
    std::ifstream children(fmt::format("/proc/{0}/task/{0}/children", pid_));
    pid_t child = 0;
    return children >> child && ::kill(child, SIGKILL) == 0;
  }
  std::string log() const { return read_file(log_); }

 private:
  std::string log_;
  pid_t pid_ = -1;
  int status_ = 0;
  bool ended_ = false;
};

/// How many of whom were killed, when.
struct Tally {
  int runner = 0, child = 0, both = 0, runs = 0;
  int kills() const { return runner + child + both; }
};

class Faults {
 public:
  explicit Faults(std::uint64_t seed) : random_(seed) {
    write_file(config_, experiment().yaml());
    const auto start = Clock::now();
    Process undisturbed(arguments("whole"), log_);
    const int code = undisturbed.wait();
    INFO(undisturbed.log());
    REQUIRE(code == 0);
    whole_ = std::chrono::duration<double>(Clock::now() - start).count();
  }

  /// Runs the experiment in a folder of its own, with kills, until it is done, and compares.
  void run_once() {
    const std::string name = fmt::format("run{}", ++tally.runs);
    for (int attempt = 0; attempt < 1000; ++attempt) {
      Process process(arguments(name), log_);
      const bool killed = disturb(process);
      const int code = process.wait();
      INFO(process.log());
      if (code == 0) break;
      // A cell whose process was killed twice failed; that is no error of the program's.
      REQUIRE((killed || code == 1));
    }
    const Stored expected = Store(folder_ / "whole", Store::Open::existing).read();
    const Store store(folder_ / name, Store::Open::existing);
    CHECK(store.damaged().empty());
    CHECK(equal_but_for_times(expected, store.read()) == "");
    check_files(name);
    std::filesystem::remove_all(folder_ / name);
  }

  Tally tally;

 private:
  std::vector<std::string> arguments(const std::string& output) const {
    return {"run", config_, "--threads", "1", "--output", folder_ / output};
  }

  double uniform(double below) { return std::uniform_real_distribution<>(0, below)(random_); }

  /// Whether the run was killed, or let go on to its end.
  bool disturb(Process& process) {
    const auto after = [&](double seconds) {
      return Clock::now() +
             std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    };
    const double whom = uniform(1);
    if (process.ended_by(after(uniform(kLongest * whole_)))) return false;
    if (whom < kChildOnly) {
      if (process.kill_child()) ++tally.child;
      process.ended_by(Clock::time_point::max());
      return false;
    }
    if (whom < kChildOnly + kBoth && process.kill_child()) {
      ++tally.both;
    } else {
      ++tally.runner;
    }
    process.kill();
    return true;
  }

  /// Weights as the undisturbed run's, and nothing left over that nobody will look at again.
  void check_files(const std::string& name) {
    int weights = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / "whole" + "/models")) {
      const std::string file = entry.path().filename().string();
      CHECK(read_file(entry.path()) == read_file(folder_ / name + "/models/" + file));
      ++weights;
    }
    CHECK(weights == 2);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ / name)) {
      const std::string file = entry.path().filename().string();
      CAPTURE(file);
      CHECK(file.find(".new-") == std::string::npos);
      CHECK(file.find(".training.") == std::string::npos);
    }
  }

  // The runner waits half a second for a signal of its own when a cell's process is killed, so few
  // of the kills are the child's alone.
  static constexpr double kChildOnly = 0.1, kBoth = 0.3;
  /// Of an undisturbed run's time: a run that goes on needs less than a whole one.
  static constexpr double kLongest = 0.6;

  std::mt19937_64 random_;
  const MemoryFolder folder_;
  const std::string config_ = folder_ / "c.yaml", log_ = folder_ / "log";
  double whole_ = 0;  ///< seconds that the undisturbed run took
};

}  // namespace

TEST_CASE("A run killed hundreds of times finds what an undisturbed one does") {
  int kills = 300;
  std::uint64_t seed = std::random_device{}();
  if (const char* asked = std::getenv("LONGREACH_FAULTS")) {
    std::istringstream words(asked);
    char colon = 0;
    REQUIRE(words >> kills);
    if (words >> colon) REQUIRE(words >> seed);
  }
  std::cout << fmt::format("faults: seed {}\n", seed) << std::flush;
  CAPTURE(seed);
  Faults faults(seed);
  const Tally& tally = faults.tally;
  while (tally.kills() < kills) faults.run_once();
  std::cout << fmt::format(
      "faults: {} kills (runner {}, cell {}, both {}) in {} runs, each equal but for times\n",
      tally.kills(), tally.runner, tally.child, tally.both, tally.runs);
  CHECK(tally.child > 0);
  CHECK(tally.both > 0);
}
