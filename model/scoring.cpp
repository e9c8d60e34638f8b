// Streams known tokens through a model and keeps only what it says about them.
#include "model/scoring.h"

#include <algorithm>

#include "core/error.h"
#include "model/layers.h"
#include "model/loss.h"

namespace longreach::model {
namespace {

void require_known(Token target, i64 vocabulary) {
  if (target < 0 || target >= vocabulary) {
    throw error("target token {} is outside the model's vocabulary of {}", target, vocabulary);
  }
}

}  // namespace

double log_probability(std::span<const float> logits, Token target) {
  require_known(target, static_cast<i64>(logits.size()));
  Floats scratch(logits.size());
  return static_cast<double>(logits[static_cast<std::size_t>(target)]) -
         log_sum_exp(logits, scratch.data());
}

void prefill(const Transformer& model, View<const Token, 2> tokens, StreamState& state, i64 chunk) {
  check(chunk >= 1, "chunks of at least one token");
  const View<float, 3> none(nullptr, {tokens.extent(0), 0, model.architecture().vocabulary});
  for (i64 first = 0; first < tokens.extent(1); first += chunk) {
    const i64 count = std::min(chunk, tokens.extent(1) - first);
    model.forward(tokens.slice(1, first, count), state, none, nullptr);
  }
}

std::vector<std::vector<double>> tail_log_probabilities(const Transformer& model,
                                                        View<const Token, 2> tokens, i64 tail,
                                                        StreamState* state, i64 chunk) {
  const i64 batch = tokens.extent(0), count = tokens.extent(1);
  const i64 vocabulary = model.architecture().vocabulary;
  check(0 <= tail && tail < count && chunk >= 1, "a tail shorter than the stream");
  for (i64 b = 0; b < batch; ++b) {  // the only tokens that forward() does not get to see
    require_known(tokens(b, count - 1), vocabulary);
  }
  StreamState own;
  if (state == nullptr) {
    own = model.initial_state(batch, count);
    state = &own;
  }
  std::vector<std::vector<double>> result(static_cast<std::size_t>(batch));
  for (auto& stream : result) stream.resize(static_cast<std::size_t>(tail));

  const i64 first_scored = count - 1 - tail;  // its logits say what they think of the next token
  prefill(model, tokens.slice(1, 0, first_scored), *state, chunk);
  Floats buffer(static_cast<std::size_t>(batch * std::min(chunk, tail) * vocabulary));
  for (i64 first = first_scored; first < count - 1; first += chunk) {
    const i64 length = std::min(chunk, count - 1 - first);
    const View<float, 3> logits(buffer.data(), {batch, length, vocabulary});
    model.forward(tokens.slice(1, first, length), *state, logits, nullptr);
    over_rows(batch * length, [&](i64 row) {
      const i64 b = row / length, t = row % length;
      const Token target = tokens(b, first + t + 1);
      const auto values = logits.row(b, t);
      const double wanted = static_cast<double>(values[static_cast<std::size_t>(target)]);
      result[static_cast<std::size_t>(b)][static_cast<std::size_t>(first - first_scored + t)] =
          wanted - log_sum_exp(values, values.data());
    });
  }
  return result;
}

}  // namespace longreach::model
