// The equations of the three mechanisms, written out in float64 with one loop per sign: the tests'
// own, independent of the backends and of their reference().
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

#include "attention/backend.h"
#include "attention/verify_run.h"

namespace longreach::attention::naive {

using Row = std::vector<double>;

struct Rope {
  double theta = 10000;
  bool interleaved = false;
  double factor = 1, length = 1;
};

/// Pair i turns by position / factor * theta^(-2i/D): (i, i + D/2) or, interleaved, (2i, 2i + 1).
/// The row becomes `length` times as long.
inline Row rotate(const Row& x, i64 position, const std::optional<Rope>& rope) {
  if (!rope) return x;
  const std::size_t d = x.size();
  Row y = x;
  for (std::size_t i = 0; i < d / 2; ++i) {
    const double angle =
        static_cast<double>(position) / rope->factor *
        std::pow(rope->theta, -2.0 * static_cast<double>(i) / static_cast<double>(d));
    const std::size_t a = rope->interleaved ? 2 * i : i;
    const std::size_t b = rope->interleaved ? 2 * i + 1 : i + d / 2;
    const double cosine = rope->length * std::cos(angle), sine = rope->length * std::sin(angle);
    y[a] = x[a] * cosine - x[b] * sine;
    y[b] = x[a] * sine + x[b] * cosine;
  }
  return y;
}

inline double dot(const Row& a, const Row& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// softmax(q k_j / sqrt(D)) v_j over the keys listed.
inline Row softmax_attend(const Row& q, const std::vector<Row>& keys,
                          const std::vector<Row>& values) {
  Row scores;
  double most = -1e300;
  for (const Row& k : keys) {
    scores.push_back(dot(q, k) / std::sqrt(static_cast<double>(q.size())));
    most = std::max(most, scores.back());
  }
  Row out(q.size(), 0.0);
  double total = 0;
  for (std::size_t j = 0; j < keys.size(); ++j) {
    const double weight = std::exp(scores[j] - most);
    total += weight;
    for (std::size_t d = 0; d < out.size(); ++d) out[d] += weight * values[j][d];
  }
  for (double& x : out) x /= total;
  return out;
}

/// One query head of one stream and the key/value head that it reads: head h reads
/// floor(h / (Hq / Hkv)).
struct Head {
  std::vector<Row> q, k, v;     ///< [T][D]
  double gate = 0;              ///< beta, before the sigmoid
  std::vector<double> repeats;  ///< [T], or empty: once each
};

/// Turns a head's function into one over whole streams: [T, Hq, D].
inline std::vector<double> per_head(const Shape& shape, const ReferenceStream& in,
                                    const std::vector<double>& weights,
                                    const std::function<std::vector<Row>(const Head&)>& attend) {
  const std::size_t hq = static_cast<std::size_t>(shape.query_heads);
  const std::size_t hkv = static_cast<std::size_t>(shape.kv_heads);
  const std::size_t d = static_cast<std::size_t>(shape.head_dim);
  const std::size_t tokens = static_cast<std::size_t>(in.tokens);
  std::vector<double> out(tokens * hq * d);
  for (std::size_t h = 0; h < hq; ++h) {
    const std::size_t g = h / (hq / hkv);
    Head head;
    if (!weights.empty()) head.gate = weights[h];
    head.repeats = in.repeats;
    for (std::size_t t = 0; t < tokens; ++t) {
      const auto row = [&](const std::vector<double>& x, std::size_t heads, std::size_t which) {
        const auto begin = x.begin() + static_cast<std::ptrdiff_t>((t * heads + which) * d);
        return Row(begin, begin + static_cast<std::ptrdiff_t>(d));
      };
      head.q.push_back(row(in.q, hq, h));
      head.k.push_back(row(in.k, hkv, g));
      head.v.push_back(row(in.v, hkv, g));
    }
    const std::vector<Row> attended = attend(head);
    for (std::size_t t = 0; t < tokens; ++t) {
      for (std::size_t i = 0; i < d; ++i) out[(t * hq + h) * d + i] = attended[t][i];
    }
  }
  return out;
}

/// o_t over all j <= t.
inline std::vector<Row> full(const Head& in, const std::optional<Rope>& rope) {
  std::vector<Row> keys, values, out;
  for (std::size_t t = 0; t < in.q.size(); ++t) {
    keys.push_back(rotate(in.k[t], static_cast<i64>(t), rope));
    values.push_back(in.v[t]);
    out.push_back(softmax_attend(rotate(in.q[t], static_cast<i64>(t), rope), keys, values));
  }
  return out;
}

struct Window {
  i64 window = 1, sinks = 0;
  bool cache_positions = false;
  std::optional<Rope> rope = Rope{};
};

/// Keys with t - W < j <= t, and keys j < S. The cache of token t is written out as a list; with
/// cache positions an entry's position is its place in that list, the query's the last place.
inline std::vector<Row> sliding_window(const Head& in, const Window& p) {
  std::vector<Row> out;
  for (i64 t = 0; t < static_cast<i64>(in.q.size()); ++t) {
    std::vector<i64> cache;
    for (i64 j = 0; j <= t; ++j) {
      if (j < p.sinks || j > t - p.window) cache.push_back(j);
    }
    std::vector<Row> keys, values;
    for (std::size_t place = 0; place < cache.size(); ++place) {
      const i64 position = p.cache_positions ? static_cast<i64>(place) : cache[place];
      keys.push_back(rotate(in.k[static_cast<std::size_t>(cache[place])], position, p.rope));
      values.push_back(in.v[static_cast<std::size_t>(cache[place])]);
    }
    const i64 position = p.cache_positions ? static_cast<i64>(cache.size()) - 1 : t;
    out.push_back(
        softmax_attend(rotate(in.q[static_cast<std::size_t>(t)], position, p.rope), keys, values));
  }
  return out;
}

struct Infini {
  i64 segment = 1;
  bool delta = false, bypass = false;
  std::optional<Rope> rope = Rope{};
};

inline Row phi(const Row& x) {
  Row y;
  for (const double value : x) y.push_back(value > 0 ? value + 1 : std::exp(value));
  return y;
}

/// How often the segment of token t stands in the memory, as its last token says.
inline double times(const Head& in, i64 t, i64 segment) {
  if (in.repeats.empty()) return 1;
  return in.repeats[static_cast<std::size_t>((t / segment + 1) * segment - 1)];
}

/// What a query reads from the segments before its own, or nothing from an empty memory.
/// Linear: the equivalent form sum_j w_ij v_j, w_ij = n_j phi(q_i) phi(k_j) / sum_j' n_j' phi(q_i)
/// phi(k_j').
inline Row read_linear(const Head& in, const Row& q, i64 begin, i64 segment) {
  const Row pq = phi(q);
  Row sum(q.size(), 0.0);
  double total = 0;
  for (i64 j = 0; j < begin; ++j) {
    const double w = times(in, j, segment) * dot(pq, phi(in.k[static_cast<std::size_t>(j)]));
    total += w;
    for (std::size_t d = 0; d < sum.size(); ++d) sum[d] += w * in.v[static_cast<std::size_t>(j)][d];
  }
  for (double& x : sum) x /= total;
  return sum;
}

/// Delta: M and z segment by segment; every token of a segment subtracts what the memory before
/// the segment answers to its key.
inline Row read_delta(const Head& in, const Row& q, i64 begin, i64 segment) {
  const std::size_t d = q.size();
  std::vector<Row> m(d, Row(d, 0.0));
  Row z(d, 0.0);
  const auto answer = [&](const Row& p) {
    Row sum(d, 0.0);
    for (std::size_t i = 0; i < d; ++i) {
      for (std::size_t j = 0; j < d; ++j) sum[j] += p[i] * m[i][j] / dot(p, z);
    }
    return sum;
  };
  for (i64 s = 0; s < begin; s += segment) {
    std::vector<Row> writes;
    for (i64 t = s; t < s + segment; ++t) {
      Row u = in.v[static_cast<std::size_t>(t)];
      if (s > 0) {
        const Row held = answer(phi(in.k[static_cast<std::size_t>(t)]));
        for (std::size_t j = 0; j < d; ++j) u[j] -= held[j];
      }
      writes.push_back(u);
    }
    for (i64 t = s; t < s + segment; ++t) {
      const Row p = phi(in.k[static_cast<std::size_t>(t)]);
      for (std::size_t i = 0; i < d; ++i) {
        z[i] += times(in, t, segment) * p[i];
        for (std::size_t j = 0; j < d; ++j) {
          m[i][j] += times(in, t, segment) * p[i] * writes[static_cast<std::size_t>(t - s)][j];
        }
      }
    }
  }
  return answer(phi(q));
}

/// A = g A_mem + (1 - g) A_dot (10); the local part over the query's own segment only.
inline std::vector<Row> infini(const Head& in, const Infini& p) {
  const double g = 1 / (1 + std::exp(-in.gate));
  std::vector<Row> out;
  for (i64 t = 0; t < static_cast<i64>(in.q.size()); ++t) {
    const i64 begin = t / p.segment * p.segment;
    const Row& q = in.q[static_cast<std::size_t>(t)];
    std::vector<Row> keys, values;
    for (i64 j = begin; j <= t; ++j) {
      keys.push_back(rotate(in.k[static_cast<std::size_t>(j)], j, p.rope));
      values.push_back(in.v[static_cast<std::size_t>(j)]);
    }
    Row mixed = softmax_attend(rotate(q, t, p.rope), keys, values);
    if (begin > 0) {
      const Row memory =
          p.delta ? read_delta(in, q, begin, p.segment) : read_linear(in, q, begin, p.segment);
      for (std::size_t d = 0; d < mixed.size(); ++d) mixed[d] = g * memory[d] + (1 - g) * mixed[d];
    } else if (!p.bypass) {
      for (double& x : mixed) x *= 1 - g;
    }
    out.push_back(mixed);
  }
  return out;
}

/// Outputs of every stream of a problem, one after the other as in a [B, T, Hq, D] tensor.
inline std::vector<double> outputs(const Shape& shape, const Problem& problem,
                                   const std::function<std::vector<Row>(const Head&)>& attend) {
  const ReferenceProblem streams(problem);
  std::vector<double> all;
  for (const ReferenceStream& stream : streams.streams) {
    const std::vector<double> out = per_head(shape, stream, streams.weights, attend);
    all.insert(all.end(), out.begin(), out.end());
  }
  return all;
}

}  // namespace longreach::attention::naive
