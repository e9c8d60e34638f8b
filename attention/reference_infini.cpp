// The Infini-attention reference in float64, one query head at a time.
#include <algorithm>
#include <cmath>

#include "attention/reference_memory.h"

namespace longreach::attention {

std::vector<double> reference_infini(const Shape& shape, const InfiniRule& rule,
                                     std::span<const double> gates, const ReferenceStream& in,
                                     const Rope& rope, const FeatureMap& sigma) {
  const i64 d = shape.head_dim, n = rule.segment;
  std::vector<double> out(in.q.size(), 0.0);
  for (i64 h = 0; h < shape.query_heads; ++h) {
    const i64 kv = h / shape.group();
    const double memory_share = 1 / (1 + std::exp(-gates[h]));
    const double local_share = 1 / (1 + std::exp(gates[h]));
    Memory64 memory(sigma, d);
    for (i64 begin = 0; begin < in.tokens; begin += n) {
      const i64 end = std::min(begin + n, in.tokens);
      const bool empty = begin == 0;
      for (i64 t = begin; t < end; ++t) {
        const Row dot = local_softmax(shape, in, rope, h, begin, t);
        const Row read = empty ? Row(d, 0.0) : memory.read(row(in.q, t, shape.query_heads, h, d));
        for (i64 i = 0; i < d; ++i) {  // (10)
          out[(t * shape.query_heads + h) * d + i] =
              empty && rule.bypass ? dot[i] : memory_share * read[i] + local_share * dot[i];
        }
      }
      if (end - begin < n) break;  // an open segment is not written
      Memory64 after = memory;
      for (i64 t = begin; t < end; ++t) {
        const Row key = row(in.k, t, shape.kv_heads, kv, d);
        Row value = row(in.v, t, shape.kv_heads, kv, d);
        if (rule.update == Update::delta && !empty) {  // (9), against the memory before the segment
          const Row known = memory.read(key);
          for (i64 i = 0; i < d; ++i) value[i] -= known[i];
        }
        after.add(key, value, in.repeat(end - 1));
      }
      memory = after;
    }
  }
  return out;
}

}  // namespace longreach::attention
