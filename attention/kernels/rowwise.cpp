// Row-wise steps over a segment, compiled once for each instruction set.
#include "attention/kernels/rowwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attention/kernels/rowwise.cpp"
#include <hwy/foreach_target.h>
//
#include <algorithm>

#include "core/panels-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longreach::attention::kernels::HWY_NAMESPACE {
using namespace longreach::HWY_NAMESPACE;

void FeaturesOf(const View<const float, 2>& x, float* to) {
  const i64 columns = x.extent(1);
  for (i64 r = 0; r < x.extent(0); ++r, to += columns) {
    const float* row = x.row(r).data();
    prefetch_ahead(x, r);
    over(columns, [&](auto load, auto store) HWY_ATTR { store(elu1_of(load(row)), to); });
  }
}

void Normalize(const float* features, const float* normalizer, i64 rows, i64 f, i64 columns,
               float* values, float* denominators) {
  for (i64 r = 0; r < rows; ++r, features += f, values += columns) {
    denominators[r] = dot_of(features, normalizer, f);
    const V inverse = hn::Set(D(), 1 / denominators[r]);
    over(columns,
         [&](auto load, auto store) HWY_ATTR { store(hn::Mul(inverse, load(values)), values); });
  }
}

/// With A = N / c:  dN = dA / c,  dc = -(dA . A) / c;  c = features . normalizer.
void UndoNormalize(const float* features, const float* normalizer, const float* values,
                   const float* denominators, i64 rows, i64 f, i64 columns, float* d_values,
                   float* d_features, float* d_normalizer) {
  for (i64 r = 0; r < rows; ++r) {
    const float inverse = 1 / denominators[r];
    const V scale = hn::Set(D(), inverse);
    const V dc = hn::Set(D(), -inverse * dot_of(d_values, values, columns));
    over(columns,
         [&](auto load, auto store) HWY_ATTR { store(hn::Mul(scale, load(d_values)), d_values); });
    over(f, [&](auto load, auto store) HWY_ATTR {
      store(hn::MulAdd(dc, load(normalizer), load(d_features)), d_features);
      store(hn::MulAdd(dc, load(features), load(d_normalizer)), d_normalizer);
    });
    features += f, d_features += f, values += columns, d_values += columns;
  }
}

void ScaleInto(float a, const View<const float, 2>& x, const View<float, 2>& to) {
  const V factor = hn::Set(D(), a);
  for (i64 r = 0; r < x.extent(0); ++r) {
    const float* from = x.row(r).data();
    float* row = to.row(r).data();
    prefetch_ahead(x, r);
    over(x.extent(1),
         [&](auto load, auto store) HWY_ATTR { store(hn::Mul(factor, load(from)), row); });
  }
}

double DotRows(const View<const float, 2>& a, const View<const float, 2>& b) {
  double sum = 0;
  for (i64 r = 0; r < a.extent(0); ++r) {
    prefetch_ahead(a, r);
    prefetch_ahead(b, r);
    sum += dot_of(a.row(r).data(), b.row(r).data(), a.extent(1));
  }
  return sum;
}

void Blend(float a, const View<const float, 2>& x, float b, const float* y,
           const View<float, 2>& out) {
  const V first = hn::Set(D(), a), second = hn::Set(D(), b);
  for (i64 r = 0; r < out.extent(0); ++r, y += out.extent(1)) {
    const float* from = x.row(r).data();
    float* row = out.row(r).data();
    prefetch_ahead(out, r);
    over(out.extent(1), [&](auto load, auto store) HWY_ATTR {
      store(hn::MulAdd(second, load(y), hn::Mul(first, load(from))), row);
    });
  }
}

void CopyRows(const View<const float, 2>& from, const View<float, 2>& to) {
  for (i64 r = 0; r < from.extent(0); ++r) {
    prefetch_ahead(from, r);
    std::copy_n(from.row(r).data(), from.extent(1), to.row(r).data());
  }
}

void AddColumnSums(const float* x, i64 rows, i64 columns, float* sums) {
  for (i64 r = 0; r < rows; ++r, x += columns) {
    over(columns,
         [&](auto load, auto store) HWY_ATTR { store(hn::Add(load(sums), load(x)), sums); });
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

void normalize(const float* features, const float* normalizer, i64 rows, i64 f, i64 d,
               float* values, float* denominators) {
  HWY_DYNAMIC_DISPATCH(Normalize)(features, normalizer, rows, f, d, values, denominators);
}

void undo_normalize(const float* features, const float* normalizer, const float* values,
                    const float* denominators, i64 rows, i64 f, i64 d, float* d_values,
                    float* d_features, float* d_normalizer) {
  HWY_DYNAMIC_DISPATCH(UndoNormalize)
  (features, normalizer, values, denominators, rows, f, d, d_values, d_features, d_normalizer);
}

void scale_into(float a, View<const float, 2> x, View<float, 2> to) {
  HWY_DYNAMIC_DISPATCH(ScaleInto)(a, x, to);
}

double dot_rows(View<const float, 2> a, View<const float, 2> b) {
  return HWY_DYNAMIC_DISPATCH(DotRows)(a, b);
}

void blend(float a, View<const float, 2> x, float b, const float* y, View<float, 2> out) {
  HWY_DYNAMIC_DISPATCH(Blend)(a, x, b, y, out);
}

void copy_rows(View<const float, 2> from, View<float, 2> to) {
  HWY_DYNAMIC_DISPATCH(CopyRows)(from, to);
}

void add_column_sums(const float* x, i64 rows, i64 d, float* sums) {
  HWY_DYNAMIC_DISPATCH(AddColumnSums)(x, rows, d, sums);
}

}  // namespace longreach::attention::kernels
#endif
