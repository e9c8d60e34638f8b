// Tiled causal softmax attention of one query head over the keys it may see, with an online
// softmax (Milakov & Gimelshein 2018; Dao et al. 2022, arXiv 2205.14135): scratch is one tile.
#pragma once

#include <limits>

#include "core/linalg.h"
#include "core/tensor.h"

namespace longreach::attention::kernels {

inline constexpr i64 kNoWindow = std::numeric_limits<i64>::max() / 4;

/// Consecutive keys and values, [count, D] each; key 0 stands at position `first`.
struct KeyRange {
  const float* keys = nullptr;
  const float* values = nullptr;
  i64 first = 0, count = 0;
};

/// Queries at positions [position, position + rows). A query at t sees the keys j of `recent` with
/// t - window < j <= t and those of `sinks` with j <= t - window.
struct Problem {
  i64 head_dim = 0;
  i64 rows = 0, position = 0;
  const float* queries = nullptr;       ///< [rows, D], as they meet the recent keys
  const float* sink_queries = nullptr;  ///< [rows, D], as they meet the sinks; unused without
  KeyRange recent = {}, sinks = {};
  i64 window = kNoWindow;
};

/// out [rows, D] and the log-sum-exp of each row's scores, for backward(); `lse` may be null.
/// Returns the number of query-key pairs scored. Single-threaded.
i64 forward(const Problem& problem, MutableMatrix out, float* lse);

/// Gradients, added to; shapes as in Problem.
struct ProblemGrad {
  float* queries = nullptr;
  float* sink_queries = nullptr;
  float* recent_keys = nullptr;
  float* recent_values = nullptr;
  float* sink_keys = nullptr;
  float* sink_values = nullptr;
};

/// Recomputes the weights from `lse` of forward(). Single-threaded.
void backward(const Problem& problem, Matrix out, const float* lse, Matrix d_out,
              const ProblemGrad& grad);

}  // namespace longreach::attention::kernels
