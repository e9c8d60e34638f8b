// A metric that crashes, hangs, runs out of memory, ... : what a cell may do and the run survives.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <new>
#include <unistd.h>
#include <vector>

#include "core/error.h"
#include "metrics/metric.h"

namespace longreach::metrics {
namespace {

/// Takes memory until something stops it, slowly enough for the machine that runs the tests.
void grow() {
  constexpr std::size_t kBytes = std::size_t{8} << 20;
  for (std::vector<std::unique_ptr<char[]>> taken;;) {
    taken.push_back(std::make_unique_for_overwrite<char[]>(kBytes));
    std::memset(taken.back().get(), 1, kBytes);
    usleep(4000);
  }
}

void do_harm(const std::string& kind) {
  if (kind == "segfault") {
    std::fprintf(stderr, "hazard: about to touch nothing\n");
    std::raise(SIGSEGV);
  } else if (kind == "abort") {
    std::abort();
  } else if (kind == "hang") {
    for (;;) pause();
  } else if (kind == "grow") {
    grow();
  } else if (kind == "bad_alloc") {
    throw std::bad_alloc();
  } else if (kind == "bad_alloc_in_parallel") {
#pragma omp parallel num_threads(2)
    throw std::bad_alloc();
  } else if (kind == "error_in_parallel") {
#pragma omp parallel num_threads(2)
    throw Error("hazard: row 7 is out of range");
  } else if (kind == "exit") {
    std::printf("hazard: leaving\nwith two lines\n");
    std::exit(7);
  } else if (kind == "killed") {
    std::raise(SIGKILL);
  } else if (kind == "terminated") {
    std::raise(SIGTERM);
  } else if (kind == "hang_at_exit") {
    std::atexit([] {
      for (;;) pause();
    });
  } else if (kind == "wait" || kind == "stubborn") {
    if (kind == "stubborn") std::signal(SIGTERM, SIG_IGN);
    for (volatile long turns = 0;;) turns = turns + 1;
  } else if (kind != "none") {
    throw error("hazard: unknown kind '{}'", kind);
  }
}

class Hazard final : public Metric {
 public:
  struct Params {
    std::string kind = "none", once;
    i64 from = 0;
    void fields(Fields& f) {
      f("kind", kind, "what to do");
      f("from", from, at_least(0, Unit::count), "only at contexts of at least so many tokens");
      f("once", once, "not when this file is there, which the first time makes");
    }
  };

  explicit Hazard(const Params& params) : params_(params) {}

  i64 version() const override { return 1; }

  Findings measure(const Session& session) const override {
    if (session.context_length >= params_.from && first_time()) do_harm(params_.kind);
    Findings findings;
    Measurement& m = findings.measurements.emplace_back();
    m.metric = "hazard/survived";
    m.unit = "1";
    m.value = 1;
    m.n = 1;
    m.ci_method = "exact";
    return findings;
  }

 private:
  bool first_time() const {
    if (params_.once.empty()) return true;
    const int fd = open(params_.once.c_str(), O_CREAT | O_EXCL | O_WRONLY, 0644);
    if (fd < 0) return false;
    close(fd);
    return true;
  }

  const Params params_;
};

const Registered<MetricRegistry, Hazard> registered{"hazard", "Does what a cell must not do"};

}  // namespace
}  // namespace longreach::metrics
