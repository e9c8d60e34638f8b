// Half-precision conversion with Highway, compiled once for each instruction set.
#include "core/half.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/half.cpp"
#include <hwy/foreach_target.h>
//
#include <algorithm>
#include <hwy/highway.h>

#include "core/half-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longreach::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Calls body(from, to) over whole vectors in place, and over a padded copy of the rest.
template <class From, class To, class Body>
HWY_INLINE void over_vectors(const From* from, To* to, i64 n, const Body& body) {
  const i64 lanes = static_cast<i64>(hn::Lanes(hn::ScalableTag<float>()));
  i64 i = 0;
  for (; i + lanes <= n; i += lanes) body(from + i, to + i);
  if (i == n) return;
  HWY_ALIGN From in[HWY_LANES(float)] = {};
  HWY_ALIGN To out[HWY_LANES(float)];
  std::copy(from + i, from + n, in);
  body(in, out);
  std::copy_n(out, n - i, to + i);
}

template <Element kElement>
HWY_INLINE void widen_all(const Half* from, float* to, i64 n) {
  over_vectors(from, to, n, [](const Half* in, float* out) HWY_ATTR {
    const hn::ScalableTag<float> d;
    hn::StoreU(load_widened<kElement>(d, in), d, out);
  });
}

template <Element kElement>
HWY_INLINE void narrow_all(const float* from, Half* to, i64 n) {
  over_vectors(from, to, n, [](const float* in, Half* out) HWY_ATTR {
    store_narrowed<kElement>(hn::LoadU(hn::ScalableTag<float>(), in), out);
  });
}

void Widen(const Half* from, Element element, float* to, i64 n) {
  element == Element::f16 ? widen_all<Element::f16>(from, to, n)
                          : widen_all<Element::bf16>(from, to, n);
}

void Narrow(const float* from, Element element, Half* to, i64 n) {
  element == Element::f16 ? narrow_all<Element::f16>(from, to, n)
                          : narrow_all<Element::bf16>(from, to, n);
}

}  // namespace longreach::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longreach {

HWY_EXPORT(Widen);
HWY_EXPORT(Narrow);

void widen(const Half* from, Element element, float* to, i64 n) {
  HWY_DYNAMIC_DISPATCH(Widen)(from, element, to, n);
}
void narrow(const float* from, Element element, Half* to, i64 n) {
  HWY_DYNAMIC_DISPATCH(Narrow)(from, element, to, n);
}

Floats widened(const Tensor& tensor) {
  Floats out(static_cast<std::size_t>(tensor.size()));
  if (tensor.element() == Element::f32) {
    std::ranges::copy(tensor.flat(), out.begin());
  } else {
    widen(tensor.halves().data(), tensor.element(), out.data(), tensor.size());
  }
  return out;
}

double rounding_of(Element element) {
  switch (element) {
    case Element::f16:
      return 0x1p-11;
    case Element::bf16:
      return 0x1p-8;
    default:
      return 0;
  }
}

}  // namespace longreach
#endif
