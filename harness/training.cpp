// Joins a dataset and the trainer.
#include "harness/training.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <omp.h>

#include "core/atomic_file.h"
#include "core/error.h"
#include "harness/gates.h"
#include "harness/history.h"
#include "harness/training_samples.h"
#include "metrics/machine_probe.h"
#include "metrics/statistics.h"
#include "model/scoring.h"

namespace longreach::harness {
namespace {

/// `over` says what the losses are of, and names their resamples.
Measurement mean_loss(const char* name, std::span<const double> losses, const std::string& over,
                      const metrics::Statistics& statistics, const Rng& rng) {
  Measurement m;
  m.metric = name;
  m.unit = "nats/token";
  m.higher_is_better = false;
  m.value = metrics::mean(losses);
  m.n = std::ssize(losses);
  if (losses.size() < 2) {
    m.ci_method = fmt::format("no interval; {}: 1", over);
    return m;
  }
  m.standard_error = metrics::standard_error(losses);
  const metrics::Interval interval =
      metrics::bootstrap_mean(losses, statistics.confidence, statistics.bootstrap, rng);
  m.ci_low = interval.low;
  m.ci_high = interval.high;
  m.ci_method = fmt::format("bootstrap {} over {}, {} resamples", statistics.confidence, over,
                            statistics.bootstrap);
  return m;
}

Measurement final_loss(const History& history, const metrics::Statistics& statistics,
                       const Rng& rng) {
  const std::size_t count = std::max<std::size_t>(1, history.steps() / 20);
  return mean_loss("training/loss", std::span(history.loss()).last(count),
                   fmt::format("the last {} steps", count), statistics, rng.fork("final loss"));
}

/// What all of a sample's predictions weigh together.
double weight_of(const datasets::Sample& sample) {
  if (sample.weights.empty()) return static_cast<double>(sample.tokens.size() - 1);
  return std::accumulate(sample.weights.begin() + 1, sample.weights.end(), 0.0);
}

/// Nats a token of one sample, every token weighed as in training, in memory that does not grow
/// with its logits. It weighs something.
double sample_loss(const model::Transformer& model, const datasets::Sample& sample) {
  const i64 length = std::ssize(sample.tokens);
  const View<const Token, 2> tokens(sample.tokens.data(), {1, length});
  const std::vector<double> log_p = model::tail_log_probabilities(model, tokens, length - 1)[0];
  double loss = 0;
  for (std::size_t i = 0; i < log_p.size(); ++i) {
    const double weight = sample.weights.empty() ? 1 : static_cast<double>(sample.weights[i + 1]);
    loss -= weight * log_p[i];
  }
  return loss / weight_of(sample);
}

Measurement rate(const char* name, const char* unit, double amount, const History& history) {
  Measurement m;
  m.metric = name;
  m.unit = unit;
  m.higher_is_better = true;
  m.n = static_cast<i64>(history.steps());
  if (history.seconds() > 0) m.value = amount / history.seconds();
  m.ci_method = "one run";
  return m;
}

/// The most that any step held.
Measurement held(const char* name, double bytes, const History& history) {
  Measurement m;
  m.metric = name;
  m.unit = "bytes";
  m.higher_is_better = false;
  m.value = bytes;
  m.n = static_cast<i64>(history.steps());
  m.ci_method = "exact";
  return m;
}

/// A run with what goes on beside its steps: checkpoints, lines for people, reasons to stop.
class Run {
 public:
  Run(model::Transformer& model, const TrainingRun& run)
      : run_(run),
        params_(run.training.params),
        processes_(run.processes),
        peak_(processes_.total(peak())),
        trainer_(model, with_rate(run), processes_),
        gates_(model) {
    processes_.together([this] { take_checkpoint(); });
    saved_ = trainer_.steps_done();
    const double first = processes_.total(processes_.rank() == 0 ? static_cast<double>(saved_) : 0);
    processes_.together([this, first] {
      if (static_cast<double>(saved_) == first) return;
      throw error("{}: not every process sees it; all need the same output folder",
                  run_.checkpoint);
    });
  }

  Findings train() {
    if (run_.compares && before_.empty()) before_ = losses(false);
    while (!trainer_.done()) {
      if (asked_to_stop()) {
        save();
        throw Interrupted();
      }
      try {
        step();
      } catch (const Error& problem) {
        throw error("{}{}", problem.what(), last_checkpoint());
      }
      if (checkpoint_due()) save();
    }
    Findings findings;
    findings.measurements = {
        final_loss(history_, run_.statistics, run_.rng),
        rate("training/tokens_per_second", "tokens/s", history_.tokens(), history_),
        rate("training/mfu", "1", history_.flops() / peak_, history_),
        held("training/tape_bytes", history_.tape_bytes(), history_),
        held("training/state_bytes", history_.state_bytes(), history_)};
    if (const auto travel = gates_.travel()) findings.measurements.push_back(*travel);
    add_held_out(findings);
    findings.curves = history_.curves(kCurvePoints);
    std::ranges::move(gates_.curves(), std::back_inserter(findings.curves));
    return findings;
  }

 private:
  using Clock = std::chrono::steady_clock;

  /// The best of a few probes: other work on the machine lowers one of them, nothing raises it.
  static double peak() {
    double best = 0;
    for (int probe = 0; probe < 8; ++probe) {
      best = std::max(best, metrics::fma_peak(omp_get_max_threads()));
    }
    return best;
  }
  static model::TrainParams with_rate(const TrainingRun& run) {
    const Training& training = run.training;
    model::TrainParams params = training.params;
    params.lr = run.lr;
    const double share = training.train_only == TrainOnly::gates ? 1 : training.gates_first;
    params.backends_only = std::llround(share * static_cast<double>(params.steps));
    return params;
  }

  Measurement held_out(const char* name, std::span<const double> losses) const {
    return mean_loss(name, losses, "held-out samples", run_.statistics, run_.rng.fork("held out"));
  }

  /// Losses of the pairs' samples, seen or held out; the same samples whenever asked.
  std::vector<double> losses(bool seen) {
    std::vector<double> found;
    processes_.together([&] {
      for (const ScoredPair& pair : scored_pairs(run_.training, run_.data, run_.rng)) {
        const datasets::Sample read =
            run_.data.sample(datasets::Split::train, pair.seen, pair.length);
        const datasets::Sample unread = run_.data.sample(pair.split, pair.held_out, pair.length);
        if (weight_of(read) == 0 || weight_of(unread) == 0) continue;
        found.push_back(sample_loss(trainer_.model(), seen ? read : unread));
      }
    });
    return found;
  }

  void add_held_out(Findings& findings) {
    if (!before_.empty()) {
      findings.measurements.push_back(held_out("training/held_out_before", before_));
    }
    const std::vector<double> held = losses(false);
    if (held.empty()) {
      for (const char* name : {"training/held_out", "training/gap"}) {
        Measurement& m = findings.measurements.emplace_back();
        m.metric = name;
        m.unit = "nats/token";
        m.ci_method = fmt::format("no held-out sample of {} tokens", run_.training.length);
      }
      return;
    }
    findings.measurements.push_back(held_out("training/held_out", held));
    std::vector<double> gaps = held;
    const std::vector<double> seen = losses(true);
    for (std::size_t i = 0; i < gaps.size(); ++i) gaps[i] -= seen[i];
    Measurement gap = mean_loss("training/gap", gaps, "pairs of a held-out and a training sample",
                                run_.statistics, run_.rng.fork("gap"));
    gap.higher_is_better.reset();
    findings.measurements.push_back(std::move(gap));
  }

  void take_checkpoint() {
    if (run_.checkpoint.empty() || !std::filesystem::exists(run_.checkpoint)) {
      gates_.record(0);
      return;
    }
    try {
      const auto notes = trainer_.load(run_.checkpoint);
      const auto cell = notes.find("cell");
      if (cell == notes.end() || cell->second != run_.id) {
        throw error("{}: the checkpoint of another training", run_.checkpoint);
      }
      history_ = History::from_notes(notes, trainer_.steps_done());
      if (run_.compares) before_ = numbers_of(notes, "held_out_before");
      if (run_.compares && before_.empty()) throw error("note 'held_out_before' is missing");
      gates_.restore(notes);
    } catch (const Error& problem) {
      throw error("{} (delete {} to train from the start)", problem.what(), run_.checkpoint);
    }
  }

  /// Whether any process says so.
  bool any(bool own) const { return processes_.total(own ? 1.0 : 0.0) > 0; }
  bool asked_to_stop() const { return any(run_.watch.stop && run_.watch.stop()); }
  bool checkpoint_due() const {
    const std::chrono::duration<double> since = Clock::now() - saved_at_;
    return any(since.count() >= run_.training.checkpoint) && !trainer_.done();
  }

  void step() {
    model::Batch batch;
    processes_.together([&] {
      batch = make_batch(run_.training, run_.data, trainer_.steps_done(), run_.segment, run_.rng,
                         processes_.rank(), processes_.size());
    });
    const double before = history_.seconds(), tokens_before = history_.tokens();
    const model::StepReport report = trainer_.step(batch);
    const double tokens = static_cast<double>(report.tokens) - tokens_before;
    // Forward, and backward at twice its price.
    const double flops = 3 * trainer_.model().cost(0, batch.tokens).flops * tokens /
                         static_cast<double>(batch.tokens);
    if (const std::string why = history_.spike(report.loss, run_.training.spike); !why.empty()) {
      throw error("training step {}: {}", report.step, why);
    }
    history_.add(report, flops);
    const i64 steps_a_point = (params_.steps + kCurvePoints - 1) / kCurvePoints;
    if ((report.step + 1) % steps_a_point == 0 || trainer_.done()) gates_.record(report.tokens);
    if (!run_.watch.step) return;
    const double seconds = report.seconds - before;
    const auto done = static_cast<double>(report.step + 1);
    run_.watch.step({.report = report,
                     .steps = params_.steps,
                     .tokens_per_second = seconds > 0 ? tokens / seconds : 0,
                     .mfu = seconds > 0 ? flops / seconds / peak_ : 0,
                     .left = report.seconds / done * (static_cast<double>(params_.steps) - done)});
  }

  void save() {
    saved_at_ = Clock::now();
    if (run_.checkpoint.empty()) return;
    bool refused = false;
    processes_.together([&] {
      if (processes_.rank() != 0) return;
      std::map<std::string, std::string> notes = history_.notes();
      notes.merge(gates_.notes());
      notes["cell"] = run_.id;
      if (run_.compares) notes["held_out_before"] = numbers_text(before_);
      try {
        trainer_.save(run_.checkpoint, notes);
      } catch (const WriteError& failure) {  // the training itself may end well all the same
        refused = true;
        fmt::print(stderr, "longreach: {}; training goes on without this checkpoint\n",
                   failure.what());
      }
    });
    if (!any(refused)) saved_ = trainer_.steps_done();
  }

  std::string last_checkpoint() const {
    if (run_.checkpoint.empty()) return "";
    if (saved_ == 0) return "; there is no checkpoint yet";
    return fmt::format("; last good checkpoint: {}, {} steps", run_.checkpoint, saved_);
  }

  const TrainingRun& run_;
  const model::TrainParams params_;
  model::Processes& processes_;
  const double peak_;  ///< of float32 multiply-adds with all processes' threads, FLOP/s
  model::Trainer trainer_;
  History history_;
  GateWatch gates_;
  std::vector<double> before_;  ///< held-out losses before the first step
  i64 saved_ = 0;               ///< steps done at the last checkpoint; 0 = none
  Clock::time_point saved_at_ = Clock::now();
};

}  // namespace

Findings train_model(model::Transformer& model, const TrainingRun& run) {
  return Run(model, run).train();
}

}  // namespace longreach::harness
