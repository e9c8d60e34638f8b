// The reference of hierarchical memories in float64.
#include <cmath>

#include "attention/fenwick.h"
#include "attention/reference_memory.h"

namespace longreach::attention {

/// Every level as a memory of its own, merged as binary counting says.
std::vector<double> reference_hierarchical(const Shape& shape, i64 segment, i64 levels,
                                           std::span<const double> bias, const ReferenceStream& in,
                                           const Rope& rope, const FeatureMap& sigma) {
  const i64 d = shape.head_dim, n = segment, count = levels + 1;
  const Fenwick tree{levels};
  std::vector<double> out(in.q.size(), 0.0);
  for (i64 h = 0; h < shape.query_heads; ++h) {
    const i64 kv = h / shape.group();
    const Memory64 empty(sigma, d);
    std::vector<Memory64> memories(static_cast<std::size_t>(levels), empty);
    for (i64 begin = 0; begin < in.tokens; begin += n) {
      const i64 segments = begin / n, end = std::min(begin + n, in.tokens);
      for (i64 t = begin; t < end; ++t) {
        const Row q = row(in.q, t, shape.query_heads, h, d);
        std::vector<Row> values{local_softmax(shape, in, rope, h, begin, t)};
        std::vector<double> weights;
        double total = 0;
        for (i64 c = 0; c < count; ++c) {
          if (c > 0 && !tree.holds(segments, c - 1)) continue;
          if (c > 0) values.push_back(memories[c - 1].read(q));
          const double projected =
              in.projected.empty() ? 0 : in.projected[(t * shape.query_heads + h) * count + c];
          weights.push_back(std::exp(bias[h * count + c] + projected));
          total += weights.back();
        }
        for (std::size_t c = 0; c < values.size(); ++c) {
          for (i64 i = 0; i < d; ++i) {
            out[(t * shape.query_heads + h) * d + i] += weights[c] / total * values[c][i];
          }
        }
      }
      if (end - begin < n) break;  // an open segment is not written
      i64 level = 0;               // the first that is free, or the last
      while (level < levels - 1 && tree.holds(segments, level)) ++level;
      for (i64 t = begin; t < end; ++t) {
        memories[level].add(row(in.k, t, shape.kv_heads, kv, d),
                            row(in.v, t, shape.kv_heads, kv, d), in.repeat(end - 1));
      }
      for (i64 i = 0; i < level; ++i) {
        memories[level].add(memories[i]);
        memories[i] = empty;
      }
    }
  }
  return out;
}

}  // namespace longreach::attention
