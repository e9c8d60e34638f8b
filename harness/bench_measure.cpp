// Times the cases of a benchmark, round by round, with probes beside each.
#include <algorithm>
#include <benchmark/benchmark.h>
#include <chrono>
#include <cmath>
#include <fstream>
#include <limits>
#include <memory>
#include <omp.h>
#include <sstream>

#include "attention/verify_run.h"
#include "core/error.h"
#include "core/half.h"
#include "harness/backend_text.h"
#include "harness/bench.h"
#include "metrics/machine_probe.h"

namespace longreach::harness {
namespace {

using attention::Backend;
using attention::Chunk;
using attention::ChunkGrad;
using attention::Shape;
using attention::State;
using attention::Tape;

constexpr double kLongEnough = 0.05;  ///< seconds that one timing should take at least
constexpr i64 kReferenceTokens = 2304;

Shape shape_of(const BenchCase& c) { return {c.heads, c.heads / c.group, c.head_size}; }

/// Uniform numbers in (0.1, 1): positive, as normalizers must be. A block drawn once is repeated:
/// what is timed does not depend on the values.
void fill(float* to, i64 n, const Rng& seed) {
  constexpr i64 kBlock = 1 << 16;
  Rng rng = seed;
  const i64 drawn = std::min(n, kBlock);
  for (i64 i = 0; i < drawn; ++i) to[i] = static_cast<float>(0.1 + 0.9 * rng.uniform());
  for (i64 i = drawn; i < n; i += kBlock) std::copy_n(to, std::min(kBlock, n - i), to + i);
}

void fill(Tensor& tensor, const Rng& rng) {
  if (tensor.element() == Element::f32) return fill(tensor.flat().data(), tensor.size(), rng);
  Floats block(std::min<std::size_t>(static_cast<std::size_t>(tensor.size()), 1 << 16));
  fill(block.data(), static_cast<i64>(block.size()), rng);
  for (i64 i = 0; i < tensor.size(); i += static_cast<i64>(block.size())) {
    const i64 count = std::min(static_cast<i64>(block.size()), tensor.size() - i);
    narrow(block.data(), tensor.element(), tensor.halves().data() + i, count);
  }
}

/// One case, ready to be called: inputs, state, and what a backward pass needs.
class Prepared {
 public:
  Prepared(const BenchCase& c, i64 calls, const Rng& rng)
      : case_(c), backend_(make_backend("bench", c.backend, shape_of(c))) {
    const bool decodes = c.phase == Phase::decode;
    const i64 tokens = decodes ? 1 : c.length;
    const Shape shape = backend_->shape();
    q_ = Tensor({c.batch, tokens, shape.query_heads, shape.head_dim});
    k_ = Tensor({c.batch, tokens, shape.kv_heads, shape.head_dim});
    v_ = Tensor(k_.shape());
    projected_ = Tensor({c.batch, tokens, backend_->projected_size()});
    out_ = Tensor(q_.shape());
    for (Tensor* tensor : {&q_, &k_, &v_, &projected_}) fill(*tensor, rng);
    for (const attention::WeightSpec& spec : backend_->weights()) {
      weights_.resize(weights_.size() + static_cast<std::size_t>(Tensor::count(spec.shape)),
                      spec.initial);
    }
    state_ = backend_->initial_state(c.batch, decodes ? c.length + calls : c.length);
    const State longer = backend_->initial_state(1, c.length + 1);
    for (std::size_t i = 0; i < state_.tensors.size(); ++i) {
      constant_.push_back(longer.tensors[i].tensor.size() * c.batch ==
                          state_.tensors[i].tensor.size());
    }
    if (decodes) {
      for (NamedTensor& named : state_.tensors) fill(named.tensor, rng);
      state_.position = c.length;
    }
    if (c.phase == Phase::backward || c.phase == Phase::forward_backward) {
      d_out_ = q_;
      d_q_ = Tensor(q_.shape());
      d_k_ = Tensor(k_.shape());
      d_projected_ = Tensor(projected_.shape());
      d_v_ = Tensor(k_.shape());
      d_weights_.resize(weights_.size());
      d_state_ = state_.zero_like();
    }
    if (c.phase == Phase::backward) forward(&tape_);
  }

  void call() {
    switch (case_.phase) {
      case Phase::forward:
        return forward(nullptr);
      case Phase::backward:
        return backward();
      case Phase::forward_backward:
        forward(&tape_);
        return backward();
      case Phase::decode:
        return backend_->forward(weights_, chunk(), state_, out_.view<4>(), nullptr);
    }
  }

  void account(BenchResult& result) const {
    const i64 tokens = q_.shape()[1];
    const attention::Cost cost =
        backend_->cost(case_.phase == Phase::decode ? case_.length : 0, tokens);
    const double passes = case_.phase == Phase::backward           ? 2.5
                          : case_.phase == Phase::forward_backward ? 3.5
                                                                   : 1;
    result.flops = passes * cost.flops * static_cast<double>(case_.batch);
    result.bytes = cost.bytes_moved * static_cast<double>(case_.batch);
    result.tokens = tokens * case_.batch;
    result.state = state_.bytes();
  }

 private:
  Chunk chunk() const {
    return {q_.view<4>(), k_.view<4>(), v_.view<4>(), {}, projected_.view<3>()};
  }
  void forward(Tape* tape) {
    // An empty state again. Caches that grow are not read past their position: left as they are.
    for (std::size_t i = 0; i < state_.tensors.size(); ++i) {
      Tensor& tensor = state_.tensors[i].tensor;
      if (constant_[i]) std::fill_n(static_cast<char*>(tensor.data()), tensor.bytes(), char{0});
    }
    state_.position = 0;
    backend_->forward(weights_, chunk(), state_, out_.view<4>(), tape);
  }
  void backward() {
    d_state_.position = case_.length;
    backend_->backward(
        weights_, chunk(), tape_, std::as_const(d_out_).view<4>(), d_state_,
        ChunkGrad{d_q_.view<4>(), d_k_.view<4>(), d_v_.view<4>(), d_projected_.view<3>()},
        d_weights_);
  }

  const BenchCase& case_;
  std::unique_ptr<Backend> backend_;
  Tensor q_, k_, v_, projected_, out_, d_out_, d_q_, d_k_, d_v_, d_projected_;
  std::vector<float> weights_, d_weights_;
  State state_, d_state_;
  std::vector<bool> constant_;  ///< the state's tensors whose size knows no capacity
  Tape tape_;
};

/// Takes the time of one run from Google Benchmark and writes nothing.
class Collector final : public benchmark::BenchmarkReporter {
 public:
  Collector() {
    SetOutputStream(&nowhere_);
    SetErrorStream(&nowhere_);
  }
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.run_type != Run::RT_Iteration || run.error_occurred) continue;
      const double n = static_cast<double>(run.iterations);
      round = {.seconds = run.real_accumulated_time / n, .cpu = run.cpu_accumulated_time / n};
    }
  }
  BenchRound round;

 private:
  std::ostringstream nowhere_;
};

BenchRound time_calls(Prepared& prepared, i64 calls) {
  std::exception_ptr failure;
  benchmark::RegisterBenchmark("case",
                               [&](benchmark::State& state) {
                                 try {  // nothing may be thrown through the library
                                   for (auto _ : state) prepared.call();
                                 } catch (...) {
                                   failure = std::current_exception();
                                   state.SkipWithError("failed");
                                 }
                               })
      ->Iterations(calls)
      ->UseRealTime()
      ->MeasureProcessCPUTime();
  Collector collector;
  benchmark::RunSpecifiedBenchmarks(&collector, "^case/");
  benchmark::ClearRegisteredBenchmarks();
  if (failure) std::rethrow_exception(failure);
  check(collector.round.seconds > 0, "the case is timed");
  collector.round.calls = calls;
  return collector.round;
}

struct Errors {
  double output, gradient;
};

/// Output and gradient of a backend against its float64 reference, on a stream that ends with
/// single tokens; the gradient along one random direction, relative to its norm.
Errors errors_of(const BenchCase& c, std::uint64_t seed) {
  const std::unique_ptr<Backend> backend =
      make_backend("bench", c.backend, {c.group, 1, c.head_size});
  const i64 tokens = std::min(std::max<i64>(c.length, 2), kReferenceTokens);
  const Rng rng = Rng(seed).fork("bench error");
  const attention::Problem problem(*backend, 1, tokens, rng);
  std::vector<i64> cuts{tokens - 1, 1};
  const attention::Pass pass = attention::run(*backend, problem, cuts, true);
  attention::ReferenceProblem reference(problem);
  const std::vector<double> expected = backend->reference(reference.weights, reference.streams[0]);
  Errors errors{};
  errors.output = attention::relative_error(pass.out.flat(), std::span<const double>(expected));
  const attention::Gradients gradients =
      attention::undo(*backend, problem, pass, problem.d_state.zero_like());
  double along = 0, norm = 0;
  Rng direction_rng = rng.fork("direction");
  std::vector<std::vector<double>> directions;
  attention::ReferenceStream& stream = reference.streams[0];
  std::vector<double>* const inputs[] = {&stream.q, &stream.k, &stream.v};
  const Tensor* const parts[] = {&gradients.q, &gradients.k, &gradients.v};
  for (std::size_t i = 0; i < 3; ++i) {
    std::vector<double>& direction = directions.emplace_back();
    for (const float g : parts[i]->flat()) {
      direction.push_back(direction_rng.normal());
      along += static_cast<double>(g) * direction.back();
      norm += static_cast<double>(g) * g;
    }
  }
  const auto moved_loss = [&](double step) {
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t n = 0; n < directions[i].size(); ++n)
        (*inputs[i])[n] += step * directions[i][n];
    }
    return reference.loss(*backend, 0);
  };
  constexpr double kStep = 1e-5;
  const double above = moved_loss(kStep), below = moved_loss(-2 * kStep);
  errors.gradient = std::abs((above - below) / (2 * kStep) - along) / std::sqrt(norm);
  return errors;
}

i64 available_memory() {
  std::ifstream in("/proc/meminfo");
  for (std::string word; in >> word;) {
    if (word == "MemAvailable:") {
      i64 kib = 0;
      in >> kib;
      return kib * 1024;
    }
  }
  return std::numeric_limits<i64>::max();
}

/// Why a case cannot run here, or "".
std::string obstacle(const BenchCase& c) {
  const Shape shape = shape_of(c);
  const i64 state = c.batch * make_backend("bench", c.backend, shape)->state_bytes(c.length);
  const i64 rows = c.phase == Phase::decode ? 1 : c.length;
  const i64 inputs = 4 * c.batch * rows * shape.head_dim * 2 * (shape.query_heads + shape.kv_heads);
  const i64 copies = c.phase == Phase::forward || c.phase == Phase::decode ? 1 : 4;
  const i64 wanted = copies * (state + inputs), free = available_memory();
  if (wanted < free - free / 8) return "";
  return fmt::format("needs about {} MiB, {} are free", wanted >> 20, free >> 20);
}

/// The first call, untimed: warms caches, counts scratch, and says how many calls a timing takes.
i64 warm_up(const BenchCase& c, const Rng& rng, BenchResult& result) {
  Prepared prepared(c, 8, rng);
  prepared.account(result);
  prepared.call();
  const i64 before = MemoryCount::live();
  MemoryCount::restart();
  const auto start = std::chrono::steady_clock::now();
  prepared.call();
  const double once =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  result.scratch = MemoryCount::peak() - before;
  return std::clamp<i64>(static_cast<i64>(kLongEnough / once) + 1, 1, 1 << 16);
}

}  // namespace

std::vector<BenchResult> measure(const std::vector<BenchCase>& cases, const BenchRequest& request,
                                 const std::function<void(const std::string&)>& progress) {
  const metrics::ReadProbe reading;
  const Rng rng(static_cast<std::uint64_t>(request.seed));
  std::vector<BenchResult> results;
  std::vector<i64> calls;
  std::map<std::string, Errors> known;
  for (const BenchCase& c : cases) {
    BenchResult& result = results.emplace_back();
    result.c = c;
    result.skipped = obstacle(c);
    calls.push_back(0);
    if (!result.skipped.empty()) continue;
    progress("preparing " + c.name());
    omp_set_num_threads(static_cast<int>(c.threads));
    calls.back() = warm_up(c, rng, result);
    const std::string key = fmt::format("{}/{}/{}/{}", c.backend, c.head_size, c.group,
                                        std::min(c.length, kReferenceTokens));
    if (!known.contains(key)) {
      known[key] = errors_of(c, static_cast<std::uint64_t>(request.seed));
    }
    result.error = known[key].output;
    if (c.phase == Phase::backward || c.phase == Phase::forward_backward) {
      result.gradient_error = known[key].gradient;
    }
  }
  for (i64 round = 0; round < 2 * request.rounds; ++round) {
    for (std::size_t i = 0; i < cases.size(); ++i) {
      BenchResult& result = results[i];
      const i64 quiet = std::ranges::count(result.rounds, false, &BenchRound::busy);
      if (!result.skipped.empty() || quiet >= request.rounds) continue;
      progress(fmt::format("round {} {}", round + 1, cases[i].name()));
      const int threads = static_cast<int>(cases[i].threads);
      omp_set_num_threads(threads);
      Prepared prepared(cases[i], calls[i], rng);
      const double fma = metrics::fma_peak(threads), bandwidth = reading.bandwidth(threads);
      BenchRound timed = time_calls(prepared, calls[i]);
      timed.bandwidth = (bandwidth + reading.bandwidth(threads)) / 2;
      timed.fma = (fma + metrics::fma_peak(threads)) / 2;
      result.rounds.push_back(timed);
    }
    mark_busy(results);
  }
  return results;
}

}  // namespace longreach::harness
