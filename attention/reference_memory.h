// What float64 references of segment-wise backends are made of: rows, the memory, the local
// softmax.
#pragma once

#include <algorithm>
#include <cmath>

#include "attention/reference.h"

namespace longreach::attention {

using Row = std::vector<double>;

inline Row row(const std::vector<double>& all, i64 t, i64 heads, i64 head, i64 d) {
  const auto first = all.begin() + (t * heads + head) * d;
  return {first, first + d};
}

inline double product(const Row& a, const Row& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

struct Memory64 {
  Memory64(const FeatureMap& map, i64 d)
      : sigma(&map),
        matrix(static_cast<std::size_t>(map.size()), Row(static_cast<std::size_t>(d), 0.0)),
        normalizer(static_cast<std::size_t>(map.size()), 0.0) {}

  /// (7) sigma(x) M / (sigma(x) z).
  Row read(const Row& x) const {
    const Row features = sigma->map64(x);
    Row out(x.size(), 0.0);
    for (std::size_t i = 0; i < features.size(); ++i) {
      for (std::size_t j = 0; j < x.size(); ++j) out[j] += features[i] * matrix[i][j];
    }
    for (double& value : out) value /= product(features, normalizer);
    return out;
  }

  /// (8): M += sigma(k)^T value, z += sigma(k), each so many times over.
  void add(const Row& key, const Row& value, double times) {
    const Row features = sigma->map64(key);
    for (std::size_t i = 0; i < features.size(); ++i) {
      normalizer[i] += times * features[i];
      for (std::size_t j = 0; j < key.size(); ++j) matrix[i][j] += times * features[i] * value[j];
    }
  }

  void add(const Memory64& other) {
    for (std::size_t i = 0; i < normalizer.size(); ++i) {
      normalizer[i] += other.normalizer[i];
      for (std::size_t j = 0; j < matrix[i].size(); ++j) matrix[i][j] += other.matrix[i][j];
    }
  }

  const FeatureMap* sigma;
  std::vector<Row> matrix;
  Row normalizer;
};

/// (6): softmax over the keys of the segment that begins at `begin`, up to the query's own.
inline Row local_softmax(const Shape& shape, const ReferenceStream& in, const Rope& rope, i64 h,
                         i64 begin, i64 t) {
  const i64 d = shape.head_dim, kv = h / shape.group();
  Row query(d), key(d), weights, out(d, 0.0);
  rope.turn64(t, row(in.q, t, shape.query_heads, h, d).data(), query.data());
  for (i64 j = begin; j <= t; ++j) {
    rope.turn64(j, row(in.k, j, shape.kv_heads, kv, d).data(), key.data());
    weights.push_back(product(query, key) / std::sqrt(static_cast<double>(d)));
  }
  const double top = *std::max_element(weights.begin(), weights.end());
  double total = 0;
  for (double& weight : weights) total += weight = std::exp(weight - top);
  for (i64 j = begin; j <= t; ++j) {
    const Row value = row(in.v, j, shape.kv_heads, kv, d);
    for (i64 i = 0; i < d; ++i) out[i] += weights[j - begin] / total * value[i];
  }
  return out;
}

}  // namespace longreach::attention
