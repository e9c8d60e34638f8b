// Vectorised functions against the standard library in float64, at every length of the tail.
#include "core/vector_math.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <limits>

#include "core/random.h"

using namespace longreach;

namespace {

Floats normals(i64 n, double deviation, std::uint64_t seed) {
  Rng rng(seed);
  Floats x(static_cast<std::size_t>(n));
  for (float& value : x) value = static_cast<float>(deviation * rng.normal());
  return x;
}

/// |a - b| <= tolerance * max(|b|, floor)
void require_close(double a, double b, double tolerance, double floor) {
  INFO(a << " against " << b);
  REQUIRE(std::abs(a - b) <= tolerance * std::max(std::abs(b), floor));
}

}  // namespace

TEST_CASE("exp_shifted agrees with exp and returns the sum, at every tail length") {
  for (i64 n = 0; n <= 35; ++n) {
    Floats x = normals(n, 5, static_cast<std::uint64_t>(n));
    const Floats before = x;
    const float sum = exp_shifted(x.data(), n, 3.0f);
    double expected = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double y = std::exp(static_cast<double>(before[i]) - 3.0);
      require_close(x[i], y, 1e-6, 1e-30);
      expected += y;
    }
    require_close(sum, expected, 1e-6, 1e-30);
  }
}

TEST_CASE("exp_shifted gives 0, not NaN, for minus infinity and what underflows") {
  float x[] = {-std::numeric_limits<float>::infinity(), -1000.0f, 0.0f};
  REQUIRE(exp_shifted(x, 3, 0.0f) == 1.0f);
  REQUIRE(x[0] == 0.0f);
  REQUIRE(x[1] == 0.0f);
}

TEST_CASE("elu1 keeps exp(x) where elu(x) + 1 would round to 0") {
  for (const float x : {-80.0f, -30.0f, -20.0f, -1.0f, 0.0f, 0.5f, 7.0f}) {
    float y = 0;
    elu1(&x, &y, 1);
    require_close(y, x > 0 ? x + 1.0 : std::exp(static_cast<double>(x)), 1e-6, 0);
  }
}

TEST_CASE("The derivative of elu1 is 1 above 0 and exp(x) below") {
  const Floats x = normals(37, 2, 5);
  Floats y(x.size()), d(x.size(), 1.0f);
  elu1(x.data(), y.data(), 37);
  elu1_backward(y.data(), d.data(), 37);
  for (std::size_t i = 0; i < x.size(); ++i) {
    require_close(d[i], x[i] > 0 ? 1.0 : std::exp(static_cast<double>(x[i])), 1e-6, 0);
  }
}

TEST_CASE("Activations and their gradients agree with float64 central differences") {
  const i64 n = 41;
  const Floats gate = normals(n, 2, 8), up = normals(n, 1, 9), cotangent = normals(n, 1, 10);
  Floats out(gate.size()), d_gate(gate.size()), d_up(gate.size());
  const auto silu = [](double x) { return x / (1 + std::exp(-x)); };
  const auto gelu64 = [](double x) {
    return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  };
  const auto slope = [](const std::function<double(double)>& f, double x) {
    return (f(x + 1e-5) - f(x - 1e-5)) / 2e-5;
  };
  silu_multiply(gate.data(), up.data(), out.data(), n);
  silu_multiply_backward(gate.data(), up.data(), cotangent.data(), d_gate.data(), d_up.data(), n);
  for (std::size_t i = 0; i < gate.size(); ++i) {
    require_close(out[i], silu(gate[i]) * up[i], 1e-5, 1e-3);
    require_close(d_up[i], silu(gate[i]) * cotangent[i], 1e-5, 1e-3);
    require_close(d_gate[i], slope(silu, gate[i]) * up[i] * cotangent[i], 1e-5, 1e-2);
  }
  gelu(gate.data(), out.data(), n);
  gelu_backward(gate.data(), cotangent.data(), d_gate.data(), n);
  for (std::size_t i = 0; i < gate.size(); ++i) {
    require_close(out[i], gelu64(gate[i]), 1e-5, 1e-2);
    require_close(d_gate[i], slope(gelu64, gate[i]) * cotangent[i], 1e-5, 1e-2);
  }
}

TEST_CASE(
    "A power of the sigmoid is right on both sides, ends at its least, and has no slope there") {
  Floats x = normals(37, 8, 11);
  x[0] = 200, x[1] = -200, x[2] = 0;
  const auto log64 = [](double v) { return -std::log1p(std::exp(-v)); };
  for (const float power : {1.0f, 1 / 16.0f}) {
    Floats y(x.size()), d(x.size(), 2.0f);
    sigmoid_power(x.data(), power, -4, y.data(), 37);
    sigmoid_power_backward(x.data(), power, -4, y.data(), d.data(), 37);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double v = x[i], log = power * (v < -100 ? v : log64(v));
      INFO(v << " to the power " << power);
      require_close(y[i], std::exp(std::max(-4.0, log)), 1e-6, 0);
      require_close(d[i], log < -4 ? 0 : 2 * power / (1 + std::exp(v)), 2e-6, 1e-28);
    }
  }
}

TEST_CASE("dot, add_scaled, scale and max_of handle every tail length") {
  for (i64 n = 1; n <= 35; ++n) {
    const Floats x = normals(n, 1, 100), y = normals(n, 1, 200);
    Floats z = y;
    double expected = 0;
    for (i64 i = 0; i < n; ++i) expected += static_cast<double>(x[i]) * y[i];
    require_close(dot(x.data(), y.data(), n), expected, 1e-5, 1);
    add_scaled(2, x.data(), z.data(), n);
    scale(0.5f, z.data(), n);
    for (i64 i = 0; i < n; ++i) require_close(z[i], 0.5 * (y[i] + 2.0 * x[i]), 1e-6, 1);
    REQUIRE(max_of(x.data(), n) == *std::max_element(x.begin(), x.end()));
  }
}
