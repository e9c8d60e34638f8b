// Attention as a linear recurrence: a matrix S of keys by values that each token decays, writes to
// and reads from. One mechanism with options; linear.cpp names the members of the family.
#pragma once

#include <optional>

#include "attention/backend.h"
#include "attention/feature_map.h"
#include "attention/rope.h"

namespace longreach::attention {

/// What a matrix forgets before a token writes to it.
enum class Decay {
  none,
  fixed,       ///< head h keeps 1 - 2^(-5 - h) (RetNet, arXiv 2307.08621)
  by_head,     ///< a token's own share for each key/value head
  by_channel,  ///< a token's own share for each row of S (GLA, arXiv 2312.06635)
};

/// S_t = diag(a_t) S_{t-1} + k_t u_t^T, and o_t = q_t S_t, with
///   u_t = v_t, or under the delta rule b_t (v_t - k_t^T diag(a_t) S_{t-1}).
/// Shares kept are a_t = sigmoid(x_t + c)^(1 / temperature), not less than exp(-4), and write
/// strengths b_t = sigmoid(y_t), of projections x ("decay") and y ("write_strength") and a learned
/// c ("decay_bias").
struct RecurrenceRule {
  /// Keys and queries go through this map, and outputs are divided by q_t times the sum of all keys
  /// (Katharopoulos et al. 2020, arXiv 2006.16236). Without, outputs are divided by their rms over
  /// the head, as the relatives do to keep them in bounds.
  std::optional<FeatureParams> features{};
  bool unit = false;   ///< keys and queries are divided by their length; else queries by D^(1/2)
  bool delta = false;  ///< writes the difference to what is known
  Decay decay = Decay::none;
  double temperature = 16;
  double decay_initial = 4;  ///< c to begin with
  std::optional<ScaledRopeParams> rope{};
  i64 block = 32;  ///< tokens worked on at once; changes rounding only
};

/// State: `memory` S [B, Hkv, F, D] for keys of F numbers (D but for random features), and with a
/// feature map the sum of keys `normalizer` [B, Hkv, F].
class Recurrence : public Backend {
 public:
  Recurrence(const RecurrenceRule& rule, const Shape& shape);

  const Shape& shape() const override { return shape_; }
  std::vector<WeightSpec> weights() const override;
  std::vector<ProjectionSpec> projections() const override;
  State initial_state(i64 batch, i64 capacity) const override;
  i64 state_bytes(i64 capacity) const override;
  void forward(std::span<const float> weights, const Chunk& in, State& state, View<float, 4> out,
               Tape* tape) const override;
  void backward(std::span<const float> weights, const Chunk& in, const Tape& tape,
                View<const float, 4> d_out, State& d_state, const ChunkGrad& grad,
                std::span<float> d_weights) const override;
  Cost cost(i64 position, i64 tokens) const override;
  std::vector<double> reference(std::span<const double> weights,
                                const ReferenceStream& in) const override;
  /// Of S as it was before the chunk.
  std::vector<Observation> inspect(std::span<const float> weights, const Chunk& in,
                                   const State& before) const override;

 private:
  i64 key_size() const { return map_ ? map_->size() : shape_.head_dim; }  ///< F

  RecurrenceRule rule_;
  Shape shape_;
  Rope rope_;
  std::optional<FeatureMap> map_;
};

// Shared with the float64 reference.
/// Least logarithm of a share kept, so that blocks neither under- nor overflow.
inline constexpr double kLeastLog = -4;
/// Under the root of a length.
inline constexpr double kUnitEpsilon = 1e-6;
/// Under the root of an rms: a sum of many values that cancel is not blown up to one.
inline constexpr double kRmsEpsilon = 0.1;

/// Where a token's strength and share lie among its projections.
inline i64 strengths(const RecurrenceRule& rule, const Shape& shape) {
  return rule.delta ? shape.kv_heads : 0;
}
inline i64 shares(const RecurrenceRule& rule, const Shape& shape) {
  if (rule.decay == Decay::by_head) return shape.kv_heads;
  return rule.decay == Decay::by_channel ? shape.kv_heads * shape.head_dim : 0;
}

/// The recurrence itself, token by token in float64: [T, Hq, D].
std::vector<double> reference_recurrence(const Shape& shape, const RecurrenceRule& rule,
                                         std::span<const double> bias, const ReferenceStream& in,
                                         const Rope& rope, const std::optional<FeatureMap>& map);

}  // namespace longreach::attention
