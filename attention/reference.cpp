// The softmax reference in float64.
#include "attention/reference.h"

#include <algorithm>
#include <cmath>

#include "core/half.h"

namespace longreach::attention {

double stored(double x, Element element) {
  if (element == Element::f32) return x;
  const float number = static_cast<float>(x);
  Half half = 0;
  narrow(&number, element, &half, 1);
  float back = 0;
  widen(&half, element, &back, 1);
  return static_cast<double>(back);
}

std::vector<double> reference_softmax(const Shape& shape, const ReferenceStream& in,
                                      const std::function<std::vector<ReferenceKey>(i64 t)>& seen,
                                      const Rope& rope) {
  const i64 d = shape.head_dim, heads = shape.query_heads, kv_heads = shape.kv_heads;
  // Most keys meet every query turned to their own place: those are turned once.
  std::vector<double> out(in.q.size(), 0.0), turned(in.k.size());
  for (i64 row = 0; row < in.tokens * kv_heads; ++row) {
    rope.turn64(row / kv_heads, &in.k[row * d], &turned[row * d]);
  }
#pragma omp parallel for schedule(dynamic, 16)
  for (i64 t = 0; t < in.tokens; ++t) {
    const std::vector<ReferenceKey> visible = seen(t);
    std::vector<double> query(d), key(d), scores(visible.size());
    for (i64 h = 0; h < heads; ++h) {
      const i64 kv = h / shape.group();
      i64 turned_to = -1;
      for (std::size_t n = 0; n < visible.size(); ++n) {
        const auto [index, query_position, key_position] = visible[n];
        if (query_position != turned_to) {
          rope.turn64(query_position, &in.q[(t * heads + h) * d], query.data());
          turned_to = query_position;
        }
        const double* row = &turned[(index * kv_heads + kv) * d];
        if (key_position != index) {
          rope.turn64(key_position, &in.k[(index * kv_heads + kv) * d], key.data());
          row = key.data();
        }
        double sum = 0;
        for (i64 i = 0; i < d; ++i) sum += query[i] * row[i];
        scores[n] = sum / std::sqrt(static_cast<double>(d));
      }
      const double top = *std::max_element(scores.begin(), scores.end());
      double total = 0;
      for (double& score : scores) total += score = std::exp(score - top);
      double* row = &out[(t * heads + h) * d];
      for (std::size_t n = 0; n < visible.size(); ++n) {
        const double* value = &in.v[(visible[n].index * kv_heads + kv) * d];
        for (i64 i = 0; i < d; ++i) row[i] += scores[n] / total * value[i];
      }
    }
  }
  return out;
}

}  // namespace longreach::attention
