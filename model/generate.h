// Greedy continuation.
#pragma once

#include <vector>

#include "model/transformer.h"

namespace longreach::model {

/// The `count` most likely next tokens after each prompt of [B, P], P >= 1, one at a time: [B]
/// [count]. Of equal logits the lowest token wins. The prompt is read `prefill_chunk` tokens at a
/// time. Throws Error as Transformer::forward does.
std::vector<std::vector<Token>> generate_greedy(const Transformer&, View<const Token, 2> prompt,
                                                i64 count, i64 prefill_chunk = 512);

}  // namespace longreach::model
