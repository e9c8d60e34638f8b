// Tiled causal softmax attention of the query heads that share one key/value head, with an online
// softmax (Milakov & Gimelshein 2018; Dao et al. 2022, arXiv 2205.14135): scratch is a few tiles.
//
// Shapes: G query heads of the group, T rows (queries), D head size.
#pragma once

#include <limits>

#include "core/tensor.h"

namespace longreach::attention::kernels {

inline constexpr i64 kNoWindow = std::numeric_limits<i64>::max() / 4;

/// Consecutive keys and values, [count, D] each; key 0 stands at position `first`. Stored as
/// floats, or as halves that are widened as they are read.
struct KeyRange {
  const void* keys = nullptr;
  const void* values = nullptr;
  Element element = Element::f32;
  i64 first = 0, count = 0;
};

/// Queries at positions [position, position + T). A query at t sees the keys j of `recent` with
/// t - window < j <= t and those of `sinks` with j <= t - window.
struct Problem {
  View<const float, 3> queries;       ///< [G, T, D], as they meet the recent keys
  View<const float, 3> sink_queries;  ///< [G, T, D], as they meet the sinks; unused without
  i64 position = 0;
  KeyRange recent = {}, sinks = {};
  i64 window = kNoWindow;

  i64 heads() const { return queries.extent(0); }
  i64 rows() const { return queries.extent(1); }
  i64 head_dim() const { return queries.extent(2); }
};

/// out [G, T, D] and the log-sum-exp of each row's scores [G, T], for backward(); `lse` may be a
/// view of nothing. Returns the number of query-key pairs scored. Single-threaded; packs each tile
/// of keys once for all heads and rows.
i64 forward(const Problem& problem, View<float, 3> out, View<float, 2> lse);

/// Gradients, added to. Keys' and values' are [count, D] floats whatever the keys are stored as.
struct ProblemGrad {
  View<float, 3> queries;       ///< [G, T, D]
  View<float, 3> sink_queries;  ///< [G, T, D]; may be the same memory as `queries`
  float* recent_keys = nullptr;
  float* recent_values = nullptr;
  float* sink_keys = nullptr;
  float* sink_values = nullptr;
};

/// Every n-th tile of keys, from the `first` one on: how calls share one problem's backward pass.
struct KeyShare {
  i64 first = 0, every = 1;
};

/// Recomputes the weights from `lse` of forward(). Single-threaded. Calls of different shares
/// touch different keys' gradients, but each adds to all queries'.
void backward(const Problem& problem, View<const float, 3> out, View<const float, 2> lse,
              View<const float, 3> d_out, const ProblemGrad& grad, KeyShare share = {});

/// Rows up to which forward() meets the keys where they lie, one pass over them at the pace of the
/// memory; from here on tiles of packed keys pay.
inline constexpr i64 kFewRows = 5;

/// What some of the keys contribute to an output: the softmax over parts is merged from these.
struct Partial {
  Floats outputs;       ///< [G, T, D], weighted values, not yet divided by `sum`
  Floats maximum, sum;  ///< [G, T]; maxima in powers of two
  i64 pairs = 0;
};

/// Indices [begin, end) into the recent keys.
struct Span {
  i64 begin = 0, end = 0;
};

/// The part of a problem of at most kFewRows rows that lies in `keys`, and in the sinks if asked.
/// Single-threaded: decoding a deep cache for few heads is split over keys.
Partial attend_part(const Problem& problem, Span keys, bool sinks);

/// Puts the parts together, in their order; results as of forward().
i64 merge(const Problem& problem, const Partial* parts, i64 count, View<float, 3> out,
          View<float, 2> lse);

}  // namespace longreach::attention::kernels
