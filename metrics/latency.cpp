// Latency of prefill and of decoding at a depth, timed by Google Benchmark.
#include <algorithm>
#include <benchmark/benchmark.h>
#include <chrono>
#include <cmath>
#include <exception>
#include <functional>
#include <omp.h>
#include <sstream>

#include "core/error.h"
#include "metrics/metric.h"
#include "metrics/statistics.h"
#include "model/scoring.h"

namespace longreach::metrics {
namespace {

/// Collects the wall time of each repetition and writes nothing.
class Collector final : public benchmark::BenchmarkReporter {
 public:
  Collector() {
    SetOutputStream(&nowhere_);
    SetErrorStream(&nowhere_);
  }
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      // Aggregates arrive as runs too; the median and its interval are made from the repetitions.
      if (run.run_type != Run::RT_Iteration || run.error_occurred) continue;
      seconds_.push_back(run.real_accumulated_time / static_cast<double>(run.iterations));
    }
  }
  const std::vector<double>& seconds() const { return seconds_; }

 private:
  std::ostringstream nowhere_;
  std::vector<double> seconds_;
};

/// One thing to time: `prepare` runs before each repetition and is not timed, `run` is.
struct Case {
  std::string phase;
  std::function<void()> prepare, run;
};

/// Seconds of each repetition. A first, unmeasured run warms caches and lets errors out; it also
/// says how many repetitions fit in `budget` seconds (three at least).
std::vector<double> time_repetitions(const Case& timed, i64 repetitions, double budget) {
  using Clock = std::chrono::steady_clock;
  timed.prepare();
  const Clock::time_point start = Clock::now();
  timed.run();
  const double once = std::chrono::duration<double>(Clock::now() - start).count();
  if (once * static_cast<double>(repetitions) > budget) {
    repetitions = std::max<i64>(3, static_cast<i64>(budget / once));
  }
  std::exception_ptr failure;
  benchmark::RegisterBenchmark(timed.phase.c_str(),
                               [&](benchmark::State& state) {
                                 // Nothing may be thrown through the library.
                                 try {
                                   timed.prepare();
                                   for (auto _ : state) timed.run();
                                 } catch (...) {
                                   failure = std::current_exception();
                                   state.SkipWithError("failed");
                                 }
                               })
      ->Iterations(1)
      ->Repetitions(static_cast<int>(repetitions))
      ->UseRealTime();
  Collector collector;
  benchmark::RunSpecifiedBenchmarks(&collector, fmt::format("^{}/", timed.phase));
  benchmark::ClearRegisteredBenchmarks();
  if (failure) std::rethrow_exception(failure);
  check(static_cast<i64>(collector.seconds().size()) == repetitions, "every repetition is timed");
  return collector.seconds();
}

class Latency final : public Metric {
 public:
  struct Params {
    bool prefill = true, decode = true;
    i64 repetitions = 10, decode_tokens = 16;
    double budget = 60;
    void fields(Fields& f) {
      f("prefill", prefill, "time reading the whole context, up to the next token's logits");
      f("decode", decode, "time each further token once the context has been read");
      f("repetitions", repetitions, at_least(3, Unit::count), "timed runs of each phase");
      f("decode_tokens", decode_tokens, at_least(1, Unit::count), "tokens in a decoding run");
      f("budget", budget, at_least(0, Unit::seconds),
        "timing a phase for longer cuts its repetitions, to three at least");
    }
  };

  explicit Latency(const Params& params) : params_(params) {
    if (!params_.prefill && !params_.decode) {
      throw Error("latency: nothing to time; set prefill: true or decode: true");
    }
  }

  i64 version() const override { return 1; }

  Findings measure(const Session& session) const override {
    Findings findings;
    const std::vector<Token> tokens = random_tokens(session);
    if (params_.prefill) findings.measurements.push_back(time_prefill(session, tokens));
    if (params_.decode) findings.measurements.push_back(time_decode(session, tokens));
    return findings;
  }

 private:
  /// The context and what is decoded after it.
  std::vector<Token> random_tokens(const Session& session) const {
    Rng rng = session.rng.fork("tokens");
    std::vector<Token> tokens(
        static_cast<std::size_t>(session.context_length + params_.decode_tokens));
    for (Token& token : tokens) {
      token = static_cast<Token>(rng.below(session.model.architecture().vocabulary));
    }
    return tokens;
  }

  Measurement time_prefill(const Session& session, const std::vector<Token>& tokens) const {
    const model::Transformer& model = session.model;
    const i64 length = session.context_length;
    const View<const Token, 2> context(tokens.data(), {1, length});
    const i64 last_chunk = (length - 1) / model::kScoringChunk * model::kScoringChunk;
    Tensor logits({1, 1, model.architecture().vocabulary});
    model::StreamState state;
    const Case timed{"prefill", [&] { state = model.initial_state(1, length); },
                     [&] {
                       model::prefill(model, context.slice(1, 0, last_chunk), state);
                       model.forward(context.slice(1, last_chunk, length - last_chunk), state,
                                     logits.view<3>(), nullptr);
                     }};
    return measurement(session, timed, "ms", 1,
                       fmt::format("chunk={}:logits=last", model::kScoringChunk));
  }

  Measurement time_decode(const Session& session, const std::vector<Token>& tokens) const {
    const model::Transformer& model = session.model;
    const i64 length = session.context_length, count = params_.decode_tokens;
    const View<const Token, 2> all(tokens.data(), {1, length + count});
    Tensor logits({1, 1, model.architecture().vocabulary});
    model::StreamState filled = model.initial_state(1, length + count), state;
    model::prefill(model, all.slice(1, 0, length), filled);
    const Case timed{"decode", [&] { state = filled; },
                     [&] {
                       for (i64 i = 0; i < count; ++i) {
                         model.forward(all.slice(1, length + i, 1), state, logits.view<3>(),
                                       nullptr);
                       }
                     }};
    return measurement(session, timed, "ms/token", count, fmt::format("tokens={}", count));
  }

  Measurement measurement(const Session& session, const Case& timed, std::string_view unit,
                          i64 divide_by, std::string_view details) const {
    std::vector<double> values = time_repetitions(timed, params_.repetitions, params_.budget);
    for (double& value : values) value *= 1000 / static_cast<double>(divide_by);
    const auto n = static_cast<i64>(values.size());
    const double confidence = session.statistics.confidence;
    const Interval interval = median_interval(values, confidence);
    Measurement m;
    m.metric = fmt::format("latency/{}", timed.phase);
    m.unit = unit;
    m.higher_is_better = false;
    m.value = median(values);
    m.n = n;
    m.ci_low = interval.low;
    m.ci_high = interval.high;
    // All n values miss the median with probability 2 * 0.5^n: few cannot give the confidence
    // asked.
    const bool reached = 2 * std::pow(0.5, static_cast<double>(n)) <= 1 - confidence;
    m.ci_method = reached ? fmt::format("order statistics {:g} of the median", confidence)
                          : fmt::format("range of {} repetitions", n);
    m.protocol = fmt::format("latency/{}:phase={}:batch=1:{}:threads={}", version(), timed.phase,
                             details, omp_get_max_threads());
    return m;
  }

  Params params_;
};

const Registered<MetricRegistry, Latency> registered{
    "latency", "Time to read a context and, at that depth, per further token"};

}  // namespace
}  // namespace longreach::metrics
