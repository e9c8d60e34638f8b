// The same targets after other contexts: parts cut off, put in another order, or from elsewhere.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "core/random.h"
#include "metrics/blocks.h"

namespace longreach::metrics {

/// A block's window in three: what lies further back than `near` tokens before the first target,
/// those `near` tokens, and the targets.
struct ContextParts {
  std::span<const Token> far, near, targets;
};

/// How many tokens precede the first target.
i64 tokens_before_targets(const Block&);

/// 0 < near <= tokens_before_targets().
ContextParts context_parts(const Documents&, const Block&, i64 near);

/// `count` tokens in a row of another document, all such places being equally likely; when no other
/// document is that long, of the block's own outside its window, `count` tokens or more away from
/// it if there is such a place. Throws Error, opening with `where`, when there is none.
std::span<const Token> foreign_tokens(const Documents&, const Block&, i64 count, Rng&,
                                      std::string_view where);

/// The parts one after the other.
std::vector<Token> joined(std::initializer_list<std::span<const Token>> parts);

/// -log p in nats of the last `tail` tokens of each row together. Rows of any lengths over `tail`;
/// equally long ones in succession go through the model side by side.
std::vector<double> tail_nats(const model::Transformer&, std::span<const std::vector<Token>> rows,
                              i64 tail);

/// So many of `most` contexts of that length that they have at most `tokens` tokens (0: no limit),
/// but one at least.
i64 contexts_within(i64 tokens, i64 most, i64 length);

/// What `first` being likelier than `second` counts, given their log p of `tokens` tokens in nats:
/// 1, 0 when it is less likely, and 1/2 when the two are equal as far as float32 logits tell, so
/// that a model without preference scores 1/2. Tokens' rounding errors are independent: those of a
/// sum grow with the root of their number.
double preference(double first, double second, i64 tokens);

/// Throws Error, opening with `where`, unless the session's context has tokens further back than
/// `near` before `targets`.
void require_far_context(const Session&, i64 near, i64 targets, std::string_view where);

/// Throws Error, opening with `where`, unless the session has held-out text.
Documents held_out_documents(const Session&, std::string_view where);

}  // namespace longreach::metrics
