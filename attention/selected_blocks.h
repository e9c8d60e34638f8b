// Softmax over blocks of keys that each token chooses for itself, beside a window of blocks and the
// first ones of the stream: what `block_topk` and `compress_select` share.
//
// The stream is cut in blocks at absolute multiples of their length. Shapes: G query heads of one
// key/value head, R rows (queries of consecutive tokens), D head size.
#pragma once

#include <algorithm>

#include "attention/backend.h"
#include "attention/kernels/softmax.h"

namespace longreach::attention {

/// Which blocks a token of block c sees: its own up to itself and the `local` ones before it; the
/// first `sinks` of the stream; and of those between, which compete, the `top` of highest score,
/// of equals the earlier. Where no more than `top` compete, it sees everything and nothing need be
/// scored.
struct BlockRule {
  i64 block = 64, top = 8, local = 1, sinks = 1;
  void fields(Fields& f);

  /// Blocks that compete for tokens of block c: those from `sinks` on, so many.
  i64 candidates(i64 c) const { return std::max<i64>(0, c - local - sinks); }
  bool chooses(i64 c) const { return candidates(c) > top; }
  /// The first token that leaves a block out, and of the rows of a run that starts at `position`
  /// the first such, at most `rows`.
  i64 first_choosing() const { return (local + sinks + top + 1) * block; }
  i64 first_choosing(i64 position, i64 rows) const {
    return std::clamp<i64>(first_choosing() - position, 0, rows);
  }
  /// Numbers that hold a token's choice, in a stream of `tokens` tokens.
  i64 chosen_size(i64 tokens) const { return tokens > first_choosing() ? top : 0; }

  /// Pairs in the softmax of the first `tokens` tokens of a stream.
  i64 pairs_before(i64 tokens) const;
  /// Blocks that they score.
  i64 scored_before(i64 tokens) const;
};

/// Picks from the scores of the candidates(c) blocks of a token: chosen [top], block numbers in
/// ascending order. As floats, since that is what a tape holds; exact below 2^24 blocks.
void choose_blocks(const BlockRule& rule, i64 c, const float* scores, float* chosen);

/// Consecutive queries of one stream and key/value head.
struct SelectedRun {
  View<const float, 3> queries;   ///< [G, R, D], turned
  i64 position = 0;               ///< of the first row
  kernels::KeyRange keys = {};    ///< all from position 0 on, at least up to the last row
  const float* chosen = nullptr;  ///< [R, top] of choose_blocks(); read where a token chooses
  i64 rows() const { return queries.extent(1); }
};

/// Writes out [G, R, D] and log-sum-exp lse [G, R]. A row's bits depend on no later token. Returns
/// the pairs scored. Single-threaded.
i64 attend_selected(const BlockRule& rule, const SelectedRun& run, View<float, 3> out,
                    View<float, 2> lse);

/// Adds the gradients of attend_selected() to d_queries [G, R, D] and to those of all keys and
/// values, [., D] from position 0 on. No gradient flows through the choice.
void undo_selected(const BlockRule& rule, const SelectedRun& run, View<const float, 3> out,
                   View<const float, 2> lse, View<const float, 3> d_out, View<float, 3> d_queries,
                   float* d_keys, float* d_values);

}  // namespace longreach::attention
