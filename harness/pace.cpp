// Probes of models.
#include "harness/pace.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>

#include "core/memory_count.h"
#include "model/trainer.h"

namespace longreach::harness {
namespace {

using Backends = std::vector<std::shared_ptr<const attention::Backend>>;

constexpr i64 kProbedFloats = i64{4} << 20;  ///< weights that a probe's model has at most
constexpr i64 kVocabulary = 2048;            ///< that a large model is probed with
constexpr i64 kChunk = 512, kChunks = 4;     ///< as contexts are read
constexpr i64 kRows = 512;                   ///< of a training step

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The least of a few runs: other work on the machine makes none faster.
double least_seconds(int runs, const std::function<void()>& work) {
  double least = std::numeric_limits<double>::infinity();
  for (int run = 0; run < runs; ++run) least = std::min(least, seconds_of(work));
  return least;
}

/// The architecture that stands for a large one; nothing when one layer of it is too large.
std::optional<model::Architecture> probed(model::Architecture a, Backends& backends) {
  if (model::parameter_count(a, backends) <= kProbedFloats) return a;
  a.vocabulary = std::min(a.vocabulary, kVocabulary);
  while (model::parameter_count(a, backends) > kProbedFloats && a.layers > 1) {
    --a.layers;
    backends.pop_back();
  }
  if (model::parameter_count(a, backends) > 4 * kProbedFloats) return std::nullopt;
  return a;
}

std::vector<Token> random_tokens(i64 count, i64 vocabulary) {
  Rng rng = Rng(0).fork("probe");
  std::vector<Token> tokens(static_cast<std::size_t>(count));
  for (Token& token : tokens) token = static_cast<Token>(rng.below(vocabulary));
  return tokens;
}

/// One probed model.
class Probe {
 public:
  Probe(const model::Architecture& a, const Backends& backends, double peak, double seconds)
      : backends_(backends), pace_(assumed_pace(a, peak)) {
    pace_.draw = seconds_of([&] { model_.emplace(a, backends, Rng(0)); }) /
                 static_cast<double>(model_->weights().size());
    // Chunks of which a few take the time given, were the assumed pace right.
    const double each = flops(0, kChunk).total() * pace_.product;
    chunk_ = std::clamp<i64>(static_cast<i64>(static_cast<double>(kChunk) * seconds / (8 * each)),
                             16, kChunk);
    tokens_ = random_tokens(std::max(kRows, (kChunks + 2) * chunk_), a.vocabulary);
  }

  Pace run(bool trains) {
    read();
    if (trains) train();
    return pace_;
  }

 private:
  struct Flops {
    double products = 0, mechanisms = 0;
    double total() const { return products + mechanisms; }
  };

  Flops flops(i64 position, i64 count) const {
    Flops sum;
    const model::Architecture& a = model_->architecture();
    sum.products = model::product_cost(a, backends_, count, 0).flops;
    for (const auto& backend : backends_) {
      sum.mechanisms += backend->cost(position, count).flops;
    }
    return sum;
  }

  View<const Token, 2> slice(i64 first, i64 count) const {
    return {tokens_.data() + first, {1, count}};
  }
  void forward(i64 first, i64 count, model::StreamState& state) const {
    const View<float, 3> no_logits(nullptr, {1, 0, model_->architecture().vocabulary});
    model_->forward(slice(first, count), state, no_logits, nullptr);
  }

  /// Chunks of a context one after the other, and single tokens before and after them.
  void read() {
    const i64 capacity = (kChunks + 2) * chunk_;
    model::StreamState state = model_->initial_state(1, capacity);
    forward(0, chunk_, state);  // warms caches and threads
    std::vector<double> chunks(kChunks, std::numeric_limits<double>::infinity());
    for (int run = 0; run < 2; ++run) {
      state = model_->initial_state(1, capacity);
      for (i64 c = 0; c < kChunks; ++c) {
        const i64 live = MemoryCount::live();
        MemoryCount::restart();
        double& least = chunks[static_cast<std::size_t>(c)];
        least = std::min(least, seconds_of([&] { forward(c * chunk_, chunk_, state); }));
        pace_.scratch_row =
            std::max(pace_.scratch_row,
                     static_cast<double>(MemoryCount::peak() - live) / static_cast<double>(chunk_));
      }
    }
    const i64 far = kChunks * chunk_;
    double late = std::numeric_limits<double>::infinity();
    for (i64 t = 0; t < std::min<i64>(8, chunk_); ++t) {
      late = std::min(late, seconds_of([&] { forward(far + t, 1, state); }));
    }
    state = model_->initial_state(1, capacity);
    double early = std::numeric_limits<double>::infinity();
    for (i64 t = 0; t < std::min<i64>(8, chunk_); ++t) {
      early = std::min(early, seconds_of([&] { forward(t, 1, state); }));
    }
    fit(chunks.front(), chunks.back(), early, late);
  }

  /// The pace under which the calls take those times.
  void fit(double first, double last, double early, double late) {
    const i64 far = kChunks * chunk_;
    const Flops begin = flops(0, chunk_), end = flops(far - chunk_, chunk_);
    // Chunks that differ in their mechanism's work alone tell its pace, if they differ enough.
    const double more = end.mechanisms - begin.mechanisms;
    const double both = first / begin.total();
    pace_.reading = more > 0.2 * begin.total() ? std::max((last - first) / more, 0.1 * both)
                                               : last / end.total();
    const double rest = first - pace_.reading * begin.mechanisms;
    pace_.product = std::max(rest, 0.1 * first) / begin.products;
    const Flops one = flops(0, 1), far_one = flops(far, 1);
    const double deeper = far_one.mechanisms - one.mechanisms;
    pace_.decoding = deeper > 0 ? std::max(0.0, (late - early) / deeper) : pace_.reading;
    pace_.call =
        std::max(0.0, early - pace_.product * one.products - pace_.decoding * one.mechanisms);
  }

  void train() {
    const i64 length = std::min(kRows, 4 * chunk_) / 2, streams = 2;
    model::Batch batch{
        .batch = streams, .tokens = length, .inputs = {}, .targets = {}, .weights = {}};
    batch.inputs = random_tokens(streams * length, model_->architecture().vocabulary);
    batch.targets = batch.inputs;
    batch.weights.assign(batch.inputs.size(), 1);
    const i64 live = MemoryCount::live();
    MemoryCount::restart();
    model::Trainer trainer(*model_, model::TrainParams{});
    trainer.step(batch);
    // Gradient and moments are there whatever the rows.
    const auto kept = static_cast<double>(3 * model_->weights().size_bytes());
    pace_.training_row = std::max(0.0, static_cast<double>(MemoryCount::peak() - live) - kept) /
                         static_cast<double>(streams * length);
    const double seconds = least_seconds(2, [&] { trainer.step(batch); });
    const Flops one = flops(0, length);
    const double products =
        model::product_cost(model_->architecture(), backends_, length, length).flops;
    const double forward =
        pace_.call +
        static_cast<double>(streams) * (pace_.product * products + pace_.reading * one.mechanisms);
    pace_.training = std::clamp(seconds / forward, 1.5, 12.0);
  }
  Backends backends_;
  Pace pace_;
  std::optional<model::Transformer> model_;
  i64 chunk_ = kChunk;
  std::vector<Token> tokens_;
};

}  // namespace

Pace assumed_pace(const model::Architecture& a, double peak) {
  constexpr double kProducts = 0.4, kReading = 0.15, kDecoding = 0.03;  // of the peak
  constexpr double kLayer = 8e-6;  // seconds of a layer's calls into kernels
  const auto row =
      static_cast<double>(4 * a.width + (2 * a.heads + 2 * a.kv_heads) * a.head_dim + 3 * a.hidden);
  Pace pace;
  pace.call = kLayer * static_cast<double>(a.layers);
  pace.product = 1 / (kProducts * peak);
  pace.reading = 1 / (kReading * peak);
  pace.decoding = 1 / (kDecoding * peak);
  pace.scratch_row = row * sizeof(float);
  pace.training_row =
      (row * static_cast<double>(a.layers + 1) + static_cast<double>(a.vocabulary)) * sizeof(float);
  pace.draw = 2e-8;
  return pace;
}

Pace probe_pace(const model::Architecture& whole, const Backends& all, bool trains, double peak,
                double seconds) {
  Backends backends = all;
  const std::optional<model::Architecture> part = probed(whole, backends);
  if (!part) return assumed_pace(whole, peak);
  Pace pace = Probe(*part, backends, peak, seconds).run(trains);
  if (part->layers == whole.layers && part->vocabulary == whole.vocabulary) return pace;
  // A call of few rows streams the weights; a tape is of all layers.
  const double layers = static_cast<double>(whole.layers) / static_cast<double>(part->layers);
  pace.call *= static_cast<double>(model::parameter_count(whole, all)) /
               static_cast<double>(model::parameter_count(*part, backends));
  const auto logits = [](i64 vocabulary) {
    return static_cast<double>(vocabulary) * sizeof(float);
  };
  pace.training_row = layers * std::max(0.0, pace.training_row - logits(part->vocabulary)) +
                      logits(whole.vocabulary);
  return pace;
}

}  // namespace longreach::harness
