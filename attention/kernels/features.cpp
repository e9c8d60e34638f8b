// Elementwise feature maps, compiled once for each instruction set.
#include "attention/kernels/features.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attention/kernels/features.cpp"
#include <hwy/foreach_target.h>
//
#include "core/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longreach::attention::kernels::HWY_NAMESPACE {
using namespace longreach::HWY_NAMESPACE;

HWY_INLINE V bounded_exp_of(V x) {
  const V most = hn::Set(D(), kMostExponent);
  return exp_of(hn::Max(hn::Neg(most), hn::Min(most, x)));  // NaN stays NaN: the second operand
}

void Relu(const float* x, float* y, i64 n) {
  over(n, [&](auto load, auto store) HWY_ATTR {
    store(hn::Add(hn::Max(hn::Zero(D()), load(x)), hn::Set(D(), kReluFloor)), y);
  });
}
void ReluBackward(const float* y, float* d, i64 n) {
  over(n, [&](auto load, auto store) HWY_ATTR {
    store(hn::IfThenElseZero(hn::Gt(load(y), hn::Set(D(), kReluFloor)), load(d)), d);
  });
}

/// max(x, 0) + log(1 + exp(-|x|)).
void Softplus(const float* x, float* y, i64 n) {
  over(n, [&](auto load, auto store) HWY_ATTR {
    const V v = load(x);
    const V rest = hn::Log1p(D(), exp_of(hn::Neg(hn::Abs(v))));
    store(hn::Add(hn::Max(v, hn::Zero(D())), rest), y);
  });
}
/// sigmoid(x) = 1 - exp(-y), as a series where the difference would lose its digits.
void SoftplusBackward(const float* y, float* d, i64 n) {
  over(n, [&](auto load, auto store) HWY_ATTR {
    const D tag;
    const V v = load(y), one = hn::Set(tag, 1.0f);
    const V series = hn::Mul(
        v, hn::NegMulAdd(v, hn::NegMulAdd(v, hn::Set(tag, 1.0f / 6), hn::Set(tag, 0.5f)), one));
    const V slope =
        hn::IfThenElse(hn::Lt(v, hn::Set(tag, 0.01f)), series, hn::Sub(one, exp_of(hn::Neg(v))));
    store(hn::Mul(load(d), slope), d);
  });
}

void BoundedExp(const float* x, float* y, i64 n) {
  over(n, [&](auto load, auto store) HWY_ATTR { store(bounded_exp_of(load(x)), y); });
}
void BoundedExpBackward(const float* y, float* d, i64 n) {
  const V most = bounded_exp_of(hn::Set(D(), kMostExponent));
  const V least = bounded_exp_of(hn::Set(D(), -kMostExponent));
  over(n, [&](auto load, auto store) HWY_ATTR {
    const V v = load(y);
    const auto inside = hn::And(hn::Gt(v, least), hn::Lt(v, most));
    store(hn::IfThenElseZero(inside, hn::Mul(load(d), v)), d);
  });
}

}  // namespace longreach::attention::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longreach::attention::kernels {

HWY_EXPORT(Relu);
HWY_EXPORT(ReluBackward);
HWY_EXPORT(Softplus);
HWY_EXPORT(SoftplusBackward);
HWY_EXPORT(BoundedExp);
HWY_EXPORT(BoundedExpBackward);

void relu(const float* x, float* y, i64 n) { HWY_DYNAMIC_DISPATCH(Relu)(x, y, n); }
void relu_backward(const float* y, float* d, i64 n) { HWY_DYNAMIC_DISPATCH(ReluBackward)(y, d, n); }
void softplus(const float* x, float* y, i64 n) { HWY_DYNAMIC_DISPATCH(Softplus)(x, y, n); }
void softplus_backward(const float* y, float* d, i64 n) {
  HWY_DYNAMIC_DISPATCH(SoftplusBackward)(y, d, n);
}
void bounded_exp(const float* x, float* y, i64 n) { HWY_DYNAMIC_DISPATCH(BoundedExp)(x, y, n); }
void bounded_exp_backward(const float* y, float* d, i64 n) {
  HWY_DYNAMIC_DISPATCH(BoundedExpBackward)(y, d, n);
}

}  // namespace longreach::attention::kernels
#endif
