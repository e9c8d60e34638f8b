// Row-wise steps over a segment, compiled once for each instruction set.
#include "attention/kernels/rowwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attention/kernels/rowwise.cpp"
#include <hwy/foreach_target.h>
//
#include <algorithm>
#include <cmath>
#include <hwy/contrib/math/math-inl.h>

#include "core/panels-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longreach::attention::kernels::HWY_NAMESPACE {
using namespace longreach::HWY_NAMESPACE;

void FeaturesOf(const View<const float, 2>& x, float* to) {
  const D d;
  const i64 lanes = static_cast<i64>(hn::Lanes(d)), columns = x.extent(1);
  const V zero = hn::Zero(d), one = hn::Set(d, 1.0f), least = hn::Set(d, -87.0f);
  for (i64 r = 0; r < x.extent(0); ++r, to += columns) {
    const float* row = x.row(r).data();
    prefetch_ahead(x, r);
    i64 i = 0;
    for (; i + lanes <= columns; i += lanes) {
      const V v = hn::LoadU(d, row + i);
      const V tail = hn::Exp(d, hn::Max(hn::Min(v, zero), least));
      hn::StoreU(hn::IfThenElse(hn::Gt(v, zero), hn::Add(v, one), tail), d, to + i);
    }
    for (; i < columns; ++i) to[i] = row[i] > 0 ? row[i] + 1 : std::exp(row[i]);
  }
}

HWY_INLINE float dot(const float* a, const float* b, i64 n) {
  const D d;
  const i64 lanes = static_cast<i64>(hn::Lanes(d));
  V sum = hn::Zero(d);
  i64 i = 0;
  for (; i + lanes <= n; i += lanes) {
    sum = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), sum);
  }
  float total = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; i < n; ++i) total += a[i] * b[i];
  return total;
}

void Normalize(const float* features, const float* normalizer, i64 rows, i64 columns, float* values,
               float* denominators) {
  const D d;
  const i64 lanes = static_cast<i64>(hn::Lanes(d));
  for (i64 r = 0; r < rows; ++r, features += columns, values += columns) {
    const float total = dot(features, normalizer, columns);
    denominators[r] = total;
    const V inverse = hn::Set(d, 1 / total);
    i64 i = 0;
    for (; i + lanes <= columns; i += lanes) {
      hn::StoreU(hn::Mul(inverse, hn::LoadU(d, values + i)), d, values + i);
    }
    for (; i < columns; ++i) values[i] *= 1 / total;
  }
}

/// With A = N / c:  dN = dA / c,  dc = -(dA . A) / c;  c = features . normalizer.
void UndoNormalize(const float* features, const float* normalizer, const float* values,
                   const float* denominators, i64 rows, i64 columns, float* d_values,
                   float* d_features, float* d_normalizer) {
  const D d;
  const i64 lanes = static_cast<i64>(hn::Lanes(d));
  for (i64 r = 0; r < rows; ++r) {
    const float inverse = 1 / denominators[r];
    const float dc = -inverse * dot(d_values, values, columns);
    const V by = hn::Set(d, inverse), v = hn::Set(d, dc);
    i64 i = 0;
    for (; i + lanes <= columns; i += lanes) {
      hn::StoreU(hn::Mul(by, hn::LoadU(d, d_values + i)), d, d_values + i);
      const V to_feature =
          hn::MulAdd(v, hn::LoadU(d, normalizer + i), hn::LoadU(d, d_features + i));
      hn::StoreU(to_feature, d, d_features + i);
      const V to_sum = hn::MulAdd(v, hn::LoadU(d, features + i), hn::LoadU(d, d_normalizer + i));
      hn::StoreU(to_sum, d, d_normalizer + i);
    }
    for (; i < columns; ++i) {
      d_values[i] *= inverse;
      d_features[i] += dc * normalizer[i];
      d_normalizer[i] += dc * features[i];
    }
    features += columns, values += columns, d_values += columns, d_features += columns;
  }
}

void ScaleInto(float a, const View<const float, 2>& x, float* to) {
  const D d;
  const i64 lanes = static_cast<i64>(hn::Lanes(d)), columns = x.extent(1);
  const V factor = hn::Set(d, a);
  for (i64 r = 0; r < x.extent(0); ++r, to += columns) {
    const float* row = x.row(r).data();
    prefetch_ahead(x, r);
    i64 i = 0;
    for (; i + lanes <= columns; i += lanes) {
      hn::StoreU(hn::Mul(factor, hn::LoadU(d, row + i)), d, to + i);
    }
    for (; i < columns; ++i) to[i] = a * row[i];
  }
}

double DotRows(const View<const float, 2>& a, const View<const float, 2>& b) {
  double sum = 0;
  for (i64 r = 0; r < a.extent(0); ++r) {
    prefetch_ahead(a, r);
    prefetch_ahead(b, r);
    sum += dot(a.row(r).data(), b.row(r).data(), a.extent(1));
  }
  return sum;
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

void CopyRows(const View<const float, 2>& from, const View<float, 2>& to) {
  for (i64 r = 0; r < from.extent(0); ++r) {
    prefetch_ahead(from, r);
    std::copy_n(from.row(r).data(), from.extent(1), to.row(r).data());
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
HWY_EXPORT(UndoNormalize);
HWY_EXPORT(ScaleInto);
HWY_EXPORT(DotRows);
HWY_EXPORT(Blend);
HWY_EXPORT(AddColumnSums);
HWY_EXPORT(CopyRows);

void features_of(View<const float, 2> x, float* to) { HWY_DYNAMIC_DISPATCH(FeaturesOf)(x, to); }

void normalize(const float* features, const float* normalizer, i64 rows, i64 d, float* values,
               float* denominators) {
  HWY_DYNAMIC_DISPATCH(Normalize)(features, normalizer, rows, d, values, denominators);
}

void undo_normalize(const float* features, const float* normalizer, const float* values,
                    const float* denominators, i64 rows, i64 d, float* d_values, float* d_features,
                    float* d_normalizer) {
  HWY_DYNAMIC_DISPATCH(UndoNormalize)
  (features, normalizer, values, denominators, rows, d, d_values, d_features, d_normalizer);
}

void scale_into(float a, View<const float, 2> x, float* to) {
  HWY_DYNAMIC_DISPATCH(ScaleInto)(a, x, to);
}

double dot_rows(View<const float, 2> a, View<const float, 2> b) {
  return HWY_DYNAMIC_DISPATCH(DotRows)(a, b);
}

void blend(float a, float b, const float* x, View<float, 2> out) {
  HWY_DYNAMIC_DISPATCH(Blend)(a, b, x, out);
}

void copy_rows(View<const float, 2> from, View<float, 2> to) {
  HWY_DYNAMIC_DISPATCH(CopyRows)(from, to);
}

void add_column_sums(const float* x, i64 rows, i64 d, float* sums) {
  HWY_DYNAMIC_DISPATCH(AddColumnSums)(x, rows, d, sums);
}

}  // namespace longreach::attention::kernels
#endif
