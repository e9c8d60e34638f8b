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

/// First and second elements of as many pairs as a vector holds.
struct Pairs {
  V a, b;
};

/// Turns each row of `in` and hands its pairs, a vector of them at a time, to use(row, before,
/// after, put): put(pairs, to) stores such pairs at the same places of another row.
template <class Use>
HWY_INLINE void turn_halves(const float* cosine, const float* sine, float sign,
                            const View<const float, 2>& in, const Use& use) {
  const i64 half = in.extent(1) / 2;
  const V signs = hn::Set(D(), sign);
  for (i64 r = 0; r < in.extent(0); ++r, cosine += half, sine += half) {
    const float* from = in.row(r).data();
    prefetch_ahead(in, r);
    over(half, [&](auto load, auto store) HWY_ATTR {
      const V c = load(cosine), s = hn::Mul(signs, load(sine));
      const Pairs x{load(from), load(from + half)};
      use(r, x, Pairs{hn::NegMulAdd(x.b, s, hn::Mul(x.a, c)), hn::MulAdd(x.a, s, hn::Mul(x.b, c))},
          [&](const Pairs& y, float* to) HWY_ATTR {
            store(y.a, to);
            store(y.b, to + half);
          });
    });
  }
}

template <class Use>
HWY_INLINE void turn_neighbours(const float* cosine, const float* sine, float sign,
                                const View<const float, 2>& in, const Use& use) {
  const D d;
  const i64 half = in.extent(1) / 2, lanes = static_cast<i64>(hn::Lanes(d));
  const V signs = hn::Set(d, sign);
  HWY_ALIGN float padded[2 * HWY_LANES(float)] = {};
  for (i64 r = 0; r < in.extent(0); ++r, cosine += half, sine += half) {
    const float* from = in.row(r).data();
    prefetch_ahead(in, r);
    for (i64 i = 0; i < half; i += lanes) {
      // There are no masks for interleaved loads: the rest goes through memory.
      const i64 rest = half - i < lanes ? half - i : 0;
      const auto lanes_in = hn::FirstN(d, static_cast<std::size_t>(rest > 0 ? rest : lanes));
      const V c = hn::MaskedLoad(lanes_in, d, cosine + i);
      const V s = hn::Mul(signs, hn::MaskedLoad(lanes_in, d, sine + i));
      if (rest > 0) std::copy_n(from + 2 * i, 2 * rest, padded);
      Pairs x;
      hn::LoadInterleaved2(d, rest > 0 ? padded : from + 2 * i, x.a, x.b);
      use(r, x, Pairs{hn::NegMulAdd(x.b, s, hn::Mul(x.a, c)), hn::MulAdd(x.a, s, hn::Mul(x.b, c))},
          [&](const Pairs& y, float* to) HWY_ATTR {
            hn::StoreInterleaved2(y.a, y.b, d, rest > 0 ? padded : to + 2 * i);
            if (rest > 0) std::copy_n(padded, 2 * rest, to + 2 * i);
          });
    }
  }
}

template <class Use>
HWY_INLINE void turn(Pairing pairing, const float* cosine, const float* sine, float sign,
                     const View<const float, 2>& in, const Use& use) {
  if (pairing == Pairing::half) {
    turn_halves(cosine, sine, sign, in, use);
  } else {
    turn_neighbours(cosine, sine, sign, in, use);
  }
}

HWY_INLINE Pairs features_of(const Pairs& x) { return {elu1_of(x.a), elu1_of(x.b)}; }

void Rotate(Pairing pairing, const float* cosine, const float* sine, float sign,
            const View<const float, 2>& in, const View<float, 2>& out) {
  turn(pairing, cosine, sine, sign, in,
       [&](i64 r, const Pairs&, const Pairs& after, const auto& put)
           HWY_ATTR { put(after, out.row(r).data()); });
}

void RotateWithFeatures(Pairing pairing, const float* cosine, const float* sine, float sign,
                        const View<const float, 2>& in, const View<float, 2>& out,
                        float* features) {
  turn(pairing, cosine, sine, sign, in,
       [&](i64 r, const Pairs& before, const Pairs& after, const auto& put) HWY_ATTR {
         put(after, out.row(r).data());
         put(features_of(before), features + r * in.extent(1));
       });
}

void FeaturesOfRotated(Pairing pairing, const float* cosine, const float* sine, float sign,
                       const View<const float, 2>& in, float* features) {
  turn(pairing, cosine, sine, sign, in,
       [&](i64 r, const Pairs&, const Pairs& after, const auto& put)
           HWY_ATTR { put(features_of(after), features + r * in.extent(1)); });
}

}  // namespace longreach::attention::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longreach::attention::kernels {

HWY_EXPORT(Rotate);
HWY_EXPORT(RotateWithFeatures);
HWY_EXPORT(FeaturesOfRotated);

void rotate(Pairing pairing, const float* cosine, const float* sine, float sign,
            View<const float, 2> in, View<float, 2> out) {
  HWY_DYNAMIC_DISPATCH(Rotate)(pairing, cosine, sine, sign, in, out);
}

void rotate_with_features(Pairing pairing, const float* cosine, const float* sine, float sign,
                          View<const float, 2> in, View<float, 2> out, float* features) {
  HWY_DYNAMIC_DISPATCH(RotateWithFeatures)(pairing, cosine, sine, sign, in, out, features);
}

void features_of_rotated(Pairing pairing, const float* cosine, const float* sine, float sign,
                         View<const float, 2> in, float* features) {
  HWY_DYNAMIC_DISPATCH(FeaturesOfRotated)(pairing, cosine, sine, sign, in, features);
}

}  // namespace longreach::attention::kernels
#endif
