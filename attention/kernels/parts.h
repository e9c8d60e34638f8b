// Which keys a query sees, for the softmax kernels.
#pragma once

#include <algorithm>
#include <array>

#include "attention/kernels/softmax.h"

namespace longreach::attention::kernels {

inline constexpr float kLog2E = 1.4426950408889634f;
inline constexpr float kLn2 = 0.6931471805599453f;

/// Indices [begin, end) into a range of keys.
struct Bounds {
  i64 begin, end;
  bool empty() const { return end <= begin; }
  /// In tiles that start at `key`, cut to [0, count).
  Bounds within(i64 key, i64 count) const {
    return {std::clamp<i64>(begin - key, 0, count), std::clamp<i64>(end - key, 0, count)};
  }
};

/// One of the two ranges of keys a query sees, with the queries as they meet it.
struct Part {
  const KeyRange& keys;
  View<const float, 3> queries;
  bool sinks;

  /// The keys of this part that the query at position t sees.
  Bounds seen(const Problem& problem, i64 t) const {
    const i64 lowest = sinks ? 0 : t - problem.window + 1;
    const i64 highest = sinks ? t - problem.window : t;
    return {std::clamp<i64>(lowest - keys.first, 0, keys.count),
            std::clamp<i64>(highest + 1 - keys.first, 0, keys.count)};
  }
  /// Those that any of the rows [row, row + rows) sees, within [from, to).
  Bounds seen_by_any(const Problem& problem, i64 row, i64 rows, i64 from, i64 to) const {
    const i64 first = problem.position + row;
    return {std::clamp(seen(problem, first).begin, from, to),
            std::clamp(seen(problem, first + rows - 1).end, from, to)};
  }
  /// Those of the first `rows` rows that see any of the keys [from, to).
  Bounds seeing(const Problem& problem, i64 rows, i64 from, i64 to) const {
    const i64 first = keys.first + from - problem.position;
    if (sinks) return Bounds{first + problem.window, rows}.within(0, rows);
    return Bounds{first, first + to - from - 1 + problem.window}.within(0, rows);
  }
  /// Row `key` of the keys or values: `element` halves or floats.
  static const void* row(const void* rows, Element element, i64 key, i64 head_dim) {
    return static_cast<const char*>(rows) + key * head_dim * bytes_of(element);
  }
};

inline std::array<Part, 2> parts_of(const Problem& problem) {
  return {Part{problem.recent, problem.queries, false},
          Part{problem.sinks, problem.sink_queries, true}};
}

}  // namespace longreach::attention::kernels
