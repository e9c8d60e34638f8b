// Moves one head's rows between a chunk's [B, T, H, D] and a dense [T, D], turning them on the way.
#pragma once

#include <algorithm>
#include <type_traits>

#include "attention/backend.h"
#include "attention/rope.h"
#include "core/linalg.h"

namespace longreach::attention {

/// Whether a call's attention alone pays for waking the other threads; decoding a small state does
/// not.
inline bool worth_threads(const Backend& backend, const Chunk& in, i64 position) {
  return longreach::worth_threads(static_cast<double>(in.batch()) *
                                  backend.cost(position, in.tokens()).flops);
}

/// to[i] = row (b, first + i, head) of x, turned by angles[first_angle + i], for count rows.
inline void gather(View<const float, 4> x, i64 b, i64 head, i64 first, i64 count, const Rope& rope,
                   const Rope::Angles& angles, i64 first_angle, float* to) {
  const i64 d = x.extent(3);
  for (i64 i = 0; i < count; ++i) {
    rope.turn(angles, first_angle + i, x.row(b, first + i, head).data(), to + i * d, Turn::forward);
  }
}

/// Row (b, first + i, head) of x += from[i] turned back; clears `from`.
inline void hand_over(float* from, i64 count, const Rope& rope, const Rope::Angles& angles,
                      i64 first_angle, View<float, 4> x, i64 b, i64 head, i64 first) {
  const i64 d = x.extent(3);
  for (i64 i = 0; i < count; ++i) {
    float* row = from + i * d;
    rope.turn(angles, first_angle + i, row, row, Turn::back);
    float* to = x.row(b, first + i, head).data();
    for (i64 j = 0; j < d; ++j) to[j] += row[j];
    std::fill_n(row, d, 0.0f);
  }
}

/// The d-long row (b, t, head) matrix of one head: rows are tokens.
template <class T>
auto head_rows(View<T, 4> x, i64 b, i64 head, i64 first, i64 count) {
  using M = std::conditional_t<std::is_const_v<T>, Matrix, MutableMatrix>;
  return M(x.row(b, first, head).data(), count, x.extent(3), x.stride(1));
}

/// A dense copy of a view: a tape's own, since the memory behind the view goes on changing.
inline Tensor dense_copy(View<const float, 4> from) {
  Tensor to(std::vector<i64>(from.extents().begin(), from.extents().end()));
  const auto view = to.view<4>();
  for (i64 i = 0; i < from.extent(0); ++i) {
    for (i64 j = 0; j < from.extent(1); ++j) {
      for (i64 k = 0; k < from.extent(2); ++k) {
        std::ranges::copy(from.row(i, j, k), view.row(i, j, k).begin());
      }
    }
  }
  return to;
}

}  // namespace longreach::attention
