// The lockstep of lockstep.h.
#include "metrics/lockstep.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "metrics/streams.h"
#include "model/layers.h"
#include "model/scoring.h"

namespace longreach::metrics {
namespace {

/// Logits that one model may have at a time, in floats; a chunk of one token may have more.
constexpr i64 kMostLogits = i64{1} << 25;

/// Where the largest logit is, of equal ones the first, and ln of the sum of exp(logit - largest).
struct Softmax {
  explicit Softmax(std::span<const float> logits) {
    const auto best = std::ranges::max_element(logits);
    top = best - logits.begin();
    largest = static_cast<double>(*best);
    double sum = 0;
    for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
    log_sum = std::log(sum);
  }
  double log_probability(float logit) const {
    return static_cast<double>(logit) - largest - log_sum;
  }
  std::ptrdiff_t top;
  double largest, log_sum;
};

/// One of the two models, as far as it has read.
class Reader {
 public:
  Reader(const model::Transformer& model, View<const Token, 2> windows, i64 logits_per_stream)
      : model_(model),
        windows_(windows),
        state_(model.initial_state(windows.extent(0), windows.extent(1))),
        buffer_(static_cast<std::size_t>(windows.extent(0) * logits_per_stream)) {}

  void skip(i64 count) { model::prefill(model_, windows_.slice(1, 0, count), state_); }
  /// Logits [B, count, vocabulary] of the tokens from `first` on; good until the next call.
  View<const float, 3> read(i64 first, i64 count) {
    const View<float, 3> logits(buffer_.data(),
                                {windows_.extent(0), count, model_.architecture().vocabulary});
    model_.forward(windows_.slice(1, first, count), state_, logits, nullptr);
    return logits;
  }

 private:
  const model::Transformer& model_;
  View<const Token, 2> windows_;
  model::StreamState state_;
  Floats buffer_;
};

}  // namespace

Disagreement disagreement(std::span<const float> p_logits, std::span<const float> q_logits) {
  check(p_logits.size() == q_logits.size() && !p_logits.empty(), "distributions over one set");
  const Softmax p(p_logits), q(q_logits);
  double kl = 0;
  for (std::size_t i = 0; i < p_logits.size(); ++i) {
    const double log_p = p.log_probability(p_logits[i]);
    kl += std::exp(log_p) * (log_p - q.log_probability(q_logits[i]));
  }
  return {.kl = std::max(kl, 0.0), .same_top = p.top == q.top};
}

void in_lockstep(
    const model::Transformer& p, const model::Transformer& q, const Documents& documents,
    std::span<const Block> blocks,
    const std::function<void(std::size_t block, i64 target, const Disagreement&)>& visit) {
  const i64 vocabulary = p.architecture().vocabulary;
  check(vocabulary == q.architecture().vocabulary, "both models speak one vocabulary");
  std::vector<Disagreement> found;
  for (const std::vector<std::size_t>& batch : batches(blocks)) {
    TokenRows rows;
    for (const std::size_t b : batch) rows.add(window_of(documents, blocks[b]));
    const View<const Token, 2> windows = rows.view();
    const i64 streams = windows.extent(0), targets = blocks[batch.front()].targets;
    const i64 skipped = blocks[batch.front()].context - targets;
    const i64 chunk =
        std::clamp<i64>(kMostLogits / (streams * vocabulary), 1, model::kScoringChunk);
    Reader p_reader(p, windows, std::min(chunk, targets) * vocabulary);
    Reader q_reader(q, windows, std::min(chunk, targets) * vocabulary);
    p_reader.skip(skipped);
    q_reader.skip(skipped);
    for (i64 first = 0; first < targets; first += chunk) {
      const i64 count = std::min(chunk, targets - first);
      const View<const float, 3> p_logits = p_reader.read(skipped + first, count);
      const View<const float, 3> q_logits = q_reader.read(skipped + first, count);
      found.resize(static_cast<std::size_t>(streams * count));
      model::over_rows(streams * count, [&](i64 row) {
        const i64 b = row / count, t = row % count;
        found[static_cast<std::size_t>(row)] = disagreement(p_logits.row(b, t), q_logits.row(b, t));
      });
      for (i64 row = 0; row < streams * count; ++row) {
        visit(batch[static_cast<std::size_t>(row / count)], first + row % count,
              found[static_cast<std::size_t>(row)]);
      }
    }
  }
}

}  // namespace longreach::metrics
