// Tiled causal softmax attention with Highway, compiled once for each instruction set.
//
// Forward: for a tile of keys, K is packed into transposed panels and V into column panels; then
// six query rows at a time make their scores, fold them into the running maximum and sum, and add
// P V to their outputs. Backward: for a tile of keys and a block of queries, P is made again from
// the log-sum-exp, dS = P (dP - delta), and five products of the same register tile follow. Scores
// carry the factor log2(e) / sqrt(D) from the queries on, so that the exponential is 2^x.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attention/kernels/softmax.cpp"
#include <hwy/foreach_target.h>
//
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "attention/kernels/panels-inl.h"
#include "attention/kernels/softmax.h"

#ifndef LONGREACH_ATTENTION_KERNELS_SOFTMAX_PARTS_
#define LONGREACH_ATTENTION_KERNELS_SOFTMAX_PARTS_
namespace longreach::attention::kernels {

constexpr i64 kKeyTile = 256;   // forward: keys packed at a time
constexpr i64 kGradKeys = 128;  // backward: keys packed at a time
constexpr i64 kGradRows = 96;   // backward: queries that meet them
constexpr float kLog2E = 1.4426950408889634f;
constexpr float kLn2 = 0.6931471805599453f;

/// Indices [begin, end) into a range of keys.
struct Bounds {
  i64 begin, end;
  bool empty() const { return end <= begin; }
};

/// One of the two ranges of keys a query sees, with the queries as they meet it.
struct Part {
  const KeyRange& keys;
  const float* queries;
  float* d_queries;
  float* d_keys;
  float* d_values;
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
};

inline std::array<Part, 2> parts_of(const Problem& problem, const ProblemGrad& grad) {
  return {Part{problem.recent, problem.queries, grad.queries, grad.recent_keys, grad.recent_values,
               false},
          Part{problem.sinks, problem.sink_queries, grad.sink_queries, grad.sink_keys,
               grad.sink_values, true}};
}

}  // namespace longreach::attention::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace longreach::attention::kernels::HWY_NAMESPACE {

Floats scaled_queries(const float* queries, i64 count, i64 head_dim) {
  const float factor = kLog2E / std::sqrt(static_cast<float>(head_dim));
  Floats out(queries, queries + count);
  for (float& value : out) value *= factor;
  return out;
}

HWY_INLINE float max_of_row(const float* x, i64 n) {
  float best = x[0];
  const D d;
  const i64 lanes = static_cast<i64>(hn::Lanes(d));
  i64 i = 0;
  if (n >= lanes) {
    V top = hn::LoadU(d, x);
    for (i = lanes; i + lanes <= n; i += lanes) top = hn::Max(top, hn::LoadU(d, x + i));
    best = hn::GetLane(hn::MaxOfLanes(d, top));
  }
  for (; i < n; ++i) best = std::max(best, x[i]);
  return best;
}

/// x = 2^(x - shift) on [begin, end), 0 elsewhere in [0, padded); returns the sum. `padded` is a
/// multiple of the vector.
HWY_INLINE float exponentials(float* x, Bounds seen, i64 padded, float shift) {
  const D d;
  const i64 lanes = static_cast<i64>(hn::Lanes(d));
  const V minus = hn::Set(d, shift);
  std::fill(x, x + seen.begin, -std::numeric_limits<float>::infinity());
  std::fill(x + seen.end, x + padded, -std::numeric_limits<float>::infinity());
  V sum = hn::Zero(d);
  for (i64 i = 0; i < padded; i += lanes) {
    const V y = exp2_of_nonpositive(hn::Sub(hn::LoadU(d, x + i), minus));
    hn::StoreU(y, d, x + i);
    sum = hn::Add(sum, y);
  }
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

HWY_INLINE void scale_row(float factor, float* x, i64 padded) {
  const D d;
  const V f = hn::Set(d, factor);
  for (i64 i = 0; i < padded; i += static_cast<i64>(hn::Lanes(d))) {
    hn::StoreU(hn::Mul(f, hn::LoadU(d, x + i)), d, x + i);
  }
}

/// The running state of the online softmax for all rows of a problem.
struct Online {
  Online(i64 rows, i64 padded)
      : outputs(static_cast<std::size_t>(rows * padded)),
        maximum(static_cast<std::size_t>(rows), -std::numeric_limits<float>::infinity()),
        sum(static_cast<std::size_t>(rows)) {}
  Floats outputs;       ///< [rows, padded], not yet divided by `sum`
  Floats maximum, sum;  ///< [rows]; maxima in powers of two
};

/// Folds the scores of one row into its running state: they become weights.
HWY_INLINE void fold(float* scores, Bounds seen, i64 padded_keys, i64 row, i64 padded,
                     Online& online) {
  const float before = online.maximum[row];
  const float top = std::max(before, max_of_row(scores + seen.begin, seen.end - seen.begin));
  if (top > before) {
    const float correction = std::exp2(before - top);
    scale_row(correction, &online.outputs[row * padded], padded);
    online.sum[row] *= correction;
    online.maximum[row] = top;
  }
  online.sum[row] += exponentials(scores, seen, padded_keys, top);
}

/// to[head] += sum_j weights[j] values[j], formed in `partial` [head].
void add_weighted_values(const float* weights, const float* values, i64 count, i64 head,
                         float* partial, float* to) {
  const D d;
  const i64 lanes = static_cast<i64>(hn::Lanes(d)), whole = head / lanes * lanes;
  std::fill_n(partial, head, 0.0f);
  for (i64 j = 0; j < count; ++j) {
    const float* value = values + j * head;
    const V w = hn::Set(d, weights[j]);
    for (i64 i = 0; i < whole; i += lanes) {
      hn::StoreU(hn::MulAdd(w, hn::LoadU(d, value + i), hn::LoadU(d, partial + i)), d, partial + i);
    }
    for (i64 i = whole; i < head; ++i) partial[i] += weights[j] * value[i];
  }
  for (i64 i = 0; i < head; ++i) to[i] += partial[i];
}

/// Too few rows to pay for packing (decoding): dot products with the keys where they lie.
i64 forward_directly(const Problem& problem, MutableMatrix out, float* lse) {
  const D d;
  const i64 head = problem.head_dim, lanes = static_cast<i64>(hn::Lanes(d));
  const i64 whole = head / lanes * lanes;
  const auto parts = parts_of(problem, {});
  std::array<Floats, 2> queries;
  for (std::size_t n = 0; n < parts.size(); ++n) {
    if (parts[n].keys.count == 0) continue;
    queries[n] = scaled_queries(parts[n].queries, problem.rows * head, head);
  }
  Floats weights, partial(static_cast<std::size_t>(head));
  i64 pairs = 0;
  for (i64 row = 0; row < problem.rows; ++row) {
    weights.clear();
    std::array<Bounds, 2> seen{};
    for (std::size_t n = 0; n < parts.size(); ++n) {
      if (parts[n].keys.count == 0) continue;
      seen[n] = parts[n].seen(problem, problem.position + row);
      const float* q = &queries[n][row * head];
      for (i64 j = seen[n].begin; j < seen[n].end; ++j) {
        const float* key = parts[n].keys.keys + j * head;
        V sum = hn::Zero(d);
        for (i64 i = 0; i < whole; i += lanes) {
          sum = hn::MulAdd(hn::LoadU(d, q + i), hn::LoadU(d, key + i), sum);
        }
        float score = hn::GetLane(hn::SumOfLanes(d, sum));
        for (i64 i = whole; i < head; ++i) score += q[i] * key[i];
        weights.push_back(score);
      }
    }
    const i64 count = static_cast<i64>(weights.size());
    pairs += count;
    const float top = max_of_row(weights.data(), count);
    weights.resize(static_cast<std::size_t>(round_up(count, lanes)));
    // Sums over many keys go by blocks: one running float32 sum of 100,000 weights is off by 1e-4.
    double total = 0;
    for (i64 j = 0; j < count; j += kKeyTile) {
      const i64 block = std::min(kKeyTile, count - j);
      total += exponentials(&weights[j], {0, block}, round_up(block, lanes), top);
    }
    float* to = out.data + row * out.stride;
    std::fill_n(to, head, 0.0f);
    const float* weight = weights.data();
    for (std::size_t n = 0; n < parts.size(); ++n) {
      for (i64 j = seen[n].begin; j < seen[n].end; j += kKeyTile) {
        const i64 block = std::min(kKeyTile, seen[n].end - j);
        add_weighted_values(weight, parts[n].keys.values + j * head, block, head, partial.data(),
                            to);
        weight += block;
      }
    }
    for (i64 i = 0; i < head; ++i) to[i] = static_cast<float>(to[i] / total);
    if (lse != nullptr) lse[row] = kLn2 * top + static_cast<float>(std::log(total));
  }
  return pairs;
}

i64 Forward(const Problem& problem, MutableMatrix out, float* lse) {
  if (problem.rows < kTileRows) return forward_directly(problem, out, lse);
  const i64 head = problem.head_dim, width = panel_width(), padded = round_up(head, width);
  Floats key_panels(static_cast<std::size_t>(kKeyTile * head));
  Floats value_panels(static_cast<std::size_t>(kKeyTile * padded));
  Floats scores(static_cast<std::size_t>(kTileRows * kKeyTile));
  Online online(problem.rows, padded);
  i64 pairs = 0;
  for (const Part& part : parts_of(problem, {})) {
    if (part.keys.count == 0) continue;
    const Floats queries = scaled_queries(part.queries, problem.rows * head, head);
    const Bounds all = part.seen_by_any(problem, 0, problem.rows, 0, part.keys.count);
    for (i64 key = all.begin; key < all.end; key += kKeyTile) {
      const i64 keys = std::min(kKeyTile, all.end - key);
      pack_rows(part.keys.keys + key * head, keys, head, head, key_panels.data());
      pack_columns(part.keys.values + key * head, keys, head, head, value_panels.data());
      for (i64 row = 0; row < problem.rows; row += kTileRows) {
        const i64 rows = std::min(kTileRows, problem.rows - row);
        const Bounds any = part.seen_by_any(problem, row, rows, key, key + keys);
        if (any.empty()) continue;
        const i64 first = (any.begin - key) / width * width;
        const i64 last = round_up(any.end - key, width);
        for (i64 c = first; c < last; c += width) {
          tile_rows(rows, head, &queries[row * head], head, 1, &key_panels[c * head],
                    &scores[c - first], kKeyTile, false);
        }
        for (i64 r = 0; r < rows; ++r) {
          const Bounds seen = part.seen(problem, problem.position + row + r);
          const Bounds own{std::clamp(seen.begin - key - first, i64{0}, last - first),
                           std::clamp(seen.end - key - first, i64{0}, last - first)};
          if (own.empty()) {
            std::fill_n(&scores[r * kKeyTile], last - first, 0.0f);
            continue;
          }
          fold(&scores[r * kKeyTile], own, last - first, row + r, padded, online);
          pairs += own.end - own.begin;
        }
        const i64 depth = std::min(last, keys) - first;  // the last panel may be padded
        for (i64 c = 0; c < head; c += width) {
          tile_rows(rows, depth, scores.data(), kKeyTile, 1,
                    &value_panels[c * keys + first * width], &online.outputs[row * padded + c],
                    padded, true);
        }
      }
    }
  }
  for (i64 row = 0; row < problem.rows; ++row) {
    const float* from = &online.outputs[row * padded];
    const float inverse = 1 / online.sum[row];
    float* to = out.data + row * out.stride;
    for (i64 i = 0; i < head; ++i) to[i] = from[i] * inverse;
    if (lse != nullptr) lse[row] = kLn2 * online.maximum[row] + std::log(online.sum[row]);
  }
  return pairs;
}

/// Scratch of one (queries, keys) tile.
struct GradTile {
  explicit GradTile(i64 head, i64 padded)
      : keys_by_row(static_cast<std::size_t>(kGradKeys * head)),
        values_by_row(keys_by_row.size()),
        keys_by_column(static_cast<std::size_t>(kGradKeys * padded)),
        weights(static_cast<std::size_t>(kGradRows * kGradKeys)),
        d_scores(weights.size()),
        d_keys(keys_by_column.size()),
        d_values(keys_by_column.size()),
        query_panels(static_cast<std::size_t>(kGradRows * padded)),
        d_out_panels(query_panels.size()) {}
  Floats keys_by_row, values_by_row;  ///< transposed panels: for S and dP
  Floats keys_by_column;              ///< for dQ
  Floats weights, d_scores;           ///< P and dS, [kGradRows, kGradKeys]
  Floats d_keys, d_values;            ///< [kGradKeys, padded]
  Floats query_panels, d_out_panels;  ///< [kGradRows, padded]: for the sums over queries
};

/// to[rows, head] += factor * from[rows, padded]
void add_rows(const float* from, i64 rows, i64 head, i64 padded, float factor, float* to) {
  for (i64 r = 0; r < rows; ++r) {
    for (i64 i = 0; i < head; ++i) to[r * head + i] += factor * from[r * padded + i];
  }
}

/// P and dS of rows [row, row + rows) against the packed keys [key, key + keys).
void weights_and_d_scores(const Problem& problem, const Part& part, const float* queries,
                          const float* lse, const float* delta, Matrix d_out, i64 row, i64 rows,
                          i64 key, i64 keys, GradTile& at) {
  const D d;
  const i64 head = problem.head_dim, width = panel_width(), lanes = static_cast<i64>(hn::Lanes(d));
  const i64 padded_keys = round_up(keys, width);
  for (i64 r = 0; r < rows; r += kTileRows) {
    const i64 count = std::min(kTileRows, rows - r);
    for (i64 c = 0; c < padded_keys; c += width) {
      tile_rows(count, head, queries + (row + r) * head, head, 1, &at.keys_by_row[c * head],
                &at.weights[r * kGradKeys + c], kGradKeys, false);
      tile_rows(count, head, d_out.data + (row + r) * d_out.stride, d_out.stride, 1,
                &at.values_by_row[c * head], &at.d_scores[r * kGradKeys + c], kGradKeys, false);
    }
    for (i64 i = r; i < r + count; ++i) {
      const Bounds seen = part.seen(problem, problem.position + row + i);
      const Bounds own{std::clamp(seen.begin - key, i64{0}, keys),
                       std::clamp(seen.end - key, i64{0}, keys)};
      float* p = &at.weights[i * kGradKeys];
      float* ds = &at.d_scores[i * kGradKeys];
      if (own.empty()) {
        std::fill_n(p, padded_keys, 0.0f);
        std::fill_n(ds, padded_keys, 0.0f);
        continue;
      }
      exponentials(p, own, padded_keys, kLog2E * lse[row + i]);
      const V minus = hn::Set(d, delta[row + i]);
      for (i64 j = 0; j < padded_keys; j += lanes) {
        const V slope = hn::Sub(hn::LoadU(d, ds + j), minus);
        hn::StoreU(hn::Mul(hn::LoadU(d, p + j), slope), d, ds + j);
      }
    }
  }
}

/// c[keys, padded] += a^T panels, a [rows, keys] with rows kGradKeys apart.
void add_transposed_product(const float* a, i64 rows, i64 keys, const Floats& panels, i64 head,
                            i64 padded, Floats& c) {
  const i64 width = panel_width();
  for (i64 k = 0; k < keys; k += kTileRows) {
    for (i64 column = 0; column < head; column += width) {
      tile_rows(std::min(kTileRows, keys - k), rows, a + k, 1, kGradKeys, &panels[column * rows],
                &c[k * padded + column], padded, true);
    }
  }
}

void Backward(const Problem& problem, Matrix out, const float* lse, Matrix d_out,
              const ProblemGrad& grad) {
  const i64 head = problem.head_dim, width = panel_width(), padded = round_up(head, width);
  const float inverse_root = 1 / std::sqrt(static_cast<float>(head));
  Floats delta(static_cast<std::size_t>(problem.rows));  // sum_j P_j dP_j = dO . O
  for (i64 row = 0; row < problem.rows; ++row) {
    for (i64 i = 0; i < head; ++i) {
      delta[row] += out.data[row * out.stride + i] * d_out.data[row * d_out.stride + i];
    }
  }
  GradTile at(head, padded);
  for (const Part& part : parts_of(problem, grad)) {
    if (part.keys.count == 0) continue;
    const Floats queries = scaled_queries(part.queries, problem.rows * head, head);
    Floats d_queries(static_cast<std::size_t>(problem.rows * padded));
    const Bounds all = part.seen_by_any(problem, 0, problem.rows, 0, part.keys.count);
    for (i64 key = all.begin; key < all.end; key += kGradKeys) {
      const i64 keys = std::min(kGradKeys, all.end - key);
      pack_rows(part.keys.keys + key * head, keys, head, head, at.keys_by_row.data());
      pack_rows(part.keys.values + key * head, keys, head, head, at.values_by_row.data());
      pack_columns(part.keys.keys + key * head, keys, head, head, at.keys_by_column.data());
      std::fill(at.d_keys.begin(), at.d_keys.end(), 0.0f);
      std::fill(at.d_values.begin(), at.d_values.end(), 0.0f);
      for (i64 row = 0; row < problem.rows; row += kGradRows) {
        const i64 rows = std::min(kGradRows, problem.rows - row);
        if (part.seen_by_any(problem, row, rows, key, key + keys).empty()) continue;
        weights_and_d_scores(problem, part, queries.data(), lse, delta.data(), d_out, row, rows,
                             key, keys, at);
        for (i64 r = 0; r < rows; r += kTileRows) {
          for (i64 c = 0; c < head; c += width) {
            tile_rows(std::min(kTileRows, rows - r), keys, &at.d_scores[r * kGradKeys], kGradKeys,
                      1, &at.keys_by_column[c * keys], &d_queries[(row + r) * padded + c], padded,
                      true);
          }
        }
        pack_columns(part.queries + row * head, rows, head, head, at.query_panels.data());
        pack_columns(d_out.data + row * d_out.stride, rows, head, d_out.stride,
                     at.d_out_panels.data());
        add_transposed_product(at.d_scores.data(), rows, keys, at.query_panels, head, padded,
                               at.d_keys);
        add_transposed_product(at.weights.data(), rows, keys, at.d_out_panels, head, padded,
                               at.d_values);
      }
      add_rows(at.d_keys.data(), keys, head, padded, inverse_root, part.d_keys + key * head);
      add_rows(at.d_values.data(), keys, head, padded, 1, part.d_values + key * head);
    }
    add_rows(d_queries.data(), problem.rows, head, padded, inverse_root, part.d_queries);
  }
}

}  // namespace longreach::attention::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longreach::attention::kernels {

HWY_EXPORT(Forward);
HWY_EXPORT(Backward);

i64 forward(const Problem& problem, MutableMatrix out, float* lse) {
  return HWY_DYNAMIC_DISPATCH(Forward)(problem, out, lse);
}
void backward(const Problem& problem, Matrix out, const float* lse, Matrix d_out,
              const ProblemGrad& grad) {
  HWY_DYNAMIC_DISPATCH(Backward)(problem, out, lse, d_out, grad);
}

}  // namespace longreach::attention::kernels
#endif
