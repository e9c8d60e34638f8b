// Rows of scores and the exponentials they become. Included once for each instruction set
// (Highway's foreach_target).

#if defined(LONGREACH_ATTENTION_KERNELS_WEIGHTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef LONGREACH_ATTENTION_KERNELS_WEIGHTS_INL_H_
#undef LONGREACH_ATTENTION_KERNELS_WEIGHTS_INL_H_
#else
#define LONGREACH_ATTENTION_KERNELS_WEIGHTS_INL_H_
#endif

#include <limits>

#include "attention/kernels/panels-inl.h"
#include "attention/kernels/parts.h"

HWY_BEFORE_NAMESPACE();
namespace longreach::attention::kernels::HWY_NAMESPACE {

HWY_INLINE float max_of_row(const float* x, i64 n) {
  float best = x[0];
  const D d;
  const i64 lanes = static_cast<i64>(hn::Lanes(d));
  i64 i = 0;
  if (n >= lanes) {
    V top = hn::LoadU(d, x);
    for (i = lanes; i + lanes <= n; i += lanes) top = hn::Max(top, hn::LoadU(d, x + i));
    best = hn::GetLane(hn::MaxOfLanes(d, top));
  }
  for (; i < n; ++i) best = std::max(best, x[i]);
  return best;
}

/// x = 2^(x - shift) on [begin, end), 0 elsewhere in [0, padded); returns the sum. `padded` is a
/// multiple of the vector.
HWY_INLINE float exponentials(float* x, Bounds seen, i64 padded, float shift) {
  const D d;
  const i64 lanes = static_cast<i64>(hn::Lanes(d));
  const V minus = hn::Set(d, shift);
  std::fill(x, x + seen.begin, -std::numeric_limits<float>::infinity());
  std::fill(x + seen.end, x + padded, -std::numeric_limits<float>::infinity());
  V sum = hn::Zero(d);
  for (i64 i = 0; i < padded; i += lanes) {
    const V y = exp2_of_nonpositive(hn::Sub(hn::LoadU(d, x + i), minus));
    hn::StoreU(y, d, x + i);
    sum = hn::Add(sum, y);
  }
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

HWY_INLINE void scale_row(float factor, float* x, i64 padded) {
  const D d;
  const V f = hn::Set(d, factor);
  for (i64 i = 0; i < padded; i += static_cast<i64>(hn::Lanes(d))) {
    hn::StoreU(hn::Mul(f, hn::LoadU(d, x + i)), d, x + i);
  }
}

}  // namespace longreach::attention::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LONGREACH_ATTENTION_KERNELS_WEIGHTS_INL_H_
