// Latency of prefill and of decoding at a depth, timed by Google Benchmark, and the energy drawn
// meanwhile.
#include <algorithm>
#include <benchmark/benchmark.h>
#include <chrono>
#include <cmath>
#include <exception>
#include <functional>
#include <omp.h>
#include <optional>
#include <sstream>

#include "core/error.h"
#include "metrics/energy_meter.h"
#include "metrics/estimate.h"
#include "metrics/machine_probe.h"
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

/// What limits a phase: FLOP or bytes, and the most of them a second that the machine can do.
struct Bound {
  std::string_view name;  ///< "of_peak"
  double work = 0;
  std::function<double()> probe;  ///< empty: not asked for
};

/// One thing to time: `prepare` runs before each repetition and is not timed, `run` is.
struct Case {
  std::string phase;
  std::function<void()> prepare, run;
  Bound bound;
};

struct Timings {
  std::vector<double> seconds;
  std::vector<double> limits;  ///< what the probe found beside each repetition, if there is one
  std::vector<double> joules;  ///< of each repetition; empty where they could not be counted
};

/// A first, unmeasured run warms caches and lets errors out; it also says how many repetitions fit
/// in `budget` seconds (three at least). `meter` may be absent.
Timings time_repetitions(const Case& timed, i64 repetitions, double budget, EnergyMeter* meter) {
  using Clock = std::chrono::steady_clock;
  timed.prepare();
  const Clock::time_point start = Clock::now();
  timed.run();
  const double once = std::chrono::duration<double>(Clock::now() - start).count();
  if (once * static_cast<double>(repetitions) > budget) {
    repetitions = std::max<i64>(3, static_cast<i64>(budget / once));
  }
  std::exception_ptr failure;
  Timings timings;
  const auto& probe = timed.bound.probe;
  benchmark::RegisterBenchmark(timed.phase.c_str(),
                               [&](benchmark::State& state) {
                                 // Nothing may be thrown through the library.
                                 try {
                                   timed.prepare();
                                   const double before = probe ? probe() : 0;
                                   const auto drawn = meter ? meter->joules() : std::nullopt;
                                   for (auto _ : state) timed.run();
                                   const auto then = drawn ? meter->joules() : std::nullopt;
                                   if (then) timings.joules.push_back(*then - *drawn);
                                   if (probe) timings.limits.push_back((before + probe()) / 2);
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
  timings.seconds = collector.seconds();
  if (timings.joules.size() != timings.seconds.size()) timings.joules.clear();
  return timings;
}

class Latency final : public Metric {
 public:
  struct Params {
    bool prefill = true, decode = true, shares = false, energy = true;
    std::string powercap = EnergyMeter::kRoot;
    i64 repetitions = 10, decode_tokens = 16;
    double budget = 60;
    void fields(Fields& f) {
      f("prefill", prefill, "time reading the whole context, up to the next token's logits");
      f("decode", decode, "time each further token once the context has been read");
      f("repetitions", repetitions, at_least(3, Unit::count), "timed runs of each phase");
      f("decode_tokens", decode_tokens, at_least(1, Unit::count), "tokens in a decoding run");
      f("shares", shares,
        "also how near each phase comes to this machine's FMA peak (prefill) or read bandwidth "
        "(decode), probed around each run, which then finds no weights in a cache");
      f("energy", energy,
        "also the energy of a token, of all that runs on the machine's processor packages; null "
        "where the machine does not expose it");
      f("powercap", powercap, "the folder of the energy counters, as Linux shows them");
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
  Work work(const Prospect& prospect) const override {
    const i64 length = prospect.context_length;
    const auto runs = static_cast<double>(params_.repetitions + 1);  // the first one warms caches
    Work work;
    if (params_.prefill) {
      work.passes.push_back(
          {.count = runs, .tokens = length, .logits = 1, .budget = params_.budget});
    }
    if (params_.decode) {
      work.passes.push_back({.tokens = length});
      work.passes.push_back({.count = runs,
                             .position = length,
                             .tokens = params_.decode_tokens,
                             .logits = params_.decode_tokens,
                             .chunk = 1,
                             .budget = params_.budget});
      work.states = 2;
      work.copied = runs;
    }
    return work;
  }

  Findings measure(const Session& session) const override {
    Findings findings;
    const std::vector<Token> tokens = random_tokens(session);
    if (params_.prefill) time_prefill(session, tokens, findings);
    if (params_.decode) time_decode(session, tokens, findings);
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

  void time_prefill(const Session& session, const std::vector<Token>& tokens,
                    Findings& findings) const {
    const model::Transformer& model = session.model;
    const i64 length = session.context_length;
    const View<const Token, 2> context(tokens.data(), {1, length});
    const i64 last_chunk = (length - 1) / model::kScoringChunk * model::kScoringChunk;
    Tensor logits({1, 1, model.architecture().vocabulary});
    model::StreamState state;
    Case timed{"prefill",
               [&] { state = model.initial_state(1, length); },
               [&] {
                 model::prefill(model, context.slice(1, 0, last_chunk), state);
                 model.forward(context.slice(1, last_chunk, length - last_chunk), state,
                               logits.view<3>(), nullptr);
               },
               {.name = "of_peak", .work = prefill_flops(model, length), .probe = {}}};
    if (params_.shares) timed.bound.probe = [] { return fma_peak(omp_get_max_threads()); };
    measure(session, timed, "ms", 1, length,
            fmt::format("chunk={}:logits=last", model::kScoringChunk), findings);
  }

  void time_decode(const Session& session, const std::vector<Token>& tokens,
                   Findings& findings) const {
    const model::Transformer& model = session.model;
    const i64 length = session.context_length, count = params_.decode_tokens;
    const View<const Token, 2> all(tokens.data(), {1, length + count});
    Tensor logits({1, 1, model.architecture().vocabulary});
    model::StreamState filled = model.initial_state(1, length + count), state;
    model::prefill(model, all.slice(1, 0, length), filled);
    Case timed{
        "decode",
        [&] { state = filled; },
        [&] {
          for (i64 i = 0; i < count; ++i) {
            model.forward(all.slice(1, length + i, 1), state, logits.view<3>(), nullptr);
          }
        },
        {.name = "of_bandwidth", .work = model.cost(length, count).bytes_moved, .probe = {}}};
    std::optional<ReadProbe> reading;
    if (params_.shares) {
      reading.emplace();
      timed.bound.probe = [&] { return reading->bandwidth(omp_get_max_threads()); };
    }
    measure(session, timed, "ms/token", count, count, fmt::format("tokens={}", count), findings);
  }

  /// FLOP of reading `length` tokens when only the last one's logits are made.
  static double prefill_flops(const model::Transformer& model, i64 length) {
    const model::Architecture& a = model.architecture();
    const double logits = 2.0 * static_cast<double>(a.vocabulary * a.width);
    return model.cost(0, length).flops - static_cast<double>(length - 1) * logits;
  }

  /// `tokens` are read in a repetition.
  void measure(const Session& session, const Case& timed, std::string_view unit, i64 divide_by,
               i64 tokens, std::string_view details, Findings& findings) const {
    std::optional<EnergyMeter> meter;
    if (params_.energy) meter = EnergyMeter::open(params_.powercap);
    const Timings timings =
        time_repetitions(timed, params_.repetitions, params_.budget, meter ? &*meter : nullptr);
    std::vector<double> milliseconds, shares;
    for (std::size_t i = 0; i < timings.seconds.size(); ++i) {
      milliseconds.push_back(1000 * timings.seconds[i] / static_cast<double>(divide_by));
      if (timed.bound.probe) {
        shares.push_back(timed.bound.work / timings.seconds[i] / timings.limits[i]);
      }
    }
    Measurement m = median_of(milliseconds, session.statistics.confidence);
    m.metric = fmt::format("latency/{}", timed.phase);
    m.unit = unit;
    m.higher_is_better = false;
    m.protocol = fmt::format("latency/{}:phase={}:batch=1:{}:threads={}{}", version(), timed.phase,
                             details, omp_get_max_threads(), params_.shares ? ":cold" : "");
    findings.measurements.push_back(m);
    // Without a hash: repetitions are compared between backends, but not in pairs.
    for (const double once : milliseconds) {
      SampleRecord& sample = findings.samples.emplace_back();
      sample.index = std::ssize(findings.samples) - 1;
      sample.scores = {{timed.phase, once}};
    }
    if (params_.energy) {
      findings.measurements.push_back(
          energy_of(session, timed, timings.joules, tokens, m.protocol));
    }
    if (shares.empty()) return;
    Measurement share = median_of(shares, session.statistics.confidence);
    share.metric = fmt::format("latency/{}_{}", timed.phase, timed.bound.name);
    share.unit = "1";
    share.higher_is_better = true;
    share.protocol = m.protocol;
    findings.measurements.push_back(share);
  }

  /// A mean, since counters tick about once a millisecond: the joules of short repetitions are
  /// right in their sum alone.
  static Measurement energy_of(const Session& session, const Case& timed,
                               const std::vector<double>& joules, i64 tokens,
                               std::string_view protocol) {
    Measurement m;
    m.metric = fmt::format("latency/{}_energy", timed.phase);
    m.unit = "J/token";
    m.higher_is_better = false;
    m.protocol = fmt::format("{}:energy=packages", protocol);
    if (joules.empty()) {
      m.ci_method = "not exposed by this machine";
      return m;
    }
    Units repetitions{"repetitions", {}, {}};
    for (const double amount : joules) repetitions.add(amount, static_cast<double>(tokens));
    set_mean(m, repetitions, session.statistics, session.rng.fork(m.metric));
    return m;
  }

  static Measurement median_of(const std::vector<double>& values, double confidence) {
    const auto n = static_cast<i64>(values.size());
    const Interval interval = median_interval(values, confidence);
    Measurement m;
    m.value = median(values);
    m.n = n;
    m.ci_low = interval.low;
    m.ci_high = interval.high;
    // All n values miss the median with probability 2 * 0.5^n: few cannot give the confidence
    // asked.
    const bool reached = 2 * std::pow(0.5, static_cast<double>(n)) <= 1 - confidence;
    m.ci_method = reached ? fmt::format("order statistics {:g} of the median", confidence)
                          : fmt::format("range of {} repetitions", n);
    return m;
  }

  Params params_;
};

const Registered<MetricRegistry, Latency> registered{
    "latency", "Time to read a context and, at that depth, per further token"};

}  // namespace
}  // namespace longreach::metrics
