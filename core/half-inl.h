// Vectors of float32 from and to half-precision memory. Included once for each instruction set
// (Highway's foreach_target).

#if defined(LONGREACH_CORE_HALF_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef LONGREACH_CORE_HALF_INL_H_
#undef LONGREACH_CORE_HALF_INL_H_
#else
#define LONGREACH_CORE_HALF_INL_H_
#endif

#include <hwy/highway.h>

#include "core/tensor.h"

HWY_BEFORE_NAMESPACE();
namespace longreach::HWY_NAMESPACE {

/// A vector of float32 from that many halves.
template <Element kElement, class D>
HWY_INLINE auto load_widened(D d, const Half* from) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::Rebind<Half, D> d16;
  if constexpr (kElement == Element::f16) {
    const hn::Rebind<hwy::float16_t, D> df16;
    return hn::PromoteTo(d, hn::BitCast(df16, hn::LoadU(d16, from)));
  } else {
    const hn::RebindToUnsigned<D> d32;
    return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(d32, hn::LoadU(d16, from))));
  }
}

/// Rounds to nearest, ties to even. A NaN stays one.
template <Element kElement, class V>
HWY_INLINE void store_narrowed(V v, Half* to) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::ScalableTag<float> d;
  const hn::Rebind<Half, decltype(d)> d16;
  if constexpr (kElement == Element::f16) {
    const hn::Rebind<hwy::float16_t, decltype(d)> df16;
    hn::StoreU(hn::BitCast(d16, hn::DemoteTo(df16, v)), d16, to);
  } else {
    const hn::RebindToUnsigned<decltype(d)> d32;
    const auto bits = hn::BitCast(d32, v);
    const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(d32, 1));
    const auto rounded = hn::Add(bits, hn::Add(odd, hn::Set(d32, 0x7FFF)));
    const auto kept = hn::IfThenElse(hn::RebindMask(d32, hn::IsNaN(v)), bits, rounded);
    hn::StoreU(hn::TruncateTo(d16, hn::ShiftRight<16>(kept)), d16, to);
  }
}

}  // namespace longreach::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LONGREACH_CORE_HALF_INL_H_
