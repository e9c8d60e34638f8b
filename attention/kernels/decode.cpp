// Few queries over many keys, compiled once for each instruction set: one pass at the pace of the
// memory. While a block of keys is scored its values are fetched, and while those are summed the
// keys after them.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attention/kernels/decode.cpp"
#include <hwy/foreach_target.h>
//
#include <cmath>

#include "attention/kernels/weights-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longreach::attention::kernels::HWY_NAMESPACE {

/// Keys scored before their values are summed, at most. As many as a page of memory holds: what is
/// fetched ahead is then still in the first-level cache when its turn comes.
constexpr i64 kMostKeys = 128;
constexpr i64 kBlockBytes = 4096;

template <Element kElement>
HWY_INLINE float score(const float* query, const void* keys, i64 at, i64 head) {
  const D d;
  const i64 lanes = static_cast<i64>(hn::Lanes(d));
  V sum = hn::Zero(d), other = hn::Zero(d);
  i64 i = 0;
  for (; i + 2 * lanes <= head; i += 2 * lanes) {
    sum = hn::MulAdd(hn::LoadU(d, query + i), load<kElement>(d, keys, at + i), sum);
    other =
        hn::MulAdd(hn::LoadU(d, query + i + lanes), load<kElement>(d, keys, at + i + lanes), other);
  }
  for (; i + lanes <= head; i += lanes) {
    sum = hn::MulAdd(hn::LoadU(d, query + i), load<kElement>(d, keys, at + i), sum);
  }
  float total = hn::GetLane(hn::SumOfLanes(d, hn::Add(sum, other)));
  for (; i < head; ++i) total += query[i] * load_one<kElement>(keys, at + i);
  return total;
}

/// The weighted values of a block and where they go.
struct ValueSum {
  const float* weights;  ///< [count]
  const void* values;    ///< [count, head]
  const void* next;      ///< as many rows that are read after these and fetched meanwhile, or null
  i64 count, head;
  float correction;  ///< of what is in `out`
  float* out;        ///< [head]
};

/// out = correction * out + sum_j weights[j] values[j] in as many columns from `first` on as whole
/// groups of kVectors fill; they are summed in registers. Returns the first column left.
template <Element kElement, i64 kVectors>
HWY_INLINE i64 add_values(const ValueSum& of, i64 first) {
  const D d;
  const i64 lanes = static_cast<i64>(hn::Lanes(d));
  for (; first + kVectors * lanes <= of.head; first += kVectors * lanes) {
    V sum[kVectors];
    for (V& each : sum) each = hn::Zero(d);
    for (i64 j = 0; j < of.count; ++j) {
      const i64 at = j * of.head + first;
      if (of.next != nullptr) {
        prefetch_row(of.next, bytes_of(kElement) * at, bytes_of(kElement) * kVectors * lanes);
      }
      const V w = hn::Set(d, of.weights[j]);
      for (i64 n = 0; n < kVectors; ++n) {
        sum[n] = hn::MulAdd(w, load<kElement>(d, of.values, at + n * lanes), sum[n]);
      }
    }
    for (i64 n = 0; n < kVectors; ++n) {
      float* to = of.out + first + n * lanes;
      hn::StoreU(hn::MulAdd(hn::Set(d, of.correction), hn::LoadU(d, to), sum[n]), d, to);
    }
  }
  return first;
}

template <Element kElement>
HWY_INLINE void add_values(const ValueSum& of) {
  i64 first = add_values<kElement, 8>(of, 0);
  first = add_values<kElement, 4>(of, first);
  first = add_values<kElement, 1>(of, first);
  for (; first < of.head; ++first) {
    float sum = 0;
    for (i64 j = 0; j < of.count; ++j) {
      sum += of.weights[j] * load_one<kElement>(of.values, j * of.head + first);
    }
    of.out[first] = of.correction * of.out[first] + sum;
  }
}

/// Adds the keys [from, to) of a part, as far as each row sees them.
template <Element kElement>
void add_part(const Problem& problem, const Part& part, const Floats& queries, i64 from, i64 to,
              Partial& partial) {
  const i64 head = problem.head_dim(), rows = problem.rows(), bytes = bytes_of(kElement) * head;
  const i64 block = std::clamp<i64>(kBlockBytes / bytes / 16 * 16, 16, kMostKeys);
  HWY_ALIGN float weights[kMostKeys];
  for (i64 key = from; key < to; key += block) {
    const i64 count = std::min(block, to - key);
    const void* keys = Part::row(part.keys.keys, kElement, key, head);
    const void* values = Part::row(part.keys.values, kElement, key, head);
    for (i64 state = 0; state < problem.heads() * rows; ++state) {
      const Bounds own = part.seen(problem, problem.position + state % rows).within(key, count);
      if (own.empty()) continue;
      const float* query = &queries[state * head];
      const bool first_visit = state == 0;
      for (i64 j = own.begin; j < own.end; ++j) {
        if (first_visit) prefetch_row(values, j * bytes, bytes);
        weights[j] = score<kElement>(query, keys, j * head, head);
      }
      const float before = partial.maximum[state];
      const i64 padded = round_up(own.end, static_cast<i64>(hn::Lanes(D())));
      hide(weights, own, padded, kHidden);
      const float top = std::max(before, largest_lane(largest(weights, padded)));
      const float correction = std::exp2(before - top);
      partial.sum[state] =
          correction * partial.sum[state] + sum_of_lanes(exponentials(weights, own, padded, top));
      partial.maximum[state] = top;
      const bool last_visit = state + 1 == problem.heads() * rows && key + 2 * block <= to;
      const i64 skipped = own.begin * bytes;
      add_values<kElement>(
          {.weights = weights + own.begin,
           .values = static_cast<const char*>(values) + skipped,
           .next = last_visit ? static_cast<const char*>(keys) + block * bytes + skipped : nullptr,
           .count = own.end - own.begin,
           .head = head,
           .correction = correction,
           .out = &partial.outputs[state * head]});
      partial.pairs += own.end - own.begin;
    }
  }
}

Partial AttendPart(const Problem& problem, Span keys, bool sinks) {
  const i64 head = problem.head_dim(), rows = problem.rows(), states = problem.heads() * rows;
  Partial partial{Floats(static_cast<std::size_t>(states * head)),
                  Floats(static_cast<std::size_t>(states), -std::numeric_limits<float>::infinity()),
                  Floats(static_cast<std::size_t>(states)), 0};
  const float factor = kLog2E / std::sqrt(static_cast<float>(head));
  for (const Part& part : parts_of(problem)) {
    if (part.keys.count == 0 || (part.sinks && !sinks)) continue;
    Floats queries(static_cast<std::size_t>(states * head));
    for (i64 state = 0; state < states; ++state) {
      const float* from = part.queries.row(state / rows, state % rows).data();
      for (i64 i = 0; i < head; ++i) queries[state * head + i] = factor * from[i];
    }
    const Span within = part.sinks ? Span{0, part.keys.count} : keys;
    const Bounds seen = part.seen_by_any(problem, 0, rows, within.begin, within.end);
    with_element(part.keys.element, [&](auto kind) HWY_ATTR {
      add_part<kind>(problem, part, queries, seen.begin, seen.end, partial);
    });
  }
  return partial;
}

}  // namespace longreach::attention::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longreach::attention::kernels {

HWY_EXPORT(AttendPart);

Partial attend_part(const Problem& problem, Span keys, bool sinks) {
  return HWY_DYNAMIC_DISPATCH(AttendPart)(problem, keys, sinks);
}

i64 merge(const Problem& problem, const Partial* parts, i64 count, View<float, 3> out,
          View<float, 2> lse) {
  const i64 head = problem.head_dim(), rows = problem.rows();
  i64 pairs = 0;
  for (i64 n = 0; n < count; ++n) pairs += parts[n].pairs;
  for (i64 state = 0; state < problem.heads() * rows; ++state) {
    float top = parts[0].maximum[state];
    for (i64 n = 1; n < count; ++n) top = std::max(top, parts[n].maximum[state]);
    double total = 0;
    std::vector<double> sum(static_cast<std::size_t>(head));
    for (i64 n = 0; n < count; ++n) {
      const double weight = std::exp2(static_cast<double>(parts[n].maximum[state]) - top);
      total += weight * parts[n].sum[state];
      for (i64 i = 0; i < head; ++i) sum[i] += weight * parts[n].outputs[state * head + i];
    }
    float* to = out.row(state / rows, state % rows).data();
    for (i64 i = 0; i < head; ++i) to[i] = static_cast<float>(sum[i] / total);
    if (lse.data() != nullptr) {
      lse(state / rows, state % rows) = kLn2 * top + static_cast<float>(std::log(total));
    }
  }
  return pairs;
}

}  // namespace longreach::attention::kernels
#endif
