// What cells will take before they run.
#include "harness/predict.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <omp.h>
#include <unistd.h>

#include "core/error.h"
#include "harness/assemble.h"
#include "metrics/machine_probe.h"
#include "metrics/statistics.h"

namespace longreach::harness {
namespace {

using Clock = std::chrono::steady_clock;
using model::Architecture;

constexpr double kHash = 4e8;       ///< bytes of weights a second that are hashed
constexpr double kCopy = 4e9;       ///< bytes a second
constexpr double kResample = 2e-9;  ///< seconds a unit of a bootstrap sample
constexpr double kLogit = 3e-9;     ///< seconds to take a logit into a probability
constexpr double kFloat = sizeof(float);
/// Pairs of samples that a training scores in the end, once each.
constexpr double kScoredPairs = 32;
/// Seconds that a training probes the machine's peak.
constexpr double kPeakProbe = 0.1;

/// Of data, with all that it is made from.
std::string name_of(const Component& data) {
  std::string name = fmt::format("{} {} {}", data.type, data.params, data.sha);
  for (const Component& part : data.parts) name += fmt::format(" [{}]", name_of(part));
  return name;
}

/// Of the tokens of text, and of about as many characters while they are made.
double text_bytes(const datasets::Dataset& data) {
  double sum = 0;
  for (const auto split : {datasets::Split::train, datasets::Split::test}) {
    for (const auto& document : data.documents(split)) {
      sum += static_cast<double>(document.size()) * (sizeof(Token) + 1);
    }
  }
  return sum;
}

double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

Overhead probe_overhead(const ChildCommand& command) {
  constexpr std::size_t kStarts = 5;
  constexpr double kEnough = 0.5;  // seconds, for all of them
  Overhead overhead = assumed_overhead();
  std::vector<double> starts;
  i64 bytes = 0;
  const auto begin = Clock::now();
  while (starts.size() < kStarts && (starts.empty() || since(begin) < kEnough)) {
    const auto start = Clock::now();
    Child child(command, {});
    while (!child.poll()) {
    }
    starts.push_back(since(start));
    bytes = std::max(bytes, child.result().peak_bytes);
  }
  overhead.seconds = metrics::median(starts);
  if (bytes > 0) overhead.bytes = bytes;  // so short a process is not always seen
  overhead.peak = metrics::fma_peak(omp_get_max_threads());
  overhead.timed = true;
  return overhead;
}

Overhead assumed_overhead() {
  constexpr double kThreadPeak = 5e10;
  return {.seconds = 0.05, .bytes = i64{24} << 20, .peak = kThreadPeak * omp_get_max_threads()};
}

/// A model under a backend.
struct Predictor::Subject {
  Subject(const ModelChoice& choice, const BackendChoice& backend, double peak)
      : architecture(architecture_of(choice, backend)),
        backends(make_backends(choice, backend)),
        parameters(model::parameter_count(architecture, backends)),
        pace(assumed_pace(architecture, peak)) {}

  double weight_bytes() const { return kFloat * static_cast<double>(parameters); }
  double mechanism_flops(i64 position, i64 tokens) const {
    double sum = 0;
    for (const auto& backend : backends) sum += backend->cost(position, tokens).flops;
    return sum;
  }
  double state_bytes(i64 capacity) const {
    return static_cast<double>(model::state_bytes(architecture, backends, capacity));
  }

  struct Cost {
    double flops, seconds;
  };
  /// Of one stream set's pass.
  Cost cost(const metrics::Pass& pass) const {
    const auto streams = static_cast<double>(pass.streams);
    const double products =
        streams * model::product_cost(architecture, backends, pass.tokens, pass.logits).flops;
    const double mechanisms = streams * mechanism_flops(pass.position, pass.tokens);
    const double calls = std::ceil(static_cast<double>(pass.tokens) /
                                   static_cast<double>(std::max<i64>(1, pass.chunk)));
    const double each = pass.chunk == 1 ? pace.decoding : pace.reading;
    const double logits = streams * static_cast<double>(pass.logits * architecture.vocabulary);
    return {products + mechanisms,
            calls * pace.call + pace.product * products + each * mechanisms + kLogit * logits};
  }
  /// Bytes of one call's scratch and logits.
  double call_bytes(const metrics::Pass& pass) const {
    const auto streams = static_cast<double>(pass.streams);
    const auto rows = static_cast<double>(std::min(pass.chunk, pass.tokens));
    const auto logits =
        static_cast<double>(std::min(pass.chunk, pass.logits) * architecture.vocabulary);
    return streams * (rows * pace.scratch_row + logits * kFloat);
  }

  Architecture architecture;
  std::vector<std::shared_ptr<const attention::Backend>> backends;
  i64 parameters;
  Pace pace;
  bool probed = false;
};

/// A task's data as a model reads it.
struct Predictor::Source {
  std::shared_ptr<const datasets::Tokenizer> tokenizer;  ///< that `data` refers to
  std::unique_ptr<datasets::Dataset> data;
  double seconds = 0;  ///< to make it
  double bytes = 0;    ///< that it holds
};

Predictor::Predictor(const Experiment& experiment, const Overhead& overhead)
    : experiment_(experiment), overhead_(overhead) {}
Predictor::~Predictor() = default;

Predictor::Subject& Predictor::subject(const Cell& cell) {
  std::unique_ptr<Subject>& made = subjects_[{cell.model, cell.backend}];
  if (!made) {
    made = std::make_unique<Subject>(experiment_.models[cell.model],
                                     experiment_.backends[cell.backend], overhead_.peak);
  }
  return *made;
}

Predictor::Subject& Predictor::baseline_of(const Cell& cell) {
  Cell other = cell;
  if (const BackendChoice* baseline = experiment_.baseline()) {
    other.backend = static_cast<std::size_t>(baseline - experiment_.backends.data());
  }
  return subject(other);
}

const Predictor::Source& Predictor::source(const Cell& cell) {
  const ModelChoice& model = experiment_.models[cell.model];
  const std::optional<Component> data = cell.kind == CellKind::train
                                            ? std::optional(model.training->data)
                                            : experiment_.tasks[cell.task].data;
  // Tasks and trainings may have the same data: a corpus is read once for each model.
  const std::string name = data ? name_of(*data) : "";
  std::unique_ptr<Source>& made = sources_[{cell.model, name}];
  if (made) return *made;
  made = std::make_unique<Source>();
  const auto start = Clock::now();
  try {
    made->tokenizer = make_tokenizer(model);
    if (data) {
      made->data = make_dataset(*data, experiment_.folder, *made->tokenizer, Rng(0));
      made->bytes = text_bytes(*made->data);
    }
  } catch (const Error&) {  // the cell will fail by it, and say so
    made->data = nullptr;
  }
  constexpr double kTextBytes = 1e8;  // a second
  made->seconds = overhead_.timed ? since(start) : made->bytes / kTextBytes;
  return *made;
}

const metrics::Work& Predictor::work(const Cell& cell, i64 length) {
  const auto [found, added] =
      works_.try_emplace(std::tuple(cell.model, cell.task, length), metrics::Work{});
  if (added) {
    const TaskChoice& task = experiment_.tasks[cell.task];
    found->second = make_metric(task.metric)
                        ->work({.data = source(cell).data.get(),
                                .context_length = length,
                                .lengths = task.lengths});
  }
  return found->second;
}

void Predictor::prepare(const std::vector<Cell>& cells, double seconds) {
  if (seconds > 0) probe(cells, seconds);
  for (const Cell& cell : cells) of(cell);
  sources_.clear();
}

void Predictor::probe(const std::vector<Cell>& cells, double seconds) {
  std::map<Subject*, bool> wanted;  // and whether it trains
  for (const Cell& cell : cells) {
    wanted[&subject(cell)] |= cell.kind == CellKind::train;
  }
  const auto start = Clock::now();
  auto left = static_cast<double>(wanted.size());
  for (auto& [one, trains] : wanted) {
    if (since(start) > 2 * seconds) return;  // the rest keep their assumed pace
    if (one->probed) continue;
    one->pace = probe_pace(one->architecture, one->backends, trains, overhead_.peak,
                           std::max(0.01, (seconds - since(start)) / left--));
    one->probed = true;
  }
}

Prediction Predictor::measured(const Cell& cell, i64 length) {
  const Subject& model = subject(cell);
  const Source& data = source(cell);
  const metrics::Work& needed = work(cell, length);
  Prediction sum;
  sum.tokens = needed.tokens();
  sum.seconds = overhead_.seconds + data.seconds;
  const bool compares = std::ranges::any_of(needed.passes, &metrics::Pass::baseline);
  const Subject& baseline = compares ? baseline_of(cell) : model;
  const double models = static_cast<double>(needed.models + (compares && &baseline != &model));
  double state = 0, call = 0;
  for (const metrics::Pass& pass : needed.passes) {
    const Subject& reads = pass.baseline ? baseline : model;
    const Subject::Cost once = reads.cost(pass);
    double count = pass.count;
    if (pass.budget > 0 && once.seconds * count > pass.budget) {
      count = std::max(4.0, pass.budget / once.seconds);
    }
    sum.flops += count * once.flops;
    sum.seconds += count * once.seconds;
    state = std::max(
        state, static_cast<double>(pass.streams) * reads.state_bytes(pass.position + pass.tokens));
    call = std::max(call, reads.call_bytes(pass));
  }
  sum.seconds += needed.copied * model.state_bytes(length) / kCopy;
  sum.seconds +=
      needed.resampled * static_cast<double>(experiment_.statistics.bootstrap) * kResample;
  const double weights = model.weight_bytes();
  sum.seconds +=
      models * (weights / kHash +
                (cell.trained.empty() ? model.pace.draw * weights / kFloat : 3 * weights / kCopy));
  const double known = models * weights + static_cast<double>(needed.states) * state;
  sum.least_bytes = overhead_.bytes + static_cast<i64>(known);
  // Weights that are read are there twice for a moment.
  const double loading = cell.trained.empty() ? 0 : weights;
  sum.bytes = overhead_.bytes +
              static_cast<i64>(data.bytes + std::max(known + call, models * weights + loading));
  return sum;
}

Prediction Predictor::trained(const Cell& cell) {
  const Subject& model = subject(cell);
  const Source& data = source(cell);
  const Training& training = *experiment_.models[cell.model].training;
  const auto steps = static_cast<double>(training.params.steps);
  // Samples grow from the shortest to the longest over the ramp.
  const double growing = training.ramp / 2;
  const auto shortest = static_cast<double>(training.shortest);
  const auto longest = static_cast<double>(training.length);
  const i64 length =
      std::llround(longest - std::clamp(growing, 0.0, 1.0) * (longest - shortest) / 2);
  const i64 streams = std::max<i64>(1, training.params.batch_tokens / std::max<i64>(1, length));
  metrics::Pass pass{.streams = streams, .tokens = length, .logits = length, .chunk = length};
  const Subject::Cost forward = model.cost(pass);
  const bool recomputes = training.params.recompute > 0 && training.params.recompute < length;
  const double rows = static_cast<double>(streams * length);
  Prediction sum;
  sum.tokens = steps * rows;
  sum.flops = steps * forward.flops * (recomputes ? 4 : 3);
  sum.seconds = overhead_.seconds + data.seconds + kPeakProbe +
                steps * (forward.seconds * (model.pace.training + (recomputes ? 1 : 0)));
  metrics::Pass scored{.tokens = training.length, .logits = training.length};
  const double scorings = 2 * std::min(kScoredPairs, steps);
  sum.seconds += scorings * model.cost(scored).seconds;
  sum.flops += scorings * model.cost(scored).flops;
  sum.tokens += scorings * longest;
  const double weights = model.weight_bytes();
  sum.seconds += 2 * weights / kHash + model.pace.draw * weights / kFloat;
  // Weights, their gradient and two moments; in the end a copy of the weights to be written.
  const double known = 4 * weights;
  double taped = rows;
  double states = static_cast<double>(streams) * 2 * model.state_bytes(training.length);
  if (recomputes) {
    const auto chunk = static_cast<double>(training.params.recompute);
    taped = static_cast<double>(streams) * chunk;
    states *= 1 + longest / chunk / 2;
  }
  sum.least_bytes = overhead_.bytes + static_cast<i64>(known);
  sum.bytes = overhead_.bytes + static_cast<i64>(data.bytes + known +
                                                 std::max(weights, taped * model.pace.training_row +
                                                                       (recomputes ? states : 0)));
  return sum;
}

Prediction Predictor::of(const Cell& cell) {
  const bool trains = cell.kind == CellKind::train;
  const auto [found, added] =
      predictions_.try_emplace(std::tuple(cell.kind, cell.model, cell.backend,
                                          trains ? 0 : cell.task, cell.length.value_or(0)),
                               Prediction{});
  if (added) found->second = trains ? trained(cell) : measured(cell, *cell.length);
  return found->second;
}

std::string Predictor::why_not(const Cell& cell, i64 limit) {
  const Prediction whole = of(cell);
  if (whole.least_bytes <= limit) return "";
  std::string text = fmt::format("its weights and states alone take {} where {} are allowed",
                                 format_bytes(static_cast<double>(whole.least_bytes)),
                                 format_bytes(static_cast<double>(limit)));
  if (cell.kind == CellKind::train) return text;
  i64 fits = 0, not_fitting = *cell.length;
  while (not_fitting - fits > 1) {
    const i64 middle = fits + (not_fitting - fits) / 2;
    (measured(cell, middle).least_bytes <= limit ? fits : not_fitting) = middle;
  }
  return text + (fits > 0 ? fmt::format("; the longest length that fits is {}", fits)
                          : "; no length fits");
}

std::vector<double> predicted_seconds(Predictor& predictor, const std::vector<Cell>& cells,
                                      i64 limit) {
  std::vector<double> seconds;
  for (const Cell& cell : cells) {
    const Prediction predicted = predictor.of(cell);
    seconds.push_back(predicted.least_bytes > limit ? 0 : predicted.seconds);
  }
  return seconds;
}

void tell_predicted(Predictor& predictor, const Cell& cell, CellInfo& info) {
  const Prediction predicted = predictor.of(cell);
  info.predicted_s = predicted.seconds;
  info.predicted_bytes = predicted.bytes;
}

}  // namespace longreach::harness
