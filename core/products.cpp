// The steps of blocked matrix products, compiled once for each instruction set.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/products.cpp"
#include <hwy/foreach_target.h>
//
#include <algorithm>

#include "core/panels-inl.h"
#include "core/products.h"

HWY_BEFORE_NAMESPACE();
namespace longreach::HWY_NAMESPACE {

i64 PanelWidth() { return panel_width(); }
i64 TileRows() { return kTileRows; }

void PackPanels(const Factor& b, Range depth, Range columns, float* to) {
  const float* from = b.at(depth.first, columns.first);
  if (b.column_step == 1) {
    pack_columns(from, depth.count, columns.count, b.row_step, to);
  } else {
    pack_rows(from, columns.count, depth.count, b.column_step, 1, to);
  }
}

/// A tile of A's rows, copied next to one another: rows a power of two apart would share a set of
/// the cache.
class LeftTile {
 public:
  void pack(const Factor& a, Range rows, Range depth) {
    const float* from = a.at(rows.first, depth.first);
    if (a.column_step == 1) {
      row_step_ = kRowStep, depth_step_ = 1;
      for (i64 r = 0; r < rows.count; ++r) {
        std::copy_n(from + r * a.row_step, depth.count, numbers_ + r * kRowStep);
      }
    } else {
      row_step_ = 1, depth_step_ = kTileRows;
      for (i64 k = 0; k < depth.count; ++k, from += a.column_step) {
        float* to = numbers_ + k * kTileRows;
        if (rows.count == kTileRows) {
          std::copy_n(from, kTileRows, to);  // of constant length: no call
        } else {
          std::copy_n(from, rows.count, to);
        }
      }
    }
  }
  void multiply(i64 rows, i64 depth, const float* panel, float* c, i64 stride, bool add) const {
    tile_rows(rows, depth, numbers_, row_step_, depth_step_, panel, c, stride, add);
  }

 private:
  static constexpr i64 kRowStep = kBlockDepth + 16;
  HWY_ALIGN float numbers_[kTileRows * kRowStep];
  i64 row_step_ = 0, depth_step_ = 0;
};

void MultiplyBlock(const Factor& a, const float* panels, Range rows, Range depth, Range columns,
                   const MutableMatrix& c, Into into) {
  const i64 width = panel_width();
  const bool add = into == Into::add;
  LeftTile left;
  HWY_ALIGN float edge[kTileRows * 2 * HWY_LANES(float)];
  for (i64 r = 0; r < rows.count; r += kTileRows) {
    const Range own{rows.first + r, std::min(kTileRows, rows.count - r)};
    left.pack(a, own, depth);
    for (i64 column = 0; column < columns.count; column += width) {
      const float* panel = panels + column * depth.count;
      const i64 kept = std::min(width, columns.count - column);
      float* to = c.data + own.first * c.stride + columns.first + column;
      if (kept == width) {
        left.multiply(own.count, depth.count, panel, to, c.stride, add);
        continue;
      }
      left.multiply(own.count, depth.count, panel, edge, width, false);
      for (i64 i = 0; i < own.count; ++i) {
        for (i64 j = 0; j < kept; ++j) {
          to[i * c.stride + j] = (add ? to[i * c.stride + j] : 0.0f) + edge[i * width + j];
        }
      }
    }
  }
}

void MultiplyVector(const float* a, const Matrix& b, Range rows, float* c, Into into) {
  // Half a page: the processor's own prefetchers stop where a page ends. Asking for what lies
  // behind the matrix does no harm.
  constexpr i64 kAhead = 512;
  const D d;
  const i64 lanes = static_cast<i64>(hn::Lanes(d)), depth = b.columns;
  for (i64 row = rows.first; row < rows.first + rows.count; ++row) {
    const float* x = b.data + row * b.stride;
    V s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
    i64 k = 0;
    for (; k + 4 * lanes <= depth; k += 4 * lanes) {
      prefetch_row(x + k + kAhead, 0, 16 * lanes);
      s0 = hn::MulAdd(hn::LoadU(d, a + k), hn::LoadU(d, x + k), s0);
      s1 = hn::MulAdd(hn::LoadU(d, a + k + lanes), hn::LoadU(d, x + k + lanes), s1);
      s2 = hn::MulAdd(hn::LoadU(d, a + k + 2 * lanes), hn::LoadU(d, x + k + 2 * lanes), s2);
      s3 = hn::MulAdd(hn::LoadU(d, a + k + 3 * lanes), hn::LoadU(d, x + k + 3 * lanes), s3);
    }
    for (; k + lanes <= depth; k += lanes) {
      s0 = hn::MulAdd(hn::LoadU(d, a + k), hn::LoadU(d, x + k), s0);
    }
    float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3))));
    for (; k < depth; ++k) sum += a[k] * x[k];
    c[row] = into == Into::add ? c[row] + sum : sum;
  }
}

}  // namespace longreach::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longreach {

HWY_EXPORT(PanelWidth);
HWY_EXPORT(TileRows);
HWY_EXPORT(PackPanels);
HWY_EXPORT(MultiplyBlock);
HWY_EXPORT(MultiplyVector);

i64 panel_columns() { return HWY_DYNAMIC_DISPATCH(PanelWidth)(); }
i64 tile_height() { return HWY_DYNAMIC_DISPATCH(TileRows)(); }

void pack_panels(const Factor& b, Range depth, Range columns, float* to) {
  HWY_DYNAMIC_DISPATCH(PackPanels)(b, depth, columns, to);
}

void multiply_block(const Factor& a, const float* panels, Range rows, Range depth, Range columns,
                    const MutableMatrix& c, Into into) {
  HWY_DYNAMIC_DISPATCH(MultiplyBlock)(a, panels, rows, depth, columns, c, into);
}

void multiply_vector(const float* a, Matrix b, Range rows, float* c, Into into) {
  HWY_DYNAMIC_DISPATCH(MultiplyVector)(a, b, rows, c, into);
}

}  // namespace longreach
#endif
