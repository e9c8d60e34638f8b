// Vector functions that several kernels share. Included once for each instruction set (Highway's
// foreach_target).

#if defined(LONGREACH_CORE_VECTOR_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef LONGREACH_CORE_VECTOR_MATH_INL_H_
#undef LONGREACH_CORE_VECTOR_MATH_INL_H_
#else
#define LONGREACH_CORE_VECTOR_MATH_INL_H_
#endif

#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include "core/tensor.h"

HWY_BEFORE_NAMESPACE();
namespace longreach::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

/// Calls body(load, store) over whole vectors of n numbers, then once over the rest: functions that
/// read and write the current lanes of any array.
template <class Body>
HWY_INLINE void over(i64 n, const Body& body) {
  const D d;
  const i64 lanes = static_cast<i64>(hn::Lanes(d));
  i64 i = 0;
  for (; i + lanes <= n; i += lanes) {
    body([&](const float* p) HWY_ATTR { return hn::LoadU(d, p + i); },
         [&](V v, float* p) HWY_ATTR { hn::StoreU(v, d, p + i); });
  }
  if (i < n) {
    const auto rest = hn::FirstN(d, static_cast<std::size_t>(n - i));
    body([&](const float* p) HWY_ATTR { return hn::MaskedLoad(rest, d, p + i); },
         [&](V v, float* p) HWY_ATTR { hn::BlendedStore(v, rest, d, p + i); });
  }
}

/// Adding it rounds a number below 2^22 to an integer, which is then in the low bits.
constexpr float kRoundingMagic = 12582912.0f;  // 1.5 * 2^23

/// 2^(n + f) for f in [-1/2, 1/2] and shifted = n + kRoundingMagic: a degree-5 polynomial, relative
/// error below 2e-7.
HWY_INLINE V power_of_two(V shifted, V f) {
  const D d;
  const hn::RebindToSigned<D> di;
  V p = hn::Set(d, 0.0013264723820611835f);
  p = hn::MulAdd(p, f, hn::Set(d, 0.009671512991189957f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.05550733581185341f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.24022242426872253f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.6931470036506653f));
  p = hn::MulAdd(p, f, hn::Set(d, 1.0f));
  // The integer is in the low bits of `shifted`: move it into the exponent.
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(di, shifted));
  return hn::BitCast(d, hn::Add(hn::BitCast(di, p), exponent));
}

/// 2^x for x below 128, but 2^-126 below that. NaN stays NaN: a diverged model must show.
HWY_INLINE V exp2_of(V x) {
  const D d;
  const V magic = hn::Set(d, kRoundingMagic);
  const V bounded = hn::Max(hn::Set(d, -126.0f), x);  // of a NaN, the second operand
  const V shifted = hn::Add(bounded, magic);
  return power_of_two(shifted, hn::Sub(bounded, hn::Sub(shifted, magic)));
}

/// e^x for x below 88, but 2^-126 below that. NaN stays NaN.
HWY_INLINE V exp_of(V x) {
  const D d;
  const V magic = hn::Set(d, kRoundingMagic), log2_e = hn::Set(d, 1.44269502f);
  const V rest_of_log2_e = hn::Set(d, 1.92596303e-8f);
  const V bounded = hn::Max(hn::Set(d, -87.3365447f), x);
  const V shifted = hn::MulAdd(bounded, log2_e, magic);
  const V n = hn::Sub(shifted, magic);
  return power_of_two(shifted, hn::MulAdd(bounded, rest_of_log2_e, hn::MulSub(bounded, log2_e, n)));
}

/// ELU(x) + 1: positive for every x, so that no sum of features is ever 0. NaN stays NaN.
HWY_INLINE V elu1_of(V x) {
  const D d;
  const V zero = hn::Zero(d);
  return hn::IfThenElse(hn::Gt(x, zero), hn::Add(x, hn::Set(d, 1.0f)), exp_of(hn::Min(zero, x)));
}

HWY_INLINE float dot_of(const float* x, const float* y, i64 n) {
  const D d;
  V sum = hn::Zero(d);
  over(n, [&](auto load, auto) HWY_ATTR { sum = hn::MulAdd(load(x), load(y), sum); });
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

}  // namespace longreach::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LONGREACH_CORE_VECTOR_MATH_INL_H_
