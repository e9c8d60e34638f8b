// Attention over chosen blocks in float64, token by token.
#include <algorithm>
#include <cmath>

#include "attention/reference.h"
#include "core/half.h"

namespace longreach::attention {
namespace {

using Row = std::vector<double>;

/// Rows of x [T, heads, D] turned to their token's place.
Row turned(const Row& x, i64 heads, i64 d, const Rope& rope) {
  Row out(x.size());
  for (i64 row = 0; row < std::ssize(x) / d; ++row) {
    rope.turn64(row / heads, &x[row * d], &out[row * d]);
  }
  return out;
}

double product(const double* a, const double* b, i64 n) {
  double sum = 0;
  for (i64 i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

/// Keys that a token sees, given the score of each block of the stream.
std::vector<i64> seen_keys(const BlockRule& rule, i64 t,
                           const std::function<double(i64 block)>& score) {
  const i64 own = t / rule.block;
  std::vector<std::pair<double, i64>> best;  // the highest score first, of equals the earlier block
  for (i64 block = rule.sinks; block < own - rule.local; ++block) {
    best.emplace_back(-score(block), block);
  }
  const i64 taken = std::min<i64>(rule.top, std::ssize(best));
  std::partial_sort(best.begin(), best.begin() + taken, best.end());
  std::vector<bool> sees(static_cast<std::size_t>(own + 1));
  for (i64 n = 0; n < taken; ++n) sees[best[n].second] = true;
  std::vector<i64> keys;
  for (i64 block = 0; block <= own; ++block) {
    if (!sees[block] && block >= rule.sinks && block < own - rule.local) continue;
    for (i64 j = block * rule.block; j <= std::min(t, (block + 1) * rule.block - 1); ++j) {
      keys.push_back(j);
    }
  }
  return keys;
}

/// out [D] = softmax(query . key / sqrt(D)) value over rows (j, kv) of keys and values; returns the
/// softmax.
Row attend(const Shape& shape, const double* query, const Row& keys, const Row& values, i64 kv,
           const std::vector<i64>& seen, double* out) {
  const i64 d = shape.head_dim;
  Row scores;
  for (const i64 j : seen) {
    scores.push_back(product(query, &keys[(j * shape.kv_heads + kv) * d], d) /
                     std::sqrt(static_cast<double>(d)));
  }
  const double top = *std::max_element(scores.begin(), scores.end());
  double total = 0;
  for (double& score : scores) total += score = std::exp(score - top);
  for (double& score : scores) score /= total;
  std::fill_n(out, d, 0.0);
  for (std::size_t n = 0; n < seen.size(); ++n) {
    const double* value = &values[(seen[n] * shape.kv_heads + kv) * d];
    for (i64 i = 0; i < d; ++i) out[i] += scores[n] * value[i];
  }
  return scores;
}

/// For each complete block and key/value head the mean, the maximum and the minimum of its keys in
/// each channel.
struct Summaries {
  Row mean, most, least;  // [blocks, Hkv, D]
};

Summaries summaries_of(const Shape& shape, const BlockTopKRule& rule, i64 tokens, const Row& keys) {
  const i64 row = shape.kv_heads * shape.head_dim, block = rule.blocks.block;
  Summaries all;
  for (i64 n = 0; n < tokens / block * row; ++n) {
    double sum = 0, most = -INFINITY, least = INFINITY;
    for (i64 j = 0; j < block; ++j) {
      const double key = stored(keys[(n / row * block + j) * row + n % row], rule.cache);
      sum += key;
      most = std::max(most, key);
      least = std::min(least, key);
    }
    all.mean.push_back(sum / static_cast<double>(block));
    all.most.push_back(most);
    all.least.push_back(least);
  }
  return all;
}

/// Each complete block's rows of x [T, Hkv, D], weighted by the softmax of the head's logits [Hkv,
/// block]: [blocks, Hkv, D].
Row pooled(const Shape& shape, i64 block, const Row& x, const double* logits) {
  const i64 d = shape.head_dim, row = shape.kv_heads * d, blocks = std::ssize(x) / row / block;
  Row out(static_cast<std::size_t>(blocks * row));
  for (i64 n = 0; n < blocks * row; ++n) {
    const double* own = logits + n % row / d * block;
    double sum = 0, weights = 0;
    for (i64 i = 0; i < block; ++i) {
      sum += std::exp(own[i]) * x[(n / row * block + i) * row + n % row];
      weights += std::exp(own[i]);
    }
    out[n] = sum / weights;
  }
  return out;
}

}  // namespace

std::vector<double> reference_block_topk(const Shape& shape, const BlockTopKRule& rule,
                                         const ReferenceStream& in, const Rope& rope) {
  const i64 d = shape.head_dim, group = shape.group();
  const Row queries = turned(in.q, shape.query_heads, d, rope);
  const Row keys = turned(in.k, shape.kv_heads, d, rope);
  const Summaries summaries = summaries_of(shape, rule, in.tokens, keys);
  Row out(in.q.size());
#pragma omp parallel for schedule(dynamic, 16)
  for (i64 t = 0; t < in.tokens; ++t) {
    for (i64 kv = 0; kv < shape.kv_heads; ++kv) {
      const double* q = &queries[(t * shape.query_heads + kv * group) * d];
      const auto score = [&](i64 block) {
        const i64 at = (block * shape.kv_heads + kv) * d;
        double sum = 0;
        for (i64 n = 0; n < group * d; ++n) {
          const i64 i = at + n % d;
          sum += rule.summary == Summary::mean
                     ? q[n] * summaries.mean[i]
                     : std::max(q[n] * summaries.most[i], q[n] * summaries.least[i]);
        }
        return sum;
      };
      const std::vector<i64> seen = seen_keys(rule.blocks, t, score);
      for (i64 g = 0; g < group; ++g) {
        const i64 to = (t * shape.query_heads + kv * group + g) * d;
        attend(shape, &queries[to], keys, in.v, kv, seen, &out[to]);
      }
    }
  }
  return out;
}

std::vector<double> reference_compress_select(const Shape& shape, const CompressSelectRule& rule,
                                              std::span<const double> weights,
                                              const ReferenceStream& in, const Rope& rope) {
  const i64 d = shape.head_dim, heads = shape.query_heads, group = shape.group();
  const double* biases = weights.data();
  const double* key_pool = biases + 3 * heads;
  const double* value_pool = key_pool + shape.kv_heads * rule.blocks.block;
  const Row queries = turned(in.q, heads, d, rope), keys = turned(in.k, shape.kv_heads, d, rope);
  const Row compressed_keys = pooled(shape, rule.blocks.block, keys, key_pool);
  const Row compressed_values = pooled(shape, rule.blocks.block, in.v, value_pool);
  Row out(in.q.size(), 0.0);
#pragma omp parallel for schedule(dynamic, 16)
  for (i64 t = 0; t < in.tokens; ++t) {
    std::vector<i64> earlier, window;
    for (i64 c = 0; c < t / rule.blocks.block; ++c) earlier.push_back(c);
    for (i64 j = std::max<i64>(0, t - rule.window + 1); j <= t; ++j) window.push_back(j);
    for (i64 kv = 0; kv < shape.kv_heads; ++kv) {
      Row total(earlier.size(), 0.0);  // of the weights of compressed keys, over the group
      std::vector<Row> branches(static_cast<std::size_t>(3 * group),
                                Row(static_cast<std::size_t>(d), 0.0));
      for (i64 g = 0; g < group; ++g) {
        const double* q = &queries[(t * heads + kv * group + g) * d];
        if (!earlier.empty()) {
          const Row shares = attend(shape, q, compressed_keys, compressed_values, kv, earlier,
                                    branches[3 * g].data());
          for (std::size_t c = 0; c < shares.size(); ++c) total[c] += shares[c];
        }
        attend(shape, q, keys, in.v, kv, window, branches[3 * g + 2].data());
      }
      const std::vector<i64> seen =
          seen_keys(rule.blocks, t, [&](i64 block) { return total[block]; });
      for (i64 g = 0; g < group; ++g) {
        const i64 h = kv * group + g, to = (t * heads + h) * d;
        attend(shape, &queries[to], keys, in.v, kv, seen, branches[3 * g + 1].data());
        for (i64 branch = 0; branch < 3; ++branch) {
          const i64 i = branch * heads + h;
          const double gate = 1 / (1 + std::exp(-(in.projected[t * 3 * heads + i] + biases[i])));
          for (i64 n = 0; n < d; ++n) out[to + n] += gate * branches[3 * g + branch][n];
        }
      }
    }
  }
  return out;
}

}  // namespace longreach::attention
