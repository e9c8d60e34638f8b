// The tiled forward pass, compiled once for each instruction set.
//
// For a tile of keys, K is packed into transposed panels and V into column panels; then a few
// query rows at a time make their scores, fold them into the running maximum and sum, and add P V
// to their outputs. Packed keys carry the factor log2(e) / sqrt(D), so that the exponential is 2^x.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attention/kernels/forward.cpp"
#include <hwy/foreach_target.h>
//
#include <cmath>

#include "attention/kernels/weights-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longreach::attention::kernels::HWY_NAMESPACE {

/// Keys packed at a time.
constexpr i64 kKeyTile = 256;

/// The running state of the online softmax for all rows of all heads.
struct Online {
  Online(i64 rows, i64 padded)
      : outputs(static_cast<std::size_t>(rows * padded)),
        shift(static_cast<std::size_t>(rows), kHidden),
        sums(static_cast<std::size_t>(rows) * hn::Lanes(D())) {}
  Floats outputs;  ///< [rows, padded], not yet divided by the sum
  Floats shift;    ///< [rows]: what is taken from scores, in powers of two
  Floats sums;     ///< [rows, lanes]: of the weights
};

/// A tile of packed keys and the scores that a tile of rows gets from them.
struct KeyTile {
  KeyTile(i64 head, i64 padded)
      : keys(static_cast<std::size_t>(kKeyTile * head)),
        values(static_cast<std::size_t>(kKeyTile * padded)),
        scores(static_cast<std::size_t>(kTileRows * kKeyTile)) {}

  void pack(const Part& part, i64 first_key, i64 keys_in, i64 head) {
    first = first_key;
    count = keys_in;
    const float factor = kLog2E / std::sqrt(static_cast<float>(head));
    const Element element = part.keys.element;
    with_element(element, [&](auto kind) HWY_ATTR {
      pack_rows<kind>(Part::row(part.keys.keys, element, first, head), count, head, head, factor,
                      keys.data());
      pack_columns<kind>(Part::row(part.keys.values, element, first, head), count, head, head,
                         values.data());
    });
  }

  Scratch keys;    ///< transposed panels
  Scratch values;  ///< column panels
  Scratch scores;  ///< [kTileRows, kKeyTile]
  i64 first = 0, count = 0;
};

/// A row's shift is raised to its maximum when that lies so many powers of two above it. Until then
/// weights are at most 2^8 and what has been summed needs no correction.
constexpr float kSlack = 8;

/// Raises a row's shift and what was summed with the old one.
HWY_NOINLINE void raise(float top, i64 row, i64 padded, Online& online) {
  const float correction = std::exp2(online.shift[row] - top);
  const bool anything = online.shift[row] != kHidden;
  online.shift[row] = top;
  if (!anything) return;
  const i64 lanes = static_cast<i64>(hn::Lanes(D()));
  scale_row(correction, &online.outputs[row * padded], padded);
  scale_row(correction, &online.sums[row * lanes], lanes);
}

/// Folds the scores of a tile's rows, kKeyTile apart, into their running states: they become
/// weights. All maxima first: rows do not wait for one another.
HWY_INLINE void fold(float* scores, const Bounds* seen, i64 rows, i64 padded_keys, i64 state,
                     i64 padded, Online& online) {
  const D d;
  const i64 lanes = static_cast<i64>(hn::Lanes(d));
  for (i64 r = 0; r < rows; ++r) {
    hide(scores + r * kKeyTile, seen[r], padded_keys, kHidden);
    const V top = largest(scores + r * kKeyTile, padded_keys);
    const V enough = hn::Set(d, online.shift[state + r] + kSlack);
    if (hn::AllFalse(d, hn::Gt(top, enough))) continue;
    raise(largest_lane(top), state + r, padded, online);
  }
  for (i64 r = 0; r < rows; ++r) {
    float* row = scores + r * kKeyTile;
    if (seen[r].empty()) {
      std::fill_n(row, padded_keys, 0.0f);
      continue;
    }
    float* sums = &online.sums[(state + r) * lanes];
    const V added = exponentials(row, seen[r], padded_keys, online.shift[state + r]);
    hn::StoreU(hn::Add(hn::LoadU(d, sums), added), d, sums);
  }
}

/// Up to kTileRows rows of one head meet a tile of keys; returns the pairs scored.
HWY_INLINE i64 meet(const Problem& problem, const Part& part, i64 g, i64 row, i64 rows,
                    KeyTile& tile, i64 padded, Online& online) {
  const i64 head = problem.head_dim(), width = panel_width();
  const Bounds any = part.seen_by_any(problem, row, rows, tile.first, tile.first + tile.count);
  if (any.empty()) return 0;
  const i64 first = (any.begin - tile.first) / width * width;
  const i64 last = round_up(any.end - tile.first, width);
  const float* queries = part.queries.row(g, row).data();
  for (i64 c = first; c < last; c += width) {
    tile_rows(rows, head, queries, part.queries.stride(1), 1, &tile.keys[c * head],
              &tile.scores[c - first], kKeyTile, false);
  }
  const i64 state = g * problem.rows() + row;
  Bounds seen[kTileRows];
  i64 pairs = 0;
  for (i64 r = 0; r < rows; ++r) {
    seen[r] =
        part.seen(problem, problem.position + row + r).within(tile.first + first, last - first);
    pairs += std::max<i64>(0, seen[r].end - seen[r].begin);
  }
  fold(tile.scores.data(), seen, rows, last - first, state, padded, online);
  const i64 depth = any.end - tile.first - first;
  for (i64 c = 0; c < head; c += width) {
    tile_rows(rows, depth, tile.scores.data(), kKeyTile, 1,
              &tile.values[c * tile.count + first * width], &online.outputs[state * padded + c],
              padded, true);
  }
  return pairs;
}

i64 ForwardTiles(const Problem& problem, View<float, 3> out, View<float, 2> lse) {
  const i64 head = problem.head_dim(), padded = round_up(head, panel_width());
  KeyTile tile(head, padded);
  Online online(problem.heads() * problem.rows(), padded);
  i64 pairs = 0;
  for (const Part& part : parts_of(problem)) {
    if (part.keys.count == 0) continue;
    const Bounds all = part.seen_by_any(problem, 0, problem.rows(), 0, part.keys.count);
    for (i64 key = all.begin; key < all.end; key += kKeyTile) {
      tile.pack(part, key, std::min(kKeyTile, all.end - key), head);
      for (i64 g = 0; g < problem.heads(); ++g) {
        for (i64 row = 0; row < problem.rows(); row += kTileRows) {
          pairs += meet(problem, part, g, row, std::min(kTileRows, problem.rows() - row), tile,
                        padded, online);
        }
      }
    }
  }
  for (i64 g = 0; g < problem.heads(); ++g) {
    for (i64 row = 0; row < problem.rows(); ++row) {
      const i64 state = g * problem.rows() + row;
      const float sum =
          sum_of_lanes(hn::LoadU(D(), &online.sums[state * static_cast<i64>(hn::Lanes(D()))]));
      const float inverse = 1 / sum;
      const float* from = &online.outputs[state * padded];
      float* to = out.row(g, row).data();
      for (i64 i = 0; i < head; ++i) to[i] = from[i] * inverse;
      if (lse.data() == nullptr) continue;
      lse(g, row) = kLn2 * online.shift[state] + std::log(sum);
    }
  }
  return pairs;
}

}  // namespace longreach::attention::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longreach::attention::kernels {

HWY_EXPORT(ForwardTiles);

i64 forward(const Problem& problem, View<float, 3> out, View<float, 2> lse) {
  if (problem.rows() > kFewRows) return HWY_DYNAMIC_DISPATCH(ForwardTiles)(problem, out, lse);
  const Partial whole = attend_part(problem, {0, problem.recent.count}, true);
  return merge(problem, &whole, 1, out, lse);
}

}  // namespace longreach::attention::kernels
#endif
