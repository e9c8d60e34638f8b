// Blocks of keys and values compressed to one of each, and the softmax over them whose weights
// choose among the blocks (after NSA, Yuan et al. 2025, arXiv 2502.11089).
//
// Shapes: G query heads of one key/value head, R rows (queries of consecutive tokens), D head size.
#pragma once

#include "attention/selected_blocks.h"

namespace longreach::attention {

/// softmax(logits), [block]: how much of each place goes into a compressed row.
Scratch pool_shares(std::span<const float> logits);

/// to [D] = the mean of x [block, D] that the shares weight.
void compress_block(const Scratch& shares, const float* x, i64 d, float* to);

/// Adds the gradients of compress_block() to d_x [block, D] and to those of the logits [block];
/// clears d_to [D].
void undo_compress_block(const Scratch& shares, const float* x, i64 d, float* d_to, float* d_x,
                         double* d_logits);

/// Keys and values of compressed blocks, or their gradients, [blocks, D] each.
template <class T>
struct CompressedBlocks {
  T* keys;
  T* values;
};

/// Consecutive queries' softmax over the compressed blocks that lie wholly before their own: out
/// [G, R, D], 0 where there are none, and log-sum-exp [G, R]. Fills `chosen` [R, top] where tokens
/// choose, by the sum over the heads of each block's weight; its bits do not depend on how many
/// rows there are. Returns the pairs scored. Single-threaded.
i64 attend_compressed(const BlockRule& rule, View<const float, 3> queries, i64 position,
                      const CompressedBlocks<const float>& blocks, View<float, 3> out,
                      View<float, 2> lse, float* chosen);

/// Adds the gradients of attend_compressed() to those of the queries and blocks.
void undo_compressed(const BlockRule& rule, View<const float, 3> queries, i64 position,
                     const CompressedBlocks<const float>& blocks, View<const float, 3> out,
                     View<const float, 2> lse, View<const float, 3> d_out, View<float, 3> d_queries,
                     const CompressedBlocks<float>& d_blocks);

}  // namespace longreach::attention
