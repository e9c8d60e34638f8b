// Moves rows of heads between a chunk's [B, T, H, D], dense rows and caches, turning them on the
// way.
#pragma once

#include <algorithm>
#include <type_traits>

#include "attention/backend.h"
#include "attention/kernels/rowwise.h"
#include "attention/rope.h"
#include "core/half.h"
#include "core/linalg.h"

namespace longreach::attention {

/// Rows [first, first + count) of one head of x [B, T, H, D]: [count, D].
template <class T>
View<T, 2> one_head(View<T, 4> x, i64 b, i64 head, i64 first, i64 count) {
  return {x.row(b, first, head).data(), {count, x.extent(3)}, {x.stride(1), 1}};
}

/// to[i] = row (b, first + i, head) of x, turned by angles[first_angle + i], for count rows.
inline void gather(View<const float, 4> x, i64 b, i64 head, i64 first, i64 count, const Rope& rope,
                   const Rope::Angles& angles, i64 first_angle, float* to) {
  rope.turn(angles, first_angle, one_head(x, b, head, first, count),
            View<float, 2>(to, {count, x.extent(3)}), Turn::forward);
}

/// Row (b, first + i, head) of x += from[i] turned back; clears `from`.
inline void hand_over(float* from, i64 count, const Rope& rope, const Rope::Angles& angles,
                      i64 first_angle, View<float, 4> x, i64 b, i64 head, i64 first) {
  const i64 d = x.extent(3);
  const View<float, 2> rows(from, {count, d});
  rope.turn(angles, first_angle, rows, rows, Turn::back);
  const View<float, 2> to = one_head(x, b, head, first, count);
  kernels::blend(1, to, 1, from, to);
  std::fill_n(from, count * d, 0.0f);
}

/// Rows [first, first + count) of `heads` heads from `head` on, of x [B, T, H, D]: [heads, count,
/// D].
template <class T>
View<T, 3> head_rows(View<T, 4> x, i64 b, i64 head, i64 heads, i64 first, i64 count) {
  return {x.row(b, first, head).data(), {heads, count, x.extent(3)}, {x.stride(2), x.stride(1), 1}};
}

/// The same of x [B, H, T, D].
template <class T>
View<T, 3> rows_by_head(View<T, 4> x, i64 b, i64 head, i64 heads, i64 first, i64 count) {
  return {x.row(b, head, first).data(), {heads, count, x.extent(3)}, {x.stride(1), x.stride(2), 1}};
}

/// Rows [first, first + count) of `heads` heads from `head` on, of numbers [B, H, T]: [heads,
/// count].
template <class T>
View<T, 2> lse_rows(View<T, 3> x, i64 b, i64 head, i64 heads, i64 first, i64 count) {
  return {x.row(b, head).data() + first, {heads, count}, {x.stride(1), 1}};
}

/// Queries of `heads` heads from `head` on, turned: to [heads, count, D].
inline void gather_group(View<const float, 4> q, i64 b, i64 head, i64 first, const Rope& rope,
                         const Rope::Angles& angles, i64 first_angle, View<float, 3> to) {
  for (i64 g = 0; g < to.extent(0); ++g) {
    gather(q, b, head + g, first, to.extent(1), rope, angles, first_angle, to.row(g, 0).data());
  }
}

// A cache is a state's tensor [B, Hkv, N, D] of keys or values, stored as floats or halves.

/// Where row i of key/value head h lies.
template <class Cache>
auto cache_row(Cache& cache, i64 b, i64 h, i64 i) {
  using Byte = std::conditional_t<std::is_const_v<Cache>, const char, char>;
  const std::vector<i64>& n = cache.shape();
  return static_cast<Byte*>(cache.data()) +
         ((b * n[1] + h) * n[2] + i) * n[3] * bytes_of(cache.element());
}

/// Rows [at, at + count) of a cache = from [count, D], rounded to what it stores.
inline void store_rows(const float* from, i64 count, Tensor& cache, i64 b, i64 h, i64 at) {
  char* to = cache_row(cache, b, h, at);
  const i64 n = count * cache.shape()[3];
  if (cache.element() == Element::f32) {
    std::copy_n(from, n, reinterpret_cast<float*>(to));
  } else {
    narrow(from, cache.element(), reinterpret_cast<Half*>(to), n);
  }
}

/// to [count, D] = rows [at, at + count) of a cache.
inline void load_rows(const Tensor& cache, i64 b, i64 h, i64 at, i64 count, float* to) {
  const char* from = cache_row(cache, b, h, at);
  const i64 n = count * cache.shape()[3];
  if (cache.element() == Element::f32) {
    std::copy_n(reinterpret_cast<const float*>(from), n, to);
  } else {
    widen(reinterpret_cast<const Half*>(from), cache.element(), to, n);
  }
}

/// The first `count` rows of a head of a cache as floats, [count, D].
inline Floats rows_as_floats(const Tensor& cache, i64 b, i64 h, i64 count) {
  Floats rows(static_cast<std::size_t>(count * cache.shape()[3]));
  if (count > 0) load_rows(cache, b, h, 0, count, rows.data());
  return rows;
}

/// Row i of rows of D.
inline std::span<const float> row_of(std::span<const float> rows, i64 i, i64 d) {
  return rows.subspan(static_cast<std::size_t>(i * d), static_cast<std::size_t>(d));
}

/// Turns `count` rows of head h of a chunk's keys or values into rows from `at` on of row
/// (to_b, to_h) of a cache.
inline void gather_into(View<const float, 4> x, i64 b, i64 h, i64 first, i64 count,
                        const Rope& rope, const Rope::Angles& angles, i64 first_angle,
                        Tensor& cache, i64 to_b, i64 to_h, i64 at) {
  if (cache.element() == Element::f32) {
    gather(x, b, h, first, count, rope, angles, first_angle,
           reinterpret_cast<float*>(cache_row(cache, to_b, to_h, at)));
    return;
  }
  Scratch rows(static_cast<std::size_t>(count * x.extent(3)));
  gather(x, b, h, first, count, rope, angles, first_angle, rows.data());
  store_rows(rows.data(), count, cache, to_b, to_h, at);
}

/// Writes the chunk's turned keys and its values behind those that its caches hold of the tokens
/// before `position`.
inline void append_to_caches(const Chunk& in, i64 position, const Rope& rope,
                             const Rope::Angles& angles, Tensor& keys, Tensor& values,
                             bool threads) {
  const Rope none(std::nullopt, keys.shape()[3]);
#pragma omp parallel for collapse(2) schedule(static) if (threads)
  for (i64 b = 0; b < in.batch(); ++b) {
    for (i64 kv = 0; kv < keys.shape()[1]; ++kv) {
      gather_into(in.k, b, kv, 0, in.tokens(), rope, angles, 0, keys, b, kv, position);
      gather_into(in.v, b, kv, 0, in.tokens(), none, angles, 0, values, b, kv, position);
    }
  }
}

/// The first `tokens` rows of each head of a cache, on their own.
inline Tensor filled_rows(const Tensor& cache, i64 tokens) {
  const std::vector<i64>& n = cache.shape();
  Tensor copy = Tensor::unset({n[0], n[1], tokens, n[3]}, cache.element());
  const i64 bytes = tokens * n[3] * bytes_of(cache.element());
  const bool threads = longreach::worth_threads(static_cast<double>(copy.size()));
#pragma omp parallel for collapse(2) if (threads)
  for (i64 b = 0; b < n[0]; ++b) {
    for (i64 h = 0; h < n[1]; ++h) {
      std::copy_n(cache_row(cache, b, h, 0), bytes, cache_row(copy, b, h, 0));
    }
  }
  return copy;
}

/// Copies rows of heads, [heads, rows, D] each.
inline void copy_rows(View<const float, 3> from, View<float, 3> to) {
  for (i64 h = 0; h < from.extent(0); ++h) {
    kernels::copy_rows(
        {from.row(h, 0).data(), {from.extent(1), from.extent(2)}, {from.stride(1), 1}},
        {to.row(h, 0).data(), {to.extent(1), to.extent(2)}, {to.stride(1), 1}});
  }
}

}  // namespace longreach::attention
