// Row-wise steps around a compressive memory, compiled once for each instruction set.
#include "attention/kernels/memory.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attention/kernels/memory.cpp"
#include <hwy/foreach_target.h>
//
#include <algorithm>
#include <cmath>
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace longreach::attention::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

void FeaturesOf(const View<const float, 2>& x, float* to) {
  const D d;
  const i64 lanes = static_cast<i64>(hn::Lanes(d)), columns = x.extent(1);
  const V zero = hn::Zero(d), one = hn::Set(d, 1.0f), least = hn::Set(d, -87.0f);
  for (i64 r = 0; r < x.extent(0); ++r, to += columns) {
    const float* row = x.row(r).data();
    i64 i = 0;
    for (; i + lanes <= columns; i += lanes) {
      const V v = hn::LoadU(d, row + i);
      const V tail = hn::Exp(d, hn::Max(hn::Min(v, zero), least));
      hn::StoreU(hn::IfThenElse(hn::Gt(v, zero), hn::Add(v, one), tail), d, to + i);
    }
    for (; i < columns; ++i) to[i] = row[i] > 0 ? row[i] + 1 : std::exp(row[i]);
  }
}

void Normalize(const float* features, const float* normalizer, i64 rows, i64 columns, float* values,
               float* denominators) {
  const D d;
  const i64 lanes = static_cast<i64>(hn::Lanes(d));
  for (i64 r = 0; r < rows; ++r, features += columns, values += columns) {
    V sum = hn::Zero(d);
    i64 i = 0;
    for (; i + lanes <= columns; i += lanes) {
      sum = hn::MulAdd(hn::LoadU(d, features + i), hn::LoadU(d, normalizer + i), sum);
    }
    float total = hn::GetLane(hn::SumOfLanes(d, sum));
    for (; i < columns; ++i) total += features[i] * normalizer[i];
    denominators[r] = total;
    const V inverse = hn::Set(d, 1 / total);
    for (i = 0; i + lanes <= columns; i += lanes) {
      hn::StoreU(hn::Mul(inverse, hn::LoadU(d, values + i)), d, values + i);
    }
    for (; i < columns; ++i) values[i] *= 1 / total;
  }
}

void Blend(float a, float b, const float* x, const View<float, 2>& out) {
  const D d;
  const i64 lanes = static_cast<i64>(hn::Lanes(d)), columns = out.extent(1);
  const V kept = hn::Set(d, a), added = hn::Set(d, b);
  for (i64 r = 0; r < out.extent(0); ++r, x += columns) {
    float* row = out.row(r).data();
    i64 i = 0;
    for (; i + lanes <= columns; i += lanes) {
      const V sum = hn::Mul(kept, hn::LoadU(d, row + i));
      hn::StoreU(hn::MulAdd(added, hn::LoadU(d, x + i), sum), d, row + i);
    }
    for (; i < columns; ++i) row[i] = a * row[i] + b * x[i];
  }
}

void AddColumnSums(const float* x, i64 rows, i64 columns, float* sums) {
  const D d;
  const i64 lanes = static_cast<i64>(hn::Lanes(d));
  i64 i = 0;
  for (; i + lanes <= columns; i += lanes) {
    V sum = hn::LoadU(d, sums + i);
    for (i64 r = 0; r < rows; ++r) sum = hn::Add(sum, hn::LoadU(d, x + r * columns + i));
    hn::StoreU(sum, d, sums + i);
  }
  for (; i < columns; ++i) {
    for (i64 r = 0; r < rows; ++r) sums[i] += x[r * columns + i];
  }
}

}  // namespace longreach::attention::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longreach::attention::kernels {

HWY_EXPORT(FeaturesOf);
HWY_EXPORT(Normalize);
HWY_EXPORT(Blend);
HWY_EXPORT(AddColumnSums);

void features_of(View<const float, 2> x, float* to) { HWY_DYNAMIC_DISPATCH(FeaturesOf)(x, to); }

void normalize(const float* features, const float* normalizer, i64 rows, i64 d, float* values,
               float* denominators) {
  HWY_DYNAMIC_DISPATCH(Normalize)(features, normalizer, rows, d, values, denominators);
}

void blend(float a, float b, const float* x, View<float, 2> out) {
  HWY_DYNAMIC_DISPATCH(Blend)(a, b, x, out);
}

void add_column_sums(const float* x, i64 rows, i64 d, float* sums) {
  HWY_DYNAMIC_DISPATCH(AddColumnSums)(x, rows, d, sums);
}

}  // namespace longreach::attention::kernels
#endif
