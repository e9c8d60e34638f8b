// Elementwise functions, compiled once for each instruction set.
#include "core/vector_math.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/vector_math.cpp"
#include <hwy/foreach_target.h>
//
#include "core/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longreach::HWY_NAMESPACE {

/// 0 below the least exponent that gives a normal number, where the polynomial is not valid.
HWY_ATTR V exp_safe(V x) {
  const D d;
  const V least = hn::Set(d, -87.0f);
  return hn::IfThenElseZero(hn::Gt(x, least), hn::Exp(d, hn::Max(x, least)));
}

float MaxOf(const float* x, i64 n) {
  const D d;
  V best = hn::Set(d, x[0]);
  const i64 lanes = static_cast<i64>(hn::Lanes(d));
  i64 i = 0;
  for (; i + lanes <= n; i += lanes) best = hn::Max(best, hn::LoadU(d, x + i));
  float result = hn::GetLane(hn::MaxOfLanes(d, best));
  for (; i < n; ++i) result = result < x[i] ? x[i] : result;
  return result;
}

float ExpShifted(float* x, i64 n, float shift) {
  const D d;
  const V minus = hn::Set(d, shift);
  const i64 lanes = static_cast<i64>(hn::Lanes(d));
  V sum = hn::Zero(d);
  i64 i = 0;
  for (; i + lanes <= n; i += lanes) {
    const V y = exp_safe(hn::Sub(hn::LoadU(d, x + i), minus));
    hn::StoreU(y, d, x + i);
    sum = hn::Add(sum, y);
  }
  if (i < n) {
    const auto rest = hn::FirstN(d, static_cast<std::size_t>(n - i));
    const V y = hn::IfThenElseZero(rest, exp_safe(hn::Sub(hn::MaskedLoad(rest, d, x + i), minus)));
    hn::BlendedStore(y, rest, d, x + i);
    sum = hn::Add(sum, y);
  }
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

void Elu1(const float* x, float* y, i64 n) {
  over(n, [&](auto load, auto store) HWY_ATTR { store(elu1_of(load(x)), y); });
}

void Elu1Backward(const float* y, float* g, i64 n) {
  const D d;
  over(n, [&](auto load, auto store)
              HWY_ATTR { store(hn::Mul(load(g), hn::Min(load(y), hn::Set(d, 1.0f))), g); });
}

void AddScaled(float a, const float* x, float* y, i64 n) {
  const D d;
  const V factor = hn::Set(d, a);
  over(n, [&](auto load, auto store) HWY_ATTR { store(hn::MulAdd(factor, load(x), load(y)), y); });
}

void Scale(float a, float* y, i64 n) {
  const D d;
  const V factor = hn::Set(d, a);
  over(n, [&](auto load, auto store) HWY_ATTR { store(hn::Mul(factor, load(y)), y); });
}

float Dot(const float* x, const float* y, i64 n) { return dot_of(x, y, n); }

/// 1 / (1 + exp(-x)).
HWY_ATTR V sigmoid(V x) {
  const D d;
  const V one = hn::Set(d, 1.0f);
  const V limit = hn::Set(d, 87.0f);
  return hn::Div(one, hn::Add(one, hn::Exp(d, hn::Min(hn::Neg(x), limit))));
}

void SiluMultiply(const float* gate, const float* up, float* out, i64 n) {
  over(n, [&](auto load, auto store) HWY_ATTR {
    const V g = load(gate);
    store(hn::Mul(hn::Mul(g, sigmoid(g)), load(up)), out);
  });
}

void SiluMultiplyBackward(const float* gate, const float* up, const float* d_out, float* d_gate,
                          float* d_up, i64 n) {
  const D d;
  over(n, [&](auto load, auto store) HWY_ATTR {
    const V g = load(gate);
    const V s = sigmoid(g);
    const V silu = hn::Mul(g, s);
    const V grad = load(d_out);
    // silu' = s (1 + g (1 - s)) = s + silu (1 - s)
    const V slope = hn::MulAdd(silu, hn::Sub(hn::Set(d, 1.0f), s), s);
    const V d_g = hn::Mul(hn::Mul(grad, load(up)), slope);
    store(hn::Mul(grad, silu), d_up);
    store(d_g, d_gate);
  });
}

// gelu(x) = x sigmoid(2u), u = sqrt(2/pi) (x + 0.044715 x^3), which is the tanh form exactly.
constexpr float kGeluA = 1.5957691216057308f;  // 2 sqrt(2/pi)
constexpr float kGeluB = 0.044715f;

void Gelu(const float* x, float* out, i64 n) {
  const D d;
  over(n, [&](auto load, auto store) HWY_ATTR {
    const V v = load(x);
    const V cubic = hn::MulAdd(hn::Mul(hn::Set(d, kGeluB), v), hn::Mul(v, v), v);
    store(hn::Mul(v, sigmoid(hn::Mul(hn::Set(d, kGeluA), cubic))), out);
  });
}

void GeluBackward(const float* x, const float* d_out, float* d_x, i64 n) {
  const D d;
  const V one = hn::Set(d, 1.0f);
  over(n, [&](auto load, auto store) HWY_ATTR {
    const V v = load(x);
    const V square = hn::Mul(v, v);
    const V cubic = hn::MulAdd(hn::Mul(hn::Set(d, kGeluB), v), square, v);
    const V s = sigmoid(hn::Mul(hn::Set(d, kGeluA), cubic));
    const V slope = hn::Mul(hn::Set(d, kGeluA), hn::MulAdd(hn::Set(d, 3 * kGeluB), square, one));
    const V total = hn::MulAdd(hn::Mul(hn::Mul(v, s), hn::Sub(one, s)), slope, s);
    store(hn::Mul(load(d_out), total), d_x);
  });
}

const char* Isa() { return hwy::TargetName(HWY_TARGET); }

void SigmoidPower(const float* x, float power, float least, float* y, i64 n) {
  const D d;
  const V zero = hn::Zero(d);
  over(n, [&](auto load, auto store) HWY_ATTR {
    const V v = load(x);
    // log sigmoid(x), without overflow on either side.
    const V log = hn::Sub(hn::Min(v, zero), hn::Log1p(d, exp_of(hn::Neg(hn::Abs(v)))));
    store(exp_of(hn::Max(hn::Set(d, least), hn::Mul(hn::Set(d, power), log))), y);
  });
}

void SigmoidPowerBackward(const float* x, float power, float least, const float* y, float* g,
                          i64 n) {
  const D d;
  const V one = hn::Set(d, 1.0f);
  const V limit = hn::Set(d, 1.00001f * std::exp(least));  // rounding of y included
  over(n, [&](auto load, auto store) HWY_ATTR {
    const V rest =
        hn::Div(hn::Set(d, power), hn::Add(one, exp_of(hn::Min(load(x), hn::Set(d, 80)))));
    store(hn::IfThenElseZero(hn::Gt(load(y), limit), hn::Mul(load(g), rest)), g);
  });
}

}  // namespace longreach::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longreach {

HWY_EXPORT(MaxOf);
HWY_EXPORT(ExpShifted);
HWY_EXPORT(Elu1);
HWY_EXPORT(Elu1Backward);
HWY_EXPORT(AddScaled);
HWY_EXPORT(Scale);
HWY_EXPORT(Dot);
HWY_EXPORT(SigmoidPower);
HWY_EXPORT(SigmoidPowerBackward);
HWY_EXPORT(SiluMultiply);
HWY_EXPORT(SiluMultiplyBackward);
HWY_EXPORT(Gelu);
HWY_EXPORT(GeluBackward);
HWY_EXPORT(Isa);

float max_of(const float* x, i64 n) { return HWY_DYNAMIC_DISPATCH(MaxOf)(x, n); }
float exp_shifted(float* x, i64 n, float shift) {
  return HWY_DYNAMIC_DISPATCH(ExpShifted)(x, n, shift);
}
void elu1(const float* x, float* y, i64 n) { HWY_DYNAMIC_DISPATCH(Elu1)(x, y, n); }
void elu1_backward(const float* y, float* d, i64 n) { HWY_DYNAMIC_DISPATCH(Elu1Backward)(y, d, n); }
void add_scaled(float a, const float* x, float* y, i64 n) {
  HWY_DYNAMIC_DISPATCH(AddScaled)(a, x, y, n);
}
void scale(float a, float* y, i64 n) { HWY_DYNAMIC_DISPATCH(Scale)(a, y, n); }
float dot(const float* x, const float* y, i64 n) { return HWY_DYNAMIC_DISPATCH(Dot)(x, y, n); }
void sigmoid_power(const float* x, float power, float least, float* y, i64 n) {
  HWY_DYNAMIC_DISPATCH(SigmoidPower)(x, power, least, y, n);
}
void sigmoid_power_backward(const float* x, float power, float least, const float* y, float* d,
                            i64 n) {
  HWY_DYNAMIC_DISPATCH(SigmoidPowerBackward)(x, power, least, y, d, n);
}
void silu_multiply(const float* gate, const float* up, float* out, i64 n) {
  HWY_DYNAMIC_DISPATCH(SiluMultiply)(gate, up, out, n);
}
void silu_multiply_backward(const float* gate, const float* up, const float* d_out, float* d_gate,
                            float* d_up, i64 n) {
  HWY_DYNAMIC_DISPATCH(SiluMultiplyBackward)(gate, up, d_out, d_gate, d_up, n);
}
void gelu(const float* x, float* out, i64 n) { HWY_DYNAMIC_DISPATCH(Gelu)(x, out, n); }
void gelu_backward(const float* x, const float* d_out, float* d_x, i64 n) {
  HWY_DYNAMIC_DISPATCH(GeluBackward)(x, d_out, d_x, n);
}
const char* vector_isa() { return HWY_DYNAMIC_DISPATCH(Isa)(); }

}  // namespace longreach
#endif
