// The softmaxes and memories of inspection.h.
#include "attention/inspection.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace longreach::attention {

double score_of(std::span<const float> query, std::span<const float> key) {
  double sum = 0;
  for (std::size_t i = 0; i < query.size(); ++i) {
    sum += static_cast<double>(query[i]) * static_cast<double>(key[i]);
  }
  return sum / std::sqrt(static_cast<double>(query.size()));
}

SoftmaxObserver::SoftmaxObserver(const Shape& shape, i64 batch, i64 tokens)
    : heads_(shape.query_heads),
      tokens_(tokens),
      entropy_(static_cast<std::size_t>(batch * heads_)),
      distance_(entropy_),
      sink_mass_(entropy_) {}

std::vector<double> SoftmaxObserver::add(i64 b, i64 head, std::span<const ScoredKey> seen) {
  check(!seen.empty(), "a query sees its own key at least");
  const double most = std::ranges::max_element(seen, {}, &ScoredKey::score)->score;
  std::vector<double> weights;
  double total = 0;
  for (const ScoredKey& key : seen) {
    weights.push_back(std::exp(key.score - most));
    total += weights.back();
  }
  const auto at = static_cast<std::size_t>(b * heads_ + head);
  const auto queries = static_cast<double>(tokens_);
  for (std::size_t j = 0; j < seen.size(); ++j) {
    const double weight = weights[j] /= total;
    // w ln w is 0 where w is.
    if (weight > 0) entropy_[at] -= weight * std::log(weight) / queries;
    distance_[at] += weight * static_cast<double>(seen[j].distance) / queries;
    if (seen[j].sink) sink_mass_[at] += weight / queries;
  }
  return weights;
}

std::vector<Observation> SoftmaxObserver::found() const {
  return {{.name = "attention_entropy", .unit = "nats", .values = entropy_},
          {.name = "attended_distance", .unit = "tokens", .values = distance_},
          {.name = "sink_mass", .unit = "1", .values = sink_mass_}};
}

std::vector<Observation> memory_observations(View<const float, 4> memories) {
  const i64 f = memories.extent(2), d = memories.extent(3);
  Observation norm{.name = "memory_norm", .unit = "1", .of_kv_heads = true};
  Observation rank{.name = "memory_rank", .unit = "1", .of_kv_heads = true};
  for (i64 b = 0; b < memories.extent(0); ++b) {
    for (i64 kv = 0; kv < memories.extent(1); ++kv) {
      // The sum of s^2 is the trace of G = M^T M, that of s^4 the sum of its squares.
      double trace = 0, squares = 0;
      for (i64 i = 0; i < d; ++i) {
        for (i64 j = 0; j < d; ++j) {
          double g = 0;
          for (i64 row = 0; row < f; ++row) {
            g += static_cast<double>(memories(b, kv, row, i)) *
                 static_cast<double>(memories(b, kv, row, j));
          }
          squares += g * g;
          if (i == j) trace += g;
        }
      }
      norm.values.push_back(std::sqrt(trace));
      rank.values.push_back(squares > 0 ? trace * trace / squares : 0);
    }
  }
  return {norm, rank};
}

Observation gate_observation(std::span<const float> gates, i64 batch) {
  Observation gate{.name = "gate", .unit = "1"};
  for (i64 b = 0; b < batch; ++b) {
    for (const float beta : gates) {
      gate.values.push_back(1 / (1 + std::exp(-static_cast<double>(beta))));
    }
  }
  return gate;
}

std::vector<KnockOut> gate_knock_outs(i64 query_heads) {
  constexpr float kShut = -200;  // exp(200) is infinite in float32, and 1 / (1 + exp(200)) is 0
  const auto heads = static_cast<std::size_t>(query_heads);
  return {{.part = "memory", .weights = std::vector<float>(heads, kShut)},
          {.part = "local", .weights = std::vector<float>(heads, -kShut)}};
}

}  // namespace longreach::attention
