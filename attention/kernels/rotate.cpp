// Rotary positions, compiled once for each instruction set.
#include "attention/kernels/rotate.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attention/kernels/rotate.cpp"
#include <hwy/foreach_target.h>
//
#include "core/panels-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longreach::attention::kernels::HWY_NAMESPACE {
using namespace longreach::HWY_NAMESPACE;

void RotateHalves(const float* cosine, const float* sine, float sign,
                  const View<const float, 2>& in, const View<float, 2>& out) {
  const i64 half = in.extent(1) / 2;
  const V signs = hn::Set(D(), sign);
  for (i64 r = 0; r < in.extent(0); ++r, cosine += half, sine += half) {
    const float* from = in.row(r).data();
    float* to = out.row(r).data();
    prefetch_ahead(in, r);
    over(half, [&](auto load, auto store) HWY_ATTR {
      const V c = load(cosine), s = hn::Mul(signs, load(sine));
      const V a = load(from), b = load(from + half);
      store(hn::NegMulAdd(b, s, hn::Mul(a, c)), to);
      store(hn::MulAdd(a, s, hn::Mul(b, c)), to + half);
    });
  }
}

void RotateNeighbours(const float* cosine, const float* sine, float sign,
                      const View<const float, 2>& in, const View<float, 2>& out) {
  const D d;
  const i64 half = in.extent(1) / 2, lanes = static_cast<i64>(hn::Lanes(d));
  const V signs = hn::Set(d, sign);
  for (i64 r = 0; r < in.extent(0); ++r, cosine += half, sine += half) {
    const float* from = in.row(r).data();
    float* to = out.row(r).data();
    prefetch_ahead(in, r);
    i64 i = 0;
    for (; i + lanes <= half; i += lanes) {
      const V c = hn::LoadU(d, cosine + i), s = hn::Mul(signs, hn::LoadU(d, sine + i));
      V a, b;
      hn::LoadInterleaved2(d, from + 2 * i, a, b);
      hn::StoreInterleaved2(hn::NegMulAdd(b, s, hn::Mul(a, c)), hn::MulAdd(a, s, hn::Mul(b, c)), d,
                            to + 2 * i);
    }
    for (; i < half; ++i) {  // no masks for interleaved loads
      const float a = from[2 * i], b = from[2 * i + 1], s = sign * sine[i];
      to[2 * i] = a * cosine[i] - b * s;
      to[2 * i + 1] = a * s + b * cosine[i];
    }
  }
}

}  // namespace longreach::attention::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longreach::attention::kernels {

HWY_EXPORT(RotateHalves);
HWY_EXPORT(RotateNeighbours);

void rotate(Pairing pairing, const float* cosine, const float* sine, float sign,
            View<const float, 2> in, View<float, 2> out) {
  if (pairing == Pairing::half) {
    HWY_DYNAMIC_DISPATCH(RotateHalves)(cosine, sine, sign, in, out);
  } else {
    HWY_DYNAMIC_DISPATCH(RotateNeighbours)(cosine, sine, sign, in, out);
  }
}

}  // namespace longreach::attention::kernels
#endif
