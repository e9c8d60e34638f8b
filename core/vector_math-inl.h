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

/// ELU(x) + 1: positive for every x, so that no sum of features is ever 0.
HWY_INLINE V elu1_of(V x) {
  const D d;
  const V zero = hn::Zero(d);
  return hn::IfThenElse(hn::Gt(x, zero), hn::Add(x, hn::Set(d, 1.0f)),
                        hn::Exp(d, hn::Max(hn::Set(d, -87.0f), hn::Min(x, zero))));
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
