// The register tile that all attention kernels are built from, and the panels it reads. Included
// once for each instruction set (Highway's foreach_target).

#if defined(LONGREACH_ATTENTION_KERNELS_PANELS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef LONGREACH_ATTENTION_KERNELS_PANELS_INL_H_
#undef LONGREACH_ATTENTION_KERNELS_PANELS_INL_H_
#else
#define LONGREACH_ATTENTION_KERNELS_PANELS_INL_H_
#endif

#include <algorithm>
#include <hwy/highway.h>

#include "core/tensor.h"

HWY_BEFORE_NAMESPACE();
namespace longreach::attention::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

/// Rows of a register tile. Six rows of two vectors are twelve accumulators, which hide the
/// latency of a fused multiply-add on two ports and leave four of sixteen registers for operands.
constexpr i64 kTileRows = 6;

/// Columns of a panel: two vectors.
HWY_INLINE i64 panel_width() { return 2 * static_cast<i64>(hn::Lanes(D())); }
HWY_INLINE i64 round_up(i64 n, i64 step) { return (n + step - 1) / step * step; }

/// Rows [0, rows) of a matrix of `columns` columns, cut into panels of panel_width() columns: panel
/// p holds its rows one after the other, missing columns zero. Size rows * round_up(columns).
HWY_INLINE void pack_columns(const float* from, i64 rows, i64 columns, i64 stride, float* to) {
  const i64 width = panel_width();
  for (i64 first = 0; first < columns; first += width) {
    const i64 count = std::min(width, columns - first);
    for (i64 r = 0; r < rows; ++r, to += width) {
      std::copy_n(from + r * stride + first, count, to);
      std::fill(to + count, to + width, 0.0f);
    }
  }
}

/// The same of the transposed matrix: rows become a panel's columns. Size
/// round_up(rows) * columns.
HWY_INLINE void pack_rows(const float* from, i64 rows, i64 columns, i64 stride, float* to) {
  const i64 width = panel_width();
  for (i64 first = 0; first < rows; first += width) {
    const i64 count = std::min(width, rows - first);
    for (i64 c = 0; c < columns; ++c, to += width) {
      for (i64 r = 0; r < count; ++r) to[r] = from[(first + r) * stride + c];
      std::fill(to + count, to + width, 0.0f);
    }
  }
}

/// c[Rows, width] (+)= a[Rows, depth] * panel[depth, width]; element (r, k) of `a` lies at
/// a[r * row_step + k * depth_step], so a transposed operand needs no transposing.
template <int Rows>
HWY_INLINE void tile(i64 depth, const float* HWY_RESTRICT a, i64 row_step, i64 depth_step,
                     const float* HWY_RESTRICT panel, float* HWY_RESTRICT c, i64 c_stride,
                     bool add) {
  const D d;
  const i64 lanes = static_cast<i64>(hn::Lanes(d));
  V sum[Rows][2];
  for (int r = 0; r < Rows; ++r) {
    sum[r][0] = add ? hn::LoadU(d, c + r * c_stride) : hn::Zero(d);
    sum[r][1] = add ? hn::LoadU(d, c + r * c_stride + lanes) : hn::Zero(d);
  }
  for (i64 k = 0; k < depth; ++k) {
    const V b0 = hn::LoadU(d, panel);
    const V b1 = hn::LoadU(d, panel + lanes);
    panel += 2 * lanes;
    for (int r = 0; r < Rows; ++r) {
      const V x = hn::Set(d, a[r * row_step]);
      sum[r][0] = hn::MulAdd(x, b0, sum[r][0]);
      sum[r][1] = hn::MulAdd(x, b1, sum[r][1]);
    }
    a += depth_step;
  }
  for (int r = 0; r < Rows; ++r) {
    hn::StoreU(sum[r][0], d, c + r * c_stride);
    hn::StoreU(sum[r][1], d, c + r * c_stride + lanes);
  }
}

/// tile() for 1 to kTileRows rows.
HWY_INLINE void tile_rows(i64 rows, i64 depth, const float* a, i64 row_step, i64 depth_step,
                          const float* panel, float* c, i64 c_stride, bool add) {
  switch (rows) {
    case 1:
      return tile<1>(depth, a, row_step, depth_step, panel, c, c_stride, add);
    case 2:
      return tile<2>(depth, a, row_step, depth_step, panel, c, c_stride, add);
    case 3:
      return tile<3>(depth, a, row_step, depth_step, panel, c, c_stride, add);
    case 4:
      return tile<4>(depth, a, row_step, depth_step, panel, c, c_stride, add);
    case 5:
      return tile<5>(depth, a, row_step, depth_step, panel, c, c_stride, add);
    default:
      return tile<6>(depth, a, row_step, depth_step, panel, c, c_stride, add);
  }
}

/// 2^x for x <= 0, 0 below the least normal exponent: rounding by a magic number, then a degree-5
/// polynomial on [-1/2, 1/2], relative error below 2e-7.
HWY_INLINE V exp2_of_nonpositive(V x) {
  const D d;
  const hn::RebindToSigned<D> di;
  const V magic = hn::Set(d, 12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  const V least = hn::Set(d, -126.0f);
  const auto kept = hn::Ge(x, least);
  const V shifted = hn::Add(hn::Max(x, least), magic);
  const V f = hn::Sub(hn::Max(x, least), hn::Sub(shifted, magic));
  V p = hn::Set(d, 0.0013264723820611835f);
  p = hn::MulAdd(p, f, hn::Set(d, 0.009671512991189957f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.05550733581185341f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.24022242426872253f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.6931470036506653f));
  p = hn::MulAdd(p, f, hn::Set(d, 1.0f));
  // The integer is in the low bits of `shifted`: move it into the exponent.
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(di, shifted));
  return hn::IfThenElseZero(kept, hn::BitCast(d, hn::Add(hn::BitCast(di, p), exponent)));
}

}  // namespace longreach::attention::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LONGREACH_ATTENTION_KERNELS_PANELS_INL_H_
