// How the work of one call is cut for threads.
#pragma once

#include <algorithm>

#include "attention/backend.h"
#include "core/linalg.h"

namespace longreach::attention {

/// Whether a call's attention alone pays for waking the other threads; decoding a small state does
/// not.
inline bool worth_threads(const Backend& backend, const Chunk& in, i64 position) {
  return longreach::worth_threads(static_cast<double>(in.batch()) *
                                  backend.cost(position, in.tokens()).flops);
}

/// Adds the weights' gradients of all streams, d [B, n], in a fixed order: the same bits whatever
/// the threads.
inline void add_over_streams(const std::vector<double>& d, i64 batch, std::span<float> d_weights) {
  const i64 n = std::ssize(d) / batch;
  for (i64 i = 0; i < n; ++i) {
    double sum = 0;
    for (i64 b = 0; b < batch; ++b) sum += d[b * n + i];
    d_weights[i] += static_cast<float>(sum);
  }
}

/// Query rows of one stream and key/value head that a task of softmax attention takes: many, since
/// each task packs all keys anew, but enough tasks for a few threads. Knows neither how many
/// threads there are nor the other streams, so that no result depends on them.
inline i64 rows_per_task(i64 kv_heads, i64 tokens) {
  constexpr i64 kMost = 528, kLeast = 96, kTasks = 8, kTile = 12;
  const auto ceil = [](i64 n, i64 step) { return (n + step - 1) / step; };
  const i64 tasks =
      std::max(ceil(tokens, kMost), std::min(ceil(kTasks, kv_heads), ceil(tokens, kLeast)));
  return ceil(ceil(tokens, tasks), kTile) * kTile;
}

}  // namespace longreach::attention
