#include "core/half.h"

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "core/random.h"

using namespace longreach;

namespace {

/// The value of binary16 bits, from the definition (IEEE 754-2008, 3.4).
double f16_value(unsigned bits) {
  const double sign = (bits & 0x8000u) != 0 ? -1 : 1;
  const int exponent = static_cast<int>((bits >> 10) & 31u);
  const double fraction = static_cast<double>(bits & 1023u) / 1024;
  if (exponent == 31) return fraction == 0 ? sign * std::numeric_limits<double>::infinity() : NAN;
  return exponent == 0 ? sign * std::ldexp(fraction, -14)
                       : sign * std::ldexp(1 + fraction, exponent - 15);
}

float narrowed_and_back(float x, Element element) {
  Half bits = 0;
  narrow(&x, element, &bits, 1);
  widen(&bits, element, &x, 1);
  return x;
}

}  // namespace

TEST_CASE("every binary16 number widens to its value, and narrows back to its bits") {
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const Half half = static_cast<Half>(bits);
    float wide = 0;
    widen(&half, Element::f16, &wide, 1);
    const double expected = f16_value(bits);
    INFO("bits " << bits);
    if (std::isnan(expected)) {
      REQUIRE(std::isnan(wide));
      continue;
    }
    REQUIRE(static_cast<double>(wide) == expected);
    Half back = 0;
    narrow(&wide, Element::f16, &back, 1);
    REQUIRE(back == half);
  }
}

TEST_CASE("a bfloat16 is the upper half of a float") {
  for (unsigned bits = 0; bits < 65536; bits += 7) {
    const Half half = static_cast<Half>(bits);
    float wide = 0;
    widen(&half, Element::bf16, &wide, 1);
    REQUIRE(std::bit_cast<std::uint32_t>(wide) == bits << 16);
  }
}

TEST_CASE("narrowing rounds to the nearest, and a tie to the even one") {
  // Spacing at 1: 2^-10 for binary16, 2^-7 for bfloat16.
  CHECK(narrowed_and_back(1 + 0x1p-11f, Element::f16) == 1);
  CHECK(narrowed_and_back(1 + 0x1.8p-10f, Element::f16) == 1 + 0x1p-9f);
  CHECK(narrowed_and_back(1 + 0x1.1p-11f, Element::f16) == 1 + 0x1p-10f);
  CHECK(narrowed_and_back(1 + 0x1p-8f, Element::bf16) == 1);
  CHECK(narrowed_and_back(1 + 0x1.8p-7f, Element::bf16) == 1 + 0x1p-6f);
  CHECK(narrowed_and_back(-1 - 0x1.1p-8f, Element::bf16) == -1 - 0x1p-7f);
  CHECK(std::isinf(narrowed_and_back(65520, Element::f16)));
  CHECK(std::isnan(narrowed_and_back(std::numeric_limits<float>::quiet_NaN(), Element::bf16)));
  CHECK(std::isnan(narrowed_and_back(std::numeric_limits<float>::quiet_NaN(), Element::f16)));
}

TEST_CASE("rounding stays within the error stated, whatever the count") {
  for (const Element element : {Element::f16, Element::bf16}) {
    for (i64 n = 0; n < 40; ++n) {
      Floats values(static_cast<std::size_t>(n)), back(values.size());
      Rng rng = Rng(1).fork(n);
      for (float& value : values) value = static_cast<float>(rng.normal());
      Halves halves(values.size());
      narrow(values.data(), element, halves.data(), n);
      widen(halves.data(), element, back.data(), n);
      for (i64 i = 0; i < n; ++i) {
        INFO("value " << i << " of " << n);
        CHECK(std::abs(back[i] - values[i]) <= rounding_of(element) * std::abs(values[i]));
      }
    }
  }
}

TEST_CASE("a half tensor weighs two bytes a number and starts at zero") {
  const Tensor tensor({3, 5}, Element::f16);
  CHECK(tensor.bytes() == 30);
  CHECK(widened(tensor) == Floats(15, 0.0f));
  CHECK(Tensor({3, 5}).bytes() == 60);
}
