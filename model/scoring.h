// Log-probabilities that a model gives to known tokens, streamed so that memory does not grow with
// the logits of a long context.
#pragma once

#include <span>
#include <vector>

#include "model/transformer.h"

namespace longreach::model {

inline constexpr i64 kScoringChunk = 512;  ///< tokens of each stream read at a time

/// Natural log of p(target) under softmax(logits); float32 logits, float64 sums.
/// Throws Error when the target is none of them.
double log_probability(std::span<const float> logits, Token target);

/// Reads tokens [B, T] into `state`, wanting no logits.
void prefill(const Transformer&, View<const Token, 2> tokens, StreamState& state,
             i64 chunk = kScoringChunk);

/// ln p of the last `tail` < T tokens of each stream given all tokens before them: [B][tail].
/// (0 of each stream has no predecessor here, so tail = T - 1 scores all that can be scored.)
/// Logits exist for at most `chunk` tokens of each stream at a time.
///
/// With `state` the tokens continue that stream and the state ends having read all of them but the
/// last, whose successor nobody asked for: the next call starts with that last token again. So a
/// context read once serves many endings: prefill() all but its last token, then copy the state and
/// score {last token, ending...} with tail = the ending's length for each. Without `state` the
/// streams start empty. Throws Error as Transformer::forward does.
std::vector<std::vector<double>> tail_log_probabilities(const Transformer&,
                                                        View<const Token, 2> tokens, i64 tail,
                                                        StreamState* state = nullptr,
                                                        i64 chunk = kScoringChunk);

}  // namespace longreach::model
