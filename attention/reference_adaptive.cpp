// The adaptive backend's reference in float64.
#include <cmath>

#include "attention/kept_segments.h"
#include "attention/reference_memory.h"

namespace longreach::attention {
namespace {

/// One key/value head of a stream, segment by segment and token by token.
class Reference {
 public:
  Reference(const Shape& shape, const AdaptiveRule& rule, std::span<const double> gates,
            const ReferenceStream& in, const Rope& rope, const FeatureMap& sigma, i64 kv)
      : shape_(shape),
        rule_(rule),
        gates_(gates),
        in_(in),
        rope_(rope),
        kv_(kv),
        mean_query_(static_cast<std::size_t>(shape.head_dim), 0.0),
        memory_(sigma, shape.head_dim) {}

  void run(std::vector<double>& out) {
    for (i64 t = 0; t < in_.tokens; ++t) {
      for (i64 h = kv_ * shape_.group(); h < (kv_ + 1) * shape_.group(); ++h) attend(t, h, out);
      if (t % rule_.segment == rule_.segment - 1) close(t / rule_.segment, in_.repeat(t));
    }
  }

 private:
  struct Kept {
    i64 segment;
    double mass, earned;
  };

  Row key(i64 t) const { return row(in_.k, t, shape_.kv_heads, kv_, shape_.head_dim); }
  Row value(i64 t) const { return row(in_.v, t, shape_.kv_heads, kv_, shape_.head_dim); }
  Row turned(const Row& x, i64 place) const {
    Row y(x.size());
    rope_.turn64(place, x.data(), y.data());
    return y;
  }
  /// What choices know of a key: the turned one, as the cache holds it.
  Row stored_key(i64 t) const {
    Row k = turned(key(t), t % rule_.segment);
    for (double& x : k) x = stored(x, rule_.cache);
    return k;
  }

  void attend(i64 t, i64 h, std::vector<double>& out) {
    const i64 n = rule_.segment, d = shape_.head_dim, begin = t / n * n;
    const double root = std::sqrt(static_cast<double>(d));
    const double each = static_cast<double>(n * shape_.group());
    const Row q = row(in_.q, t, shape_.query_heads, h, d);
    Row soft(static_cast<std::size_t>(d), 0.0);
    double total = 0, stored_total = 0;
    const auto add = [&](const Row& query, i64 first, i64 last) {
      double part = 0;
      for (i64 j = first; j < last; ++j) {
        const double w = std::exp(product(query, turned(key(j), j % n)) / root);
        const Row v = value(j);
        for (i64 i = 0; i < d; ++i) soft[i] += w * v[i];
        total += w;
        part += std::exp(product(query, stored_key(j)) / root);
      }
      stored_total += part;
      return part;
    };
    std::vector<double> parts;
    const Row far = turned(q, t - begin + n);
    for (const Kept& one : kept_) parts.push_back(add(far, one.segment * n, (one.segment + 1) * n));
    add(turned(q, t - begin), begin, t + 1);
    for (std::size_t c = 0; c < kept_.size(); ++c) {
      kept_[c].earned += parts[c] / stored_total / each;
    }
    for (i64 i = 0; i < d; ++i) mean_query_[i] += q[i] / each;
    const double share = remembers_ ? 1 / (1 + std::exp(-gates_[h])) : 0;
    const Row read = remembers_ ? memory_.read(q) : Row(static_cast<std::size_t>(d), 0.0);
    for (i64 i = 0; i < d; ++i) {
      out[(t * shape_.query_heads + h) * d + i] = share * read[i] + (1 - share) * soft[i] / total;
    }
  }

  void close(i64 segment, double times) {
    double mean_mass = 0;
    for (Kept& one : kept_) {
      one.mass = running_mass(one.mass, one.earned);
      one.earned = 0;
      mean_mass += one.mass / static_cast<double>(kept_.size());
    }
    kept_.push_back({segment, kept_.empty() ? 1 : mean_mass, 0});
    if (std::ssize(kept_) > rule_.kept) {
      std::vector<Candidate> candidates;
      for (const Kept& one : kept_) candidates.push_back({relevance(one.segment), one.mass});
      const i64 gone = least_worth(candidates, rule_.relevance, rule_.feedback);
      fold(kept_[gone].segment, times);
      kept_.erase(kept_.begin() + gone);
    }
    mean_query_.assign(mean_query_.size(), 0.0);
  }

  double relevance(i64 segment) const {
    const i64 n = rule_.segment, d = shape_.head_dim;
    const double lengthened = rope_.magnitude() * rope_.magnitude();  // there and back
    Row mean(static_cast<std::size_t>(d), 0.0);
    for (i64 j = segment * n; j < (segment + 1) * n; ++j) {
      const Row k = turned(stored_key(j), -(j % n));
      for (i64 i = 0; i < d; ++i) mean[i] += k[i] / lengthened / static_cast<double>(n);
    }
    return product(mean_query_, mean) / std::sqrt(static_cast<double>(d));
  }

  void fold(i64 segment, double times) {
    const Memory64 before = memory_;
    for (i64 j = segment * rule_.segment; j < (segment + 1) * rule_.segment; ++j) {
      Row v = value(j);
      if (rule_.update == Update::delta && remembers_) {
        const Row known = before.read(key(j));
        for (std::size_t i = 0; i < v.size(); ++i) v[i] -= known[i];
      }
      memory_.add(key(j), v, times);
    }
    remembers_ = true;
  }

  const Shape& shape_;
  const AdaptiveRule& rule_;
  std::span<const double> gates_;
  const ReferenceStream& in_;
  const Rope& rope_;
  i64 kv_;
  std::vector<Kept> kept_;  // oldest first
  Row mean_query_;          // of the open segment
  Memory64 memory_;
  bool remembers_ = false;
};

}  // namespace

std::vector<double> reference_adaptive(const Shape& shape, const AdaptiveRule& rule,
                                       std::span<const double> gates, const ReferenceStream& in,
                                       const Rope& rope, const FeatureMap& sigma) {
  std::vector<double> out(in.q.size(), 0.0);
  for (i64 kv = 0; kv < shape.kv_heads; ++kv) {
    Reference(shape, rule, gates, in, rope, sigma, kv).run(out);
  }
  return out;
}

}  // namespace longreach::attention
