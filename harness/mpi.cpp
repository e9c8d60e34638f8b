// Processes that mpirun started.
#include "harness/mpi.h"

#include <algorithm>
#include <cstdlib>
#include <sched.h>
#include <vector>

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

class MpiRanks final : public Ranks {
 public:
  MpiRanks() {
    int threads = 0;  // of a process, OpenMP's first alone calls MPI
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &threads);
    int number = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &number);
    rank_ = number;
    MPI_Comm_size(MPI_COMM_WORLD, &number);
    size_ = number;
    find_hosts();
  }
  ~MpiRanks() override { MPI_Finalize(); }

  i64 rank() const override { return rank_; }
  i64 size() const override { return size_; }
  void sum(std::span<float> values) override { sum(values, MPI_FLOAT); }
  void sum(std::span<double> values) override { sum(values, MPI_DOUBLE); }

  i64 host(i64 rank) const override { return hosts_[static_cast<std::size_t>(rank)]; }
  i64 cores() const override { return cores_; }

  void send(i64 rank, const std::string& text) override {
    if (text.size() > kMostAtOnce) throw error("a message of {} bytes is too long", text.size());
    MPI_Send(text.data(), static_cast<int>(text.size()), MPI_CHAR, static_cast<int>(rank), kTag,
             MPI_COMM_WORLD);
  }

  std::optional<Message> receive() override {
    int there = 0, length = 0;
    MPI_Status status;
    MPI_Iprobe(MPI_ANY_SOURCE, kTag, MPI_COMM_WORLD, &there, &status);
    if (there == 0) return std::nullopt;
    MPI_Get_count(&status, MPI_CHAR, &length);
    Message message{status.MPI_SOURCE, std::string(static_cast<std::size_t>(length), '\0')};
    MPI_Recv(message.text.data(), length, MPI_CHAR, status.MPI_SOURCE, kTag, MPI_COMM_WORLD,
             MPI_STATUS_IGNORE);
    return message;
  }

  std::string from_first(std::string text) override {
    unsigned long long length = text.size();
    MPI_Bcast(&length, 1, MPI_UNSIGNED_LONG_LONG, 0, MPI_COMM_WORLD);
    text.resize(length);
    broadcast(std::span(text), MPI_CHAR);
    return text;
  }

 private:
  static constexpr int kTag = 1;

  /// A host is named by the first of its ranks.
  void find_hosts() {
    MPI_Comm host = MPI_COMM_NULL;
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, static_cast<int>(rank_),
                        MPI_INFO_NULL, &host);
    int first = static_cast<int>(rank_), on_host = 0;
    MPI_Bcast(&first, 1, MPI_INT, 0, host);
    hosts_.resize(static_cast<std::size_t>(size_));
    MPI_Allgather(&first, 1, MPI_INT, hosts_.data(), 1, MPI_INT, MPI_COMM_WORLD);

    MPI_Comm_size(host, &on_host);
    cpu_set_t own;
    CPU_ZERO(&own);
    sched_getaffinity(0, sizeof(own), &own);
    std::vector<cpu_set_t> all(static_cast<std::size_t>(on_host));
    MPI_Allgather(&own, sizeof(own), MPI_BYTE, all.data(), sizeof(own), MPI_BYTE, host);
    const auto sharing = std::ranges::count_if(
        all, [&own](const cpu_set_t& other) { return CPU_EQUAL(&own, &other) != 0; });
    cores_ = std::max<i64>(1, CPU_COUNT(&own) / sharing);
    MPI_Comm_free(&host);
  }

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

  i64 rank_ = 0, size_ = 1, cores_ = 1;
  std::vector<int> hosts_;  ///< by rank
};

#endif

}  // namespace

std::unique_ptr<Ranks> join_processes() {
  // One process needs no MPI, which some batch systems could not start.
  if (launched() <= 1) return std::make_unique<Ranks>();
#ifdef LONGREACH_MPI
  return std::make_unique<MpiRanks>();
#else
  throw error("this build works in one process, not in {}; configure it with -DLONGREACH_MPI=ON",
              launched());
#endif
}

}  // namespace longreach::harness
