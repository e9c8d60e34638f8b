// Threads in the place of processes that train together.
#pragma once

#include <barrier>
#include <functional>
#include <thread>
#include <vector>

#include "model/processes.h"

namespace longreach::tests {

class ThreadProcesses final : public model::Processes {
 public:
  struct Shared {
    explicit Shared(i64 count) : size(count), arrived(count) {}
    i64 size;
    std::barrier<> arrived;
    std::vector<double> total;
    std::string text;
  };

  ThreadProcesses(i64 rank, Shared& shared) : rank_(rank), shared_(shared) {}
  i64 rank() const override { return rank_; }
  i64 size() const override { return shared_.size; }
  void sum(std::span<float> values) override { add(values); }
  void sum(std::span<double> values) override { add(values); }
  std::string from_first(std::string text) override {
    if (rank_ == 0) shared_.text = std::move(text);
    shared_.arrived.arrive_and_wait();
    std::string copy = shared_.text;
    shared_.arrived.arrive_and_wait();
    return copy;
  }

 private:
  template <class T>
  void add(std::span<T> values) {
    for (i64 turn = 0; turn < shared_.size; ++turn) {
      if (turn == rank_) {
        if (turn == 0) shared_.total.assign(values.size(), 0);
        for (std::size_t i = 0; i < values.size(); ++i) {
          shared_.total[i] += static_cast<double>(values[i]);
        }
      }
      shared_.arrived.arrive_and_wait();
    }
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<T>(shared_.total[i]);
    shared_.arrived.arrive_and_wait();
  }

  i64 rank_;
  Shared& shared_;
};

/// Runs `work` in `count` threads, each with its own Processes of them all.
inline void train_together(i64 count, const std::function<void(model::Processes&)>& work) {
  ThreadProcesses::Shared shared(count);
  std::vector<std::thread> threads;
  for (i64 rank = 0; rank < count; ++rank) {
    threads.emplace_back([&work, &shared, rank] {
      ThreadProcesses own(rank, shared);
      work(own);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace longreach::tests
