// The linear recurrences in float64, token by token.
#include <cmath>

#include "attention/recurrence.h"

namespace longreach::attention {
namespace {

using Row = std::vector<double>;

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

double squares(const Row& x) {
  double sum = 0;
  for (const double value : x) sum += value * value;
  return sum;
}

/// Row (t, head) as it meets the matrix.
Row prepared(const RecurrenceRule& rule, const Rope& rope, const std::optional<FeatureMap>& map,
             const std::vector<double>& all, i64 t, i64 row, i64 d, bool query) {
  Row x(static_cast<std::size_t>(d));
  rope.turn64(t, &all[row * d], x.data());
  if (map) return map->map64(x);
  const double length = std::sqrt(squares(x) + kUnitEpsilon);
  for (double& value : x) {
    if (rule.unit) {
      value /= length;
    } else if (query) {
      value /= std::sqrt(static_cast<double>(d));
    }
  }
  return x;
}

double share_kept(const RecurrenceRule& rule, const Shape& shape, std::span<const double> bias,
                  const ReferenceStream& in, i64 t, i64 kv, i64 channel) {
  if (rule.decay == Decay::none) return 1;
  if (rule.decay == Decay::fixed) return 1 - std::exp2(-5.0 - static_cast<double>(kv));
  const i64 before = strengths(rule, shape), row = t * (before + shares(rule, shape)) + before;
  const i64 i = rule.decay == Decay::by_head ? kv : kv * shape.head_dim + channel;
  return std::exp(
      std::max(kLeastLog, std::log(sigmoid(in.projected[row + i] + bias[i])) / rule.temperature));
}

}  // namespace

std::vector<double> reference_recurrence(const Shape& shape, const RecurrenceRule& rule,
                                         std::span<const double> bias, const ReferenceStream& in,
                                         const Rope& rope, const std::optional<FeatureMap>& map) {
  const i64 f = map ? map->size() : shape.head_dim;
  const i64 d = shape.head_dim, projected = strengths(rule, shape) + shares(rule, shape);
  std::vector<double> out(in.q.size(), 0.0);
  for (i64 kv = 0; kv < shape.kv_heads; ++kv) {
    std::vector<Row> s(static_cast<std::size_t>(f), Row(static_cast<std::size_t>(d), 0.0));
    Row z(static_cast<std::size_t>(f), 0.0);
    for (i64 t = 0; t < in.tokens; ++t) {
      const i64 row = t * shape.kv_heads + kv;
      const Row k = prepared(rule, rope, map, in.k, t, row, d, false);
      Row known(static_cast<std::size_t>(d), 0.0);
      for (i64 i = 0; i < f; ++i) {
        const double kept = share_kept(rule, shape, bias, in, t, kv, i);
        z[i] += k[i];
        for (i64 j = 0; j < d; ++j) known[j] += k[i] * (s[i][j] *= kept);
      }
      const double strength = rule.delta ? sigmoid(in.projected[t * projected + kv]) : 1;
      for (i64 i = 0; i < f; ++i) {
        for (i64 j = 0; j < d; ++j) {
          const double value = in.v[row * d + j];
          s[i][j] += k[i] * (rule.delta ? strength * (value - known[j]) : value);
        }
      }
      for (i64 h = kv * shape.group(); h < (kv + 1) * shape.group(); ++h) {
        const i64 to = t * shape.query_heads + h;
        const Row q = prepared(rule, rope, map, in.q, t, to, d, true);
        Row o(static_cast<std::size_t>(d), 0.0);
        double total = 0;
        for (i64 i = 0; i < f; ++i) {
          total += q[i] * z[i];
          for (i64 j = 0; j < d; ++j) o[j] += q[i] * s[i][j];
        }
        const double divisor =
            map ? total : std::sqrt(squares(o) / static_cast<double>(d) + kRmsEpsilon);
        for (i64 j = 0; j < d; ++j) out[to * d + j] = o[j] / divisor;
      }
    }
  }
  return out;
}

}  // namespace longreach::attention
