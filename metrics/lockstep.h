// Two models side by side on the same tokens.
#pragma once

#include <functional>
#include <span>

#include "metrics/blocks.h"

namespace longreach::metrics {

/// How far one distribution over the next token is from another.
struct Disagreement {
  double kl = 0;         ///< nats, never negative
  bool same_top = true;  ///< both find one token most likely; of equal ones the lowest counts
};

/// KL(P || Q) = sum over tokens of P ln(P / Q), P and Q being the softmax of these logits; float64.
/// Below 0, where rounding takes it, it is 0; of equal logits it is 0 exactly.
Disagreement disagreement(std::span<const float> p_logits, std::span<const float> q_logits);

/// Calls visit(block's number, number of the target in it, disagreement) for every target of every
/// block, those of a block in order. Both models read the same chunks, so equal models agree to the
/// bit; their states, and the logits of one chunk, are all that is held. Throws Error as
/// Transformer::forward does.
void in_lockstep(
    const model::Transformer& p, const model::Transformer& q, const Documents&,
    std::span<const Block>,
    const std::function<void(std::size_t block, i64 target, const Disagreement&)>& visit);

}  // namespace longreach::metrics
