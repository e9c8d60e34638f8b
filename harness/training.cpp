// Joins a dataset and the trainer.
#include "harness/training.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "metrics/statistics.h"

namespace longreach::harness {
namespace {

/// Means of `count` neighbouring values each, the last group possibly shorter.
std::vector<double> averaged(const std::vector<double>& values, std::size_t count) {
  std::vector<double> out;
  for (std::size_t begin = 0; begin < values.size(); begin += count) {
    const std::size_t size = std::min(count, values.size() - begin);
    out.push_back(metrics::mean(std::span(values).subspan(begin, size)));
  }
  return out;
}

struct History {
  std::vector<double> loss, tokens, seconds;
};

std::vector<Curve> curves(const History& history) {
  const std::size_t group =
      (history.loss.size() + static_cast<std::size_t>(kCurvePoints) - 1) / kCurvePoints;
  const std::vector<double> loss = averaged(history.loss, group);
  return {{.cell_id = {},
           .name = "training/loss",
           .x_unit = "tokens",
           .y_unit = "nats/token",
           .x = averaged(history.tokens, group),
           .y = loss},
          {.cell_id = {},
           .name = "training/loss_by_time",
           .x_unit = "s",
           .y_unit = "nats/token",
           .x = averaged(history.seconds, group),
           .y = loss}};
}

Measurement final_loss(const History& history, const metrics::Statistics& statistics,
                       const Rng& rng) {
  const std::size_t count = std::max<std::size_t>(1, history.loss.size() / 20);
  const std::span<const double> last = std::span(history.loss).last(count);
  Measurement m;
  m.metric = "training/loss";
  m.unit = "nats/token";
  m.higher_is_better = false;
  m.value = metrics::mean(last);
  m.n = static_cast<i64>(count);
  if (count > 1) {
    m.standard_error = metrics::standard_error(last);
    const metrics::Interval interval = metrics::bootstrap_mean(
        last, statistics.confidence, statistics.bootstrap, rng.fork("final loss"));
    m.ci_low = interval.low;
    m.ci_high = interval.high;
    m.ci_method = fmt::format("bootstrap {} over the last {} steps, {} resamples",
                              statistics.confidence, count, statistics.bootstrap);
  }
  return m;
}

Measurement throughput(const History& history) {
  Measurement m;
  m.metric = "training/tokens_per_second";
  m.unit = "tokens/s";
  m.higher_is_better = true;
  m.n = static_cast<i64>(history.loss.size());
  if (history.seconds.back() > 0) m.value = history.tokens.back() / history.seconds.back();
  return m;
}

/// Where whole segments of nothing but filler begin, among the first `tokens` tokens.
std::vector<i64> filler_segments(const datasets::Sample& sample, i64 segment, i64 tokens) {
  std::vector<i64> begins;
  for (const datasets::Span& span : sample.filler) {
    const i64 end = std::min(span.end(), tokens);
    for (i64 begin = (span.begin + segment - 1) / segment * segment; begin + segment <= end;
         begin += segment) {
      begins.push_back(begin);
    }
  }
  return begins;
}

/// Picks a sample's repeats, which arrive as 1.
void repeat_filler(const datasets::Sample& sample, i64 segment, double share, double most, Rng draw,
                   std::span<float> repeats) {
  const std::vector<i64> begins = filler_segments(sample, segment, std::ssize(repeats));
  if (begins.empty() || draw.uniform() >= share) return;
  const i64 begin = begins[static_cast<std::size_t>(draw.below(std::ssize(begins)))];
  std::fill_n(repeats.begin() + begin, segment,
              static_cast<float>(std::exp(draw.uniform() * std::log(most))));
}

}  // namespace

i64 sample_length(const Training& training, i64 step, const Rng& rng) {
  const double low = static_cast<double>(training.shortest);
  const double full = static_cast<double>(training.length);
  const double rising = training.ramp * static_cast<double>(training.params.steps);
  const double done = rising > 0 ? std::min(1.0, static_cast<double>(step) / rising) : 1.0;
  const double high = low + done * (full - low);
  if (training.shortest == training.length) return training.length;
  Rng draw = rng.fork("length").fork(step);
  const double drawn = low * std::exp(draw.uniform() * std::log(high / low));
  const i64 rounded = static_cast<i64>(std::llround(drawn / 64)) * 64;
  return std::clamp(rounded, training.shortest, training.length);
}

double most_repeats(const VirtualRepetition& repetition, i64 step, i64 steps) {
  const double since = static_cast<double>(step) / static_cast<double>(steps) - repetition.after;
  if (since <= 0) return 1;
  const double risen = repetition.ramp > 0 ? std::min(1.0, since / repetition.ramp) : 1.0;
  return std::pow(repetition.most, risen);
}

model::Batch make_batch(const Training& training, const datasets::Dataset& data, i64 step,
                        i64 segment, const Rng& rng) {
  const i64 length = sample_length(training, step, rng);
  // The most streams that any step has keeps sample numbers apart between steps.
  const i64 most = std::max<i64>(1, training.params.batch_tokens / training.shortest);
  model::Batch batch;
  batch.batch = std::max<i64>(1, training.params.batch_tokens / length);
  batch.tokens = length - 1;
  const VirtualRepetition& repetition = training.virtual_repetition;
  const double repeats = most_repeats(repetition, step, training.params.steps);
  if (segment > 0 && repetition.share > 0 && repeats > 1) {
    batch.repeats.assign(static_cast<std::size_t>(batch.batch * batch.tokens), 1.0F);
  }
  for (i64 stream = 0; stream < batch.batch; ++stream) {
    const datasets::Sample sample =
        data.sample(datasets::Split::train, step * most + stream, length);
    batch.inputs.insert(batch.inputs.end(), sample.tokens.begin(), sample.tokens.end() - 1);
    batch.targets.insert(batch.targets.end(), sample.tokens.begin() + 1, sample.tokens.end());
    if (sample.weights.empty()) {
      batch.weights.insert(batch.weights.end(), static_cast<std::size_t>(batch.tokens), 1.0f);
    } else {
      batch.weights.insert(batch.weights.end(), sample.weights.begin() + 1, sample.weights.end());
    }
    if (batch.repeats.empty()) continue;
    repeat_filler(sample, segment, repetition.share, repeats,
                  rng.fork("virtual repetition").fork(step).fork(stream),
                  std::span(batch.repeats)
                      .subspan(static_cast<std::size_t>(stream * batch.tokens),
                               static_cast<std::size_t>(batch.tokens)));
  }
  return batch;
}

Findings train_model(model::Transformer& model, const Training& training, double lr, i64 segment,
                     const datasets::Dataset& data, const metrics::Statistics& statistics,
                     const Rng& rng, const std::function<void(double)>& progress) {
  model::TrainParams params = training.params;
  params.lr = lr;
  History history;
  model::train(
      model, params, [&](i64 step) { return make_batch(training, data, step, segment, rng); },
      [&](const model::StepReport& report) {
        history.loss.push_back(report.loss);
        history.tokens.push_back(static_cast<double>(report.tokens));
        history.seconds.push_back(report.seconds);
        progress(static_cast<double>(report.step + 1) / static_cast<double>(params.steps));
      });
  Findings findings;
  if (history.loss.empty()) return findings;
  findings.measurements = {final_loss(history, statistics, rng), throughput(history)};
  findings.curves = curves(history);
  return findings;
}

}  // namespace longreach::harness
