// Processes that mpirun started.
#include "harness/mpi.h"

#include <cstdlib>

#include "core/error.h"

#ifdef LONGREACH_MPI
#include <mpi.h>
#endif

namespace longreach::harness {
namespace {

/// A launcher's number of processes in the environment of Open MPI, MPICH's and Slurm's; 0 = none.
i64 launched() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"}) {
    if (const char* text = std::getenv(name)) return std::strtoll(text, nullptr, 10);
  }
  return 0;
}

#ifdef LONGREACH_MPI

/// An int counts what a call sends.
constexpr std::size_t kMostAtOnce = std::size_t{1} << 30;

class MpiProcesses final : public model::Processes {
 public:
  MpiProcesses() {
    int threads = 0;  // of a process, OpenMP's first alone calls MPI
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &threads);
    int number = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &number);
    rank_ = number;
    MPI_Comm_size(MPI_COMM_WORLD, &number);
    size_ = number;
  }
  ~MpiProcesses() override { MPI_Finalize(); }

  i64 rank() const override { return rank_; }
  i64 size() const override { return size_; }
  void sum(std::span<float> values) override { sum(values, MPI_FLOAT); }
  void sum(std::span<double> values) override { sum(values, MPI_DOUBLE); }

  std::string from_first(std::string text) override {
    unsigned long long length = text.size();
    MPI_Bcast(&length, 1, MPI_UNSIGNED_LONG_LONG, 0, MPI_COMM_WORLD);
    text.resize(length);
    broadcast(std::span(text), MPI_CHAR);
    return text;
  }

 private:
  /// MPI does not promise that an all-reduction gives every process the same bits; a broadcast
  /// does.
  template <class T>
  void sum(std::span<T> values, MPI_Datatype type) {
    for (std::span<T> rest = values; !rest.empty();) {
      const std::span<T> part = rest.first(std::min(rest.size(), kMostAtOnce));
      MPI_Reduce(rank_ == 0 ? MPI_IN_PLACE : part.data(), part.data(),
                 static_cast<int>(part.size()), type, MPI_SUM, 0, MPI_COMM_WORLD);
      rest = rest.subspan(part.size());
    }
    broadcast(values, type);
  }

  template <class T>
  static void broadcast(std::span<T> values, MPI_Datatype type) {
    for (std::span<T> rest = values; !rest.empty();) {
      const std::span<T> part = rest.first(std::min(rest.size(), kMostAtOnce));
      MPI_Bcast(part.data(), static_cast<int>(part.size()), type, 0, MPI_COMM_WORLD);
      rest = rest.subspan(part.size());
    }
  }

  i64 rank_ = 0, size_ = 1;
};

#endif

}  // namespace

std::unique_ptr<model::Processes> join_processes() {
  if (launched() == 0) return std::make_unique<model::Processes>();
#ifdef LONGREACH_MPI
  return std::make_unique<MpiProcesses>();
#else
  if (launched() == 1) return std::make_unique<model::Processes>();
  throw error("this build trains in one process, not in {}; configure it with -DLONGREACH_MPI=ON",
              launched());
#endif
}

}  // namespace longreach::harness
