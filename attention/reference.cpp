// The softmax reference in float64.
#include "attention/reference.h"

#include <algorithm>
#include <cmath>

namespace longreach::attention {

std::vector<double> reference_softmax(const Shape& shape, const ReferenceStream& in,
                                      const std::function<std::vector<ReferenceKey>(i64 t)>& seen,
                                      const Rope& rope) {
  const i64 d = shape.head_dim;
  std::vector<double> out(in.q.size(), 0.0), query(d), key(d);
  for (i64 t = 0; t < in.tokens; ++t) {
    const std::vector<ReferenceKey> visible = seen(t);
    for (i64 h = 0; h < shape.query_heads; ++h) {
      const i64 kv = h / shape.group();
      std::vector<double> scores;
      for (const ReferenceKey& seen_key : visible) {
        rope.turn64(seen_key.query_position, &in.q[(t * shape.query_heads + h) * d], query.data());
        rope.turn64(seen_key.key_position, &in.k[(seen_key.index * shape.kv_heads + kv) * d],
                    key.data());
        double sum = 0;
        for (i64 i = 0; i < d; ++i) sum += query[i] * key[i];
        scores.push_back(sum / std::sqrt(static_cast<double>(d)));
      }
      const double top = *std::max_element(scores.begin(), scores.end());
      double total = 0;
      for (double& score : scores) total += score = std::exp(score - top);
      for (std::size_t n = 0; n < visible.size(); ++n) {
        const double* value = &in.v[(visible[n].index * shape.kv_heads + kv) * d];
        double* row = &out[(t * shape.query_heads + h) * d];
        for (i64 i = 0; i < d; ++i) row[i] += scores[n] / total * value[i];
      }
    }
  }
  return out;
}

}  // namespace longreach::attention
