// Rows of scores and the exponentials they become. Included once for each instruction set
// (Highway's foreach_target).

#if defined(LONGREACH_ATTENTION_KERNELS_WEIGHTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef LONGREACH_ATTENTION_KERNELS_WEIGHTS_INL_H_
#undef LONGREACH_ATTENTION_KERNELS_WEIGHTS_INL_H_
#else
#define LONGREACH_ATTENTION_KERNELS_WEIGHTS_INL_H_
#endif

#include <limits>

#include "attention/kernels/parts.h"
#include "core/panels-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longreach::attention::kernels::HWY_NAMESPACE {
using namespace longreach::HWY_NAMESPACE;  // the tile

/// Sets what a row does not see of [0, padded).
HWY_INLINE void hide(float* x, Bounds seen, i64 padded, float value) {
  std::fill(x, x + seen.begin, value);
  std::fill(x + seen.end, x + padded, value);
}
constexpr float kHidden = -std::numeric_limits<float>::infinity();

/// The largest of each lane of [0, padded); `padded` is a positive multiple of the vector.
HWY_INLINE V largest(const float* x, i64 padded) {
  const D d;
  const i64 lanes = static_cast<i64>(hn::Lanes(d));
  V top = hn::LoadU(d, x);
  for (i64 i = lanes; i < padded; i += lanes) top = hn::Max(top, hn::LoadU(d, x + i));
  return top;
}
HWY_INLINE float largest_lane(V x) { return hn::GetLane(hn::MaxOfLanes(D(), x)); }
HWY_INLINE float sum_of_lanes(V x) { return hn::GetLane(hn::SumOfLanes(D(), x)); }

/// x = 2^(x - shift) on [0, padded), but 0 where `seen` is not, which must be hidden; returns each
/// lane's sum. What is hidden has no influence, not even on the last bit: it is one constant too
/// small for any sum to feel, before it is 0.
HWY_INLINE V exponentials(float* x, Bounds seen, i64 padded, float shift) {
  const D d;
  const i64 lanes = static_cast<i64>(hn::Lanes(d));
  const V minus = hn::Set(d, shift);
  V sum = hn::Zero(d);
  for (i64 i = 0; i < padded; i += lanes) {
    const V y = exp2_of(hn::Sub(hn::LoadU(d, x + i), minus));
    hn::StoreU(y, d, x + i);
    sum = hn::Add(sum, y);
  }
  hide(x, seen, padded, 0.0f);
  return sum;
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
