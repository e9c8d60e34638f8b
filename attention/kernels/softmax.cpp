// Tiled causal softmax attention: small matrix products by BLAS, rows by Highway.
#include "attention/kernels/softmax.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/vector_math.h"

namespace longreach::attention::kernels {
namespace {

constexpr i64 kQueryTile = 64, kKeyTile = 128;

/// One of the two ranges of keys a query sees, and who sees what of it.
struct Part {
  KeyRange keys;
  const float* queries;
  float* d_queries;
  float* d_keys;
  float* d_values;
  bool sinks;
};

/// The keys of `part`, as indices into it, that the query at position t sees.
struct Bounds {
  i64 begin, end;
};
Bounds bounds(const Problem& problem, const Part& part, i64 t) {
  const i64 lowest = part.sinks ? 0 : t - problem.window + 1;
  const i64 highest = part.sinks ? t - problem.window : t;
  return {std::clamp<i64>(lowest - part.keys.first, 0, part.keys.count),
          std::clamp<i64>(highest + 1 - part.keys.first, 0, part.keys.count)};
}

std::array<Part, 2> parts(const Problem& problem, const ProblemGrad& grad) {
  return {Part{problem.recent, problem.queries, grad.queries, grad.recent_keys, grad.recent_values,
               false},
          Part{problem.sinks, problem.sink_queries, grad.sink_queries, grad.sink_keys,
               grad.sink_values, true}};
}

/// Calls body(part, first row, rows, first key, keys) for every tile that any of its rows sees.
template <class Body>
void for_each_tile(const Problem& problem, const ProblemGrad& grad, i64 row, i64 rows,
                   const Body& body) {
  for (const Part& part : parts(problem, grad)) {
    if (part.keys.count == 0) continue;
    const i64 begin = bounds(problem, part, problem.position + row).begin;
    const i64 end = bounds(problem, part, problem.position + row + rows - 1).end;
    for (i64 key = begin; key < end; key += kKeyTile) {
      body(part, key, std::min(kKeyTile, end - key));
    }
  }
}

/// Scores of a tile, scaled by 1 / sqrt(D).
void score(const Problem& problem, const Part& part, i64 row, i64 rows, i64 key, i64 keys,
           float* scores) {
  const i64 d = problem.head_dim;
  multiply_nt(Matrix(part.queries + row * d, rows, d), Matrix(part.keys.keys + key * d, keys, d),
              MutableMatrix(scores, rows, keys), Into::overwrite,
              1 / std::sqrt(static_cast<float>(d)));
}

/// The columns of a tile that a row sees.
Bounds visible(const Problem& problem, const Part& part, i64 row, i64 key, i64 keys) {
  const Bounds all = bounds(problem, part, problem.position + row);
  return {std::clamp<i64>(all.begin - key, 0, keys), std::clamp<i64>(all.end - key, 0, keys)};
}

void clear_outside(float* row, Bounds seen, i64 keys) {
  std::fill(row, row + seen.begin, 0.0f);
  std::fill(row + std::max(seen.begin, seen.end), row + keys, 0.0f);
}

}  // namespace

i64 forward(const Problem& problem, MutableMatrix out, float* lse) {
  const i64 d = problem.head_dim;
  i64 pairs = 0;
  alignas(64) std::array<float, kQueryTile * kKeyTile> scores;
  std::array<float, kQueryTile> maximum, sum;
  for (i64 row = 0; row < problem.rows; row += kQueryTile) {
    const i64 rows = std::min(kQueryTile, problem.rows - row);
    MutableMatrix block(out.data + row * out.stride, rows, d, out.stride);
    maximum.fill(-std::numeric_limits<float>::infinity());
    sum.fill(0);
    for (i64 r = 0; r < rows; ++r) std::fill_n(block.data + r * block.stride, d, 0.0f);
    for_each_tile(problem, {}, row, rows, [&](const Part& part, i64 key, i64 keys) {
      score(problem, part, row, rows, key, keys, scores.data());
      for (i64 r = 0; r < rows; ++r) {
        float* weights = scores.data() + r * keys;
        const Bounds seen = visible(problem, part, row + r, key, keys);
        clear_outside(weights, seen, keys);
        const i64 count = seen.end - seen.begin;
        if (count <= 0) continue;
        pairs += count;
        const float top = std::max(maximum[r], max_of(weights + seen.begin, count));
        const float correction = std::exp(maximum[r] - top);
        if (correction != 1) scale(correction, block.data + r * block.stride, d);
        sum[r] = sum[r] * correction + exp_shifted(weights + seen.begin, count, top);
        maximum[r] = top;
      }
      multiply(Matrix(scores.data(), rows, keys), Matrix(part.keys.values + key * d, keys, d),
               block, Into::add);
    });
    for (i64 r = 0; r < rows; ++r) {
      scale(1 / sum[r], block.data + r * block.stride, d);
      if (lse != nullptr) lse[row + r] = maximum[r] + std::log(sum[r]);
    }
  }
  return pairs;
}

void backward(const Problem& problem, Matrix out, const float* lse, Matrix d_out,
              const ProblemGrad& grad) {
  const i64 d = problem.head_dim;
  const float inverse_root = 1 / std::sqrt(static_cast<float>(d));
  alignas(64) std::array<float, kQueryTile * kKeyTile> weights, d_scores;
  std::array<float, kQueryTile> delta;  // sum_j P_j dP_j = dO . O
  for (i64 row = 0; row < problem.rows; row += kQueryTile) {
    const i64 rows = std::min(kQueryTile, problem.rows - row);
    const Matrix d_block(d_out.data + row * d_out.stride, rows, d, d_out.stride);
    for (i64 r = 0; r < rows; ++r) {
      delta[r] = dot(out.data + (row + r) * out.stride, d_block.data + r * d_block.stride, d);
    }
    for_each_tile(problem, grad, row, rows, [&](const Part& part, i64 key, i64 keys) {
      score(problem, part, row, rows, key, keys, weights.data());
      const Matrix values(part.keys.values + key * d, keys, d);
      multiply_nt(d_block, values, MutableMatrix(d_scores.data(), rows, keys), Into::overwrite);
      for (i64 r = 0; r < rows; ++r) {
        float* p = weights.data() + r * keys;
        float* ds = d_scores.data() + r * keys;
        const Bounds seen = visible(problem, part, row + r, key, keys);
        clear_outside(p, seen, keys);
        clear_outside(ds, seen, keys);
        if (seen.end <= seen.begin) continue;
        exp_shifted(p + seen.begin, seen.end - seen.begin, lse[row + r]);
        for (i64 j = seen.begin; j < seen.end; ++j) ds[j] = p[j] * (ds[j] - delta[r]);
      }
      const Matrix p(weights.data(), rows, keys), ds(d_scores.data(), rows, keys);
      multiply(ds, Matrix(part.keys.keys + key * d, keys, d),
               MutableMatrix(part.d_queries + row * d, rows, d), Into::add, inverse_root);
      multiply_tn(ds, Matrix(part.queries + row * d, rows, d),
                  MutableMatrix(part.d_keys + key * d, keys, d), Into::add, inverse_root);
      multiply_tn(p, d_block, MutableMatrix(part.d_values + key * d, keys, d), Into::add);
    });
  }
}

}  // namespace longreach::attention::kernels
