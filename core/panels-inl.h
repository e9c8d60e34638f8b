// The register tile that matrix products and attention kernels are built from, and the panels it
// reads. Included once for each instruction set (Highway's foreach_target).

#if defined(LONGREACH_CORE_PANELS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef LONGREACH_CORE_PANELS_INL_H_
#undef LONGREACH_CORE_PANELS_INL_H_
#else
#define LONGREACH_CORE_PANELS_INL_H_
#endif

#include <algorithm>
#include <hwy/cache_control.h>
#include <hwy/highway.h>
#include <type_traits>

#include "core/half-inl.h"
#include "core/tensor.h"
#include "core/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longreach::HWY_NAMESPACE {

/// Rows of a register tile of two vectors a row. Six rows are twelve accumulators, which hide the
/// latency of a fused multiply-add on two ports and leave four of sixteen registers for operands;
/// AVX-512 has thirty-two.
constexpr i64 kTileRows = HWY_LANES(float) >= 16 ? 12 : 6;

/// Columns of a panel: two vectors.
HWY_INLINE i64 panel_width() { return 2 * static_cast<i64>(hn::Lanes(D())); }
HWY_INLINE i64 round_up(i64 n, i64 step) { return (n + step - 1) / step * step; }

/// Lanes [i, i + lanes of d) of a row stored as `kElement`.
template <Element kElement, class Tag>
HWY_INLINE hn::Vec<Tag> load(Tag d, const void* row, i64 i) {
  if constexpr (kElement == Element::f32) {
    return hn::LoadU(d, static_cast<const float*>(row) + i);
  } else {
    return load_widened<kElement>(d, static_cast<const Half*>(row) + i);
  }
}
/// One number of such a row.
template <Element kElement>
HWY_INLINE float load_one(const void* row, i64 i) {
  if constexpr (kElement == Element::f32) {
    return static_cast<const float*>(row)[i];
  } else {
    HWY_ALIGN Half padded[HWY_LANES(float)] = {static_cast<const Half*>(row)[i]};
    return hn::GetLane(load_widened<kElement>(D(), padded));
  }
}

/// Calls use(constant of the element), so that loops are compiled for each way of storing.
template <class Use>
HWY_INLINE void with_element(Element element, const Use& use) {
  switch (element) {
    case Element::f32:
      return use(std::integral_constant<Element, Element::f32>());
    case Element::f16:
      return use(std::integral_constant<Element, Element::f16>());
    case Element::bf16:
      return use(std::integral_constant<Element, Element::bf16>());
  }
}

/// Rows [0, rows) of a matrix of `columns` columns, `stride` elements apart, cut into panels of
/// panel_width() columns: panel p holds its rows one after the other, missing columns zero. Size
/// rows * round_up(columns).
template <Element kElement = Element::f32>
HWY_INLINE void pack_columns(const void* from, i64 rows, i64 columns, i64 stride, float* to) {
  const D d;
  const i64 width = panel_width(), lanes = static_cast<i64>(hn::Lanes(d));
  for (i64 r = 0; r < rows; ++r, to += width) {
    float* panel = to;
    i64 first = 0;
    for (; first + width <= columns; first += width, panel += rows * width) {
      const i64 at = r * stride + first;
      hn::StoreU(load<kElement>(d, from, at), d, panel);
      hn::StoreU(load<kElement>(d, from, at + lanes), d, panel + lanes);
    }
    if (first == columns) continue;
    for (i64 i = 0; i < width; ++i) {
      panel[i] = first + i < columns ? load_one<kElement>(from, r * stride + first + i) : 0.0f;
    }
  }
}

/// Square blocks that a transpose turns in registers.
using BlockTag = hn::CappedTag<float, 8>;

/// rows[i] becomes column i of the block. Lanes are 4 or 8.
HWY_INLINE void transpose(hn::Vec<BlockTag>* rows) {
  const BlockTag d;
  const hn::Repartition<double, BlockTag> d64;
  const int lanes = static_cast<int>(hn::Lanes(d));
  for (int r = 0; r < lanes; r += 4) {  // 4 x 4 inside each 128 bits
    const auto a = hn::BitCast(d64, hn::InterleaveLower(d, rows[r], rows[r + 1]));
    const auto b = hn::BitCast(d64, hn::InterleaveLower(d, rows[r + 2], rows[r + 3]));
    const auto e = hn::BitCast(d64, hn::InterleaveUpper(d, rows[r], rows[r + 1]));
    const auto f = hn::BitCast(d64, hn::InterleaveUpper(d, rows[r + 2], rows[r + 3]));
    rows[r] = hn::BitCast(d, hn::InterleaveLower(d64, a, b));
    rows[r + 1] = hn::BitCast(d, hn::InterleaveUpper(d64, a, b));
    rows[r + 2] = hn::BitCast(d, hn::InterleaveLower(d64, e, f));
    rows[r + 3] = hn::BitCast(d, hn::InterleaveUpper(d64, e, f));
  }
#if HWY_TARGET != HWY_SCALAR
  if constexpr (hn::MaxLanes(BlockTag()) == 8) {
    for (int r = 0; r < 4; ++r) {
      const auto low = rows[r], high = rows[r + 4];
      rows[r] = hn::ConcatLowerLower(d, high, low);
      rows[r + 4] = hn::ConcatUpperUpper(d, high, low);
    }
  }
#endif
}

/// Fetches `count` bytes of memory, `offset` behind `base`.
HWY_INLINE void prefetch_row(const void* base, i64 offset, i64 count) {
  const char* at = static_cast<const char*>(base) + offset;
  for (i64 i = 0; i < count; i += 64) hwy::Prefetch(at + i);
}

/// While row r is at work, fetches one that no prefetcher expects when rows lie far apart.
HWY_INLINE void prefetch_ahead(const View<const float, 2>& x, i64 r) {
  constexpr i64 kRows = 48;
  if (r + kRows < x.extent(0)) prefetch_row(x.row(r + kRows).data(), 0, 4 * x.extent(1));
}

/// As pack_columns, of the transposed matrix times `factor`: rows become a panel's columns. Size
/// round_up(rows) * columns.
template <Element kElement = Element::f32>
HWY_INLINE void pack_rows(const void* from, i64 rows, i64 columns, i64 stride, float factor,
                          float* to) {
  const BlockTag d;
  const i64 width = panel_width(), side = static_cast<i64>(hn::Lanes(d));
  const i64 whole = columns / side * side;
  const auto f = hn::Set(d, factor);
  for (i64 first = 0; first < rows; first += width, to += width * columns) {
    for (i64 r = 0; r < width; r += side) {
      const i64 count = std::clamp<i64>(rows - first - r, 0, side);
      // Rows may come from far away, and no prefetcher follows eight of them at a time.
      for (i64 i = 0; i < std::min(side, rows - first - r - side); ++i) {
        prefetch_row(from, bytes_of(kElement) * (first + r + side + i) * stride,
                     bytes_of(kElement) * columns);
      }
      for (i64 c = 0; c < whole; c += side) {
        hn::Vec<BlockTag> block[8];
        for (i64 i = 0; i < side; ++i) {
          block[i] = i < count ? hn::Mul(f, load<kElement>(d, from, (first + r + i) * stride + c))
                               : hn::Zero(d);
        }
        transpose(block);
        for (i64 i = 0; i < side; ++i) hn::StoreU(block[i], d, to + (c + i) * width + r);
      }
      for (i64 c = whole; c < columns; ++c) {
        for (i64 i = 0; i < side; ++i) {
          to[c * width + r + i] =
              i < count ? factor * load_one<kElement>(from, (first + r + i) * stride + c) : 0.0f;
        }
      }
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
#pragma GCC unroll 4
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
template <int Rows = kTileRows>
HWY_INLINE void tile_rows(i64 rows, i64 depth, const float* a, i64 row_step, i64 depth_step,
                          const float* panel, float* c, i64 c_stride, bool add) {
  if constexpr (Rows > 1) {
    if (rows < Rows) {
      return tile_rows<Rows - 1>(rows, depth, a, row_step, depth_step, panel, c, c_stride, add);
    }
  }
  tile<Rows>(depth, a, row_step, depth_step, panel, c, c_stride, add);
}

}  // namespace longreach::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LONGREACH_CORE_PANELS_INL_H_
