// What the backends' inspect() have in common: softmaxes over listed keys and the memories'
// numbers, in float64 and as plain as they can be written.
#pragma once

#include <span>
#include <vector>

#include "attention/backend.h"

namespace longreach::attention {

/// Sinks are the first tokens that a softmax may see, of which four draw nearly all the weight that
/// has no other use (Xiao et al. 2023, arXiv 2309.17453); or as many as a mechanism keeps for that,
/// if those are more.
inline constexpr i64 kSinks = 4;

/// A key that one query attends to.
struct ScoredKey {
  double score;  ///< what the softmax is over
  i64 distance;  ///< tokens back, 0 for the query's own
  bool sink;
};

/// q . k / sqrt(D).
double score_of(std::span<const float> query, std::span<const float> key);

/// Follows the softmax of every query of a chunk. Heads may be followed by threads of their own.
class SoftmaxObserver {
 public:
  SoftmaxObserver(const Shape& shape, i64 batch, i64 tokens);
  /// The softmax of one query of a head over the keys it sees, at least one. Returns its weights.
  std::vector<double> add(i64 b, i64 head, std::span<const ScoredKey> seen);
  /// attention_entropy (nats), attended_distance (tokens back, weighted) and sink_mass (share of
  /// the weight on sinks).
  std::vector<Observation> found() const;

 private:
  i64 heads_, tokens_;
  std::vector<double> entropy_, distance_, sink_mass_;  ///< [B, Hq]
};

/// Of matrices M [B, Hkv, F, D]: memory_norm, ||M||_F, and memory_rank, how many directions carry
/// it: the participation ratio (sum s^2)^2 / sum s^4 of its singular values s, from 1, where all
/// that can be read from it is one row's multiples and what is written no longer tells apart, to
/// min(F, D), where all directions carry the same. Both are 0 for a memory that holds nothing.
std::vector<Observation> memory_observations(View<const float, 4> memories);

/// gate, the memory's share before what it gets it of: sigmoid of each query head's gate.
Observation gate_observation(std::span<const float> gates, i64 batch);

/// "memory" and "local", for weights that are a gate a query head between the two: shut, and open,
/// to where float32 has nothing left of the other.
std::vector<KnockOut> gate_knock_outs(i64 query_heads);

}  // namespace longreach::attention
