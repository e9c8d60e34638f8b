// The tiled backward pass, compiled once for each instruction set.
//
// For a tile of keys and a block of queries, P is made again from the log-sum-exp,
// dS = P (dP - delta), and five products of the same register tile follow. Keys packed for the
// scores carry the factor log2(e) / sqrt(D), so that the exponential is 2^x.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attention/kernels/backward.cpp"
#include <hwy/foreach_target.h>
//
#include <cmath>

#include "attention/kernels/weights-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longreach::attention::kernels::HWY_NAMESPACE {

constexpr i64 kGradKeys = 192;  ///< keys packed at a time
constexpr i64 kGradRows = 96;   ///< queries that meet them

/// Scratch of one (queries, keys) tile.
struct GradTile {
  GradTile(i64 head, i64 padded)
      : keys_by_row(static_cast<std::size_t>(kGradKeys * head)),
        values_by_row(keys_by_row.size()),
        keys_by_column(static_cast<std::size_t>(kGradKeys * padded)),
        weights(static_cast<std::size_t>(kGradRows * kGradKeys)),
        d_scores(weights.size()),
        d_keys(keys_by_column.size()),
        d_values(keys_by_column.size()),
        query_panels(static_cast<std::size_t>(kGradRows * padded)),
        d_out_panels(query_panels.size()) {}

  void pack(const Part& part, i64 first_key, i64 keys_in, i64 head) {
    key = first_key;
    keys = keys_in;
    const float factor = kLog2E / std::sqrt(static_cast<float>(head));
    const Element element = part.keys.element;
    const void* k = Part::row(part.keys.keys, element, key, head);
    const void* v = Part::row(part.keys.values, element, key, head);
    with_element(element, [&](auto kind) HWY_ATTR {
      pack_rows<kind>(k, keys, head, head, factor, keys_by_row.data());
      pack_rows<kind>(v, keys, head, head, 1, values_by_row.data());
      pack_columns<kind>(k, keys, head, head, keys_by_column.data());
    });
    std::fill(d_keys.begin(), d_keys.end(), 0.0f);
    std::fill(d_values.begin(), d_values.end(), 0.0f);
  }

  Scratch keys_by_row, values_by_row;  ///< transposed panels: for S and dP
  Scratch keys_by_column;              ///< for dQ
  Scratch weights, d_scores;           ///< P and dS, [kGradRows, kGradKeys]
  Floats d_keys, d_values;             ///< [kGradKeys, padded]
  Scratch query_panels, d_out_panels;  ///< [kGradRows, padded]: for the sums over queries
  i64 key = 0, keys = 0;
};

/// to[rows, head] += factor * from[rows, padded]
void add_rows(const float* from, i64 rows, i64 head, i64 padded, float factor, float* to,
              i64 stride) {
  for (i64 r = 0; r < rows; ++r) {
    for (i64 i = 0; i < head; ++i) to[r * stride + i] += factor * from[r * padded + i];
  }
}

/// P and dS of rows [row, row + rows) of head g against the packed keys.
void weights_and_d_scores(const Problem& problem, const Part& part, View<const float, 2> lse,
                          const float* delta, View<const float, 3> d_out, i64 g, i64 row, i64 rows,
                          GradTile& at) {
  const D d;
  const i64 head = problem.head_dim(), width = panel_width();
  const i64 padded_keys = round_up(at.keys, width), lanes = static_cast<i64>(hn::Lanes(d));
  for (i64 r = 0; r < rows; r += kTileRows) {
    const i64 count = std::min(kTileRows, rows - r);
    const Bounds any =
        part.seen_by_any(problem, row + r, count, at.key, at.key + at.keys).within(at.key, at.keys);
    // Panels that none of the rows sees hold zeros for the sums over queries.
    const i64 first = any.empty() ? padded_keys : any.begin / width * width;
    const i64 last = any.empty() ? padded_keys : round_up(any.end, width);
    for (i64 c = first; c < last; c += width) {
      tile_rows(count, head, part.queries.row(g, row + r).data(), part.queries.stride(1), 1,
                &at.keys_by_row[c * head], &at.weights[r * kGradKeys + c], kGradKeys, false);
      tile_rows(count, head, d_out.row(g, row + r).data(), d_out.stride(1), 1,
                &at.values_by_row[c * head], &at.d_scores[r * kGradKeys + c], kGradKeys, false);
    }
    for (i64 i = r; i < r + count; ++i) {
      const Bounds own = part.seen(problem, problem.position + row + i).within(at.key, at.keys);
      float* p = &at.weights[i * kGradKeys];
      float* ds = &at.d_scores[i * kGradKeys];
      const i64 begin = own.empty() ? padded_keys : first, end = own.empty() ? padded_keys : last;
      std::fill(p, p + begin, 0.0f);
      std::fill(ds, ds + begin, 0.0f);
      std::fill(p + end, p + padded_keys, 0.0f);
      std::fill(ds + end, ds + padded_keys, 0.0f);
      if (own.empty()) continue;
      const Bounds seen = own.within(first, last - first);
      hide(p + first, seen, last - first, kHidden);
      exponentials(p + first, seen, last - first, kLog2E * lse(g, row + i));
      const V minus = hn::Set(d, delta[row + i]);
      for (i64 j = first; j < last; j += lanes) {
        const V slope = hn::Sub(hn::LoadU(d, ds + j), minus);
        hn::StoreU(hn::Mul(hn::LoadU(d, p + j), slope), d, ds + j);
      }
    }
  }
}

/// c[keys, padded] += a^T panels for rows [row, row + rows) of a, kGradKeys apart: for each tile of
/// keys over the rows that see any of them.
void add_transposed_product(const Problem& problem, const Part& part, const GradTile& at,
                            const Scratch& a, i64 row, i64 rows, const Scratch& panels, i64 padded,
                            Floats& c) {
  const i64 head = problem.head_dim(), width = panel_width();
  for (i64 k = 0; k < at.keys; k += kTileRows) {
    const i64 count = std::min(kTileRows, at.keys - k);
    const Bounds own =
        part.seeing(problem, problem.rows(), at.key + k, at.key + k + count).within(row, rows);
    if (own.empty()) continue;
    for (i64 column = 0; column < head; column += width) {
      tile_rows(count, own.end - own.begin, &a[own.begin * kGradKeys + k], 1, kGradKeys,
                &panels[column * rows + own.begin * width], &c[k * padded + column], padded, true);
    }
  }
}

/// What rows [row, row + rows) of head g add to the gradients of the packed keys and of their own.
void meet_backward(const Problem& problem, const Part& part, View<const float, 2> lse,
                   const float* delta, View<const float, 3> d_out, i64 g, i64 row, i64 rows,
                   i64 padded, float* d_queries, GradTile& at) {
  const i64 head = problem.head_dim(), width = panel_width();
  weights_and_d_scores(problem, part, lse, delta, d_out, g, row, rows, at);
  for (i64 r = 0; r < rows; r += kTileRows) {
    const i64 count = std::min(kTileRows, rows - r);
    const Bounds any =
        part.seen_by_any(problem, row + r, count, at.key, at.key + at.keys).within(at.key, at.keys);
    if (any.empty()) continue;
    for (i64 c = 0; c < head; c += width) {
      tile_rows(count, any.end - any.begin, &at.d_scores[r * kGradKeys + any.begin], kGradKeys, 1,
                &at.keys_by_column[c * at.keys + any.begin * width],
                &d_queries[(row + r) * padded + c], padded, true);
    }
  }
  pack_columns(part.queries.row(g, row).data(), rows, head, part.queries.stride(1),
               at.query_panels.data());
  pack_columns(d_out.row(g, row).data(), rows, head, d_out.stride(1), at.d_out_panels.data());
  add_transposed_product(problem, part, at, at.d_scores, row, rows, at.query_panels, padded,
                         at.d_keys);
  add_transposed_product(problem, part, at, at.weights, row, rows, at.d_out_panels, padded,
                         at.d_values);
}

/// dO beside one another, [G, T, D], and for each row sum_j P_j dP_j = dO . O.
struct Cotangent {
  Cotangent(View<const float, 3> out, View<const float, 3> d_out)
      : rows(static_cast<std::size_t>(d_out.extent(0) * d_out.extent(1) * d_out.extent(2))) {
    float* to = rows.data();
    for (i64 g = 0; g < d_out.extent(0); ++g) {
      const View<const float, 2> o = rows_of(out, g), from = rows_of(d_out, g);
      for (i64 row = 0; row < from.extent(0); ++row, to += from.extent(1)) {
        prefetch_ahead(o, row);
        prefetch_ahead(from, row);
        std::ranges::copy(from.row(row), to);
        delta.push_back(dot_of(o.row(row).data(), to, from.extent(1)));
      }
    }
  }
  static View<const float, 2> rows_of(const View<const float, 3>& x, i64 g) {
    return {x.row(g, 0).data(), {x.extent(1), x.extent(2)}, {x.stride(1), 1}};
  }
  Scratch rows, delta;
};

void Backward(const Problem& problem, View<const float, 3> out, View<const float, 2> lse,
              View<const float, 3> strided_d_out, const ProblemGrad& grad, KeyShare share) {
  const i64 head = problem.head_dim(), rows = problem.rows();
  const i64 padded = round_up(head, panel_width());
  const float inverse_root = 1 / std::sqrt(static_cast<float>(head));
  const Cotangent cotangent(out, strided_d_out);
  const View<const float, 3> d_out(cotangent.rows.data(), strided_d_out.extents());
  GradTile at(head, padded);
  for (const Part& part : parts_of(problem)) {
    if (part.keys.count == 0) continue;
    Floats d_queries(static_cast<std::size_t>(problem.heads() * rows * padded));
    const Bounds all = part.seen_by_any(problem, 0, rows, 0, part.keys.count);
    const i64 step = kGradKeys * share.every;
    for (i64 key = all.begin + kGradKeys * share.first; key < all.end; key += step) {
      at.pack(part, key, std::min(kGradKeys, all.end - key), head);
      for (i64 g = 0; g < problem.heads(); ++g) {
        for (i64 row = 0; row < rows; row += kGradRows) {
          const i64 count = std::min(kGradRows, rows - row);
          if (part.seen_by_any(problem, row, count, key, key + at.keys).empty()) continue;
          meet_backward(problem, part, lse, &cotangent.delta[g * rows], d_out, g, row, count,
                        padded, &d_queries[g * rows * padded], at);
        }
      }
      float* d_keys = part.sinks ? grad.sink_keys : grad.recent_keys;
      float* d_values = part.sinks ? grad.sink_values : grad.recent_values;
      add_rows(at.d_keys.data(), at.keys, head, padded, inverse_root, d_keys + key * head, head);
      add_rows(at.d_values.data(), at.keys, head, padded, 1, d_values + key * head, head);
    }
    const View<float, 3>& d_q = part.sinks ? grad.sink_queries : grad.queries;
    for (i64 g = 0; g < problem.heads(); ++g) {
      add_rows(&d_queries[g * rows * padded], rows, head, padded, inverse_root,
               d_q.row(g, 0).data(), d_q.stride(1));
    }
  }
}

}  // namespace longreach::attention::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longreach::attention::kernels {

HWY_EXPORT(Backward);

void backward(const Problem& problem, View<const float, 3> out, View<const float, 2> lse,
              View<const float, 3> d_out, const ProblemGrad& grad, KeyShare share) {
  HWY_DYNAMIC_DISPATCH(Backward)(problem, out, lse, d_out, grad, share);
}

}  // namespace longreach::attention::kernels
#endif
