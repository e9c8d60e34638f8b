// Tests of attention/rope.h.
#include "attention/rope.h"

#include <catch2/catch.hpp>
#include <cmath>

namespace longreach::attention {
namespace {

std::vector<float> turned(const Rope& rope, i64 position, std::vector<float> row, Turn turn) {
  // Through a block that does not begin at the position, as kernels do.
  const i64 first = position > 3 ? position - 3 : 0;
  const Rope::Angles angles = rope.angles(first, 8);
  const View<float, 2> rows(row.data(), {1, std::ssize(row)});
  rope.turn(angles, position - first, rows, rows, turn);
  return row;
}

}  // namespace

TEST_CASE("Half pairing turns (i, i + D/2), interleaved (2i, 2i + 1)") {
  // D = 4, theta = 16: pair 0 turns by the position, pair 1 by position / 4.
  const double c0 = std::cos(2.0), s0 = std::sin(2.0), c1 = std::cos(0.5), s1 = std::sin(0.5);
  const Rope half(RopeParams{16, Pairing::half}, 4);
  const std::vector<float> a = turned(half, 2, {1, 2, 3, 4}, Turn::forward);
  CHECK(a[0] == Approx(1 * c0 - 3 * s0));
  CHECK(a[2] == Approx(1 * s0 + 3 * c0));
  CHECK(a[1] == Approx(2 * c1 - 4 * s1));
  CHECK(a[3] == Approx(2 * s1 + 4 * c1));
  const Rope interleaved(RopeParams{16, Pairing::interleaved}, 4);
  const std::vector<float> b = turned(interleaved, 2, {1, 2, 3, 4}, Turn::forward);
  CHECK(b[0] == Approx(1 * c0 - 2 * s0));
  CHECK(b[1] == Approx(1 * s0 + 2 * c0));
  CHECK(b[2] == Approx(3 * c1 - 4 * s1));
  CHECK(b[3] == Approx(3 * s1 + 4 * c1));
}

TEST_CASE("Turning back undoes turning forward") {
  for (const Pairing pairing : {Pairing::half, Pairing::interleaved}) {
    const Rope rope(RopeParams{10000, pairing}, 8);
    const std::vector<float> row{1, -2, 3, -4, 5, -6, 7, -8};
    const std::vector<float> back =
        turned(rope, 777, turned(rope, 777, row, Turn::forward), Turn::back);
    for (std::size_t i = 0; i < row.size(); ++i) CHECK(back[i] == Approx(row[i]).epsilon(1e-5));
  }
}

TEST_CASE("Angles are right to float32 at position 100000 and at a million") {
  const i64 position = GENERATE(0, 1, 255, 256, 100000, 1000003);
  const i64 head_dim = 16;
  const Rope rope(RopeParams{10000, Pairing::half}, head_dim);
  for (i64 i = 0; i < head_dim / 2; ++i) {
    std::vector<float> row(static_cast<std::size_t>(head_dim), 0.0F);
    row[static_cast<std::size_t>(i)] = 1;
    const std::vector<float> out = turned(rope, position, row, Turn::forward);
    // Long double, so that the angle itself is exact to 1e-13 here.
    const long double angle = static_cast<long double>(position) *
                              std::pow(10000.0L, -2.0L * static_cast<long double>(i) /
                                                     static_cast<long double>(head_dim));
    CAPTURE(position, i);
    CHECK(std::abs(out[static_cast<std::size_t>(i)] - std::cos(angle)) < 1.2e-7L);
    CHECK(std::abs(out[static_cast<std::size_t>(i + head_dim / 2)] - std::sin(angle)) < 1.2e-7L);
  }
}

TEST_CASE("Without parameters nothing turns") {
  const Rope rope(std::nullopt, 4);
  CHECK_FALSE(rope.enabled());
  CHECK(turned(rope, 9, {1, 2, 3, 4}, Turn::forward) == std::vector<float>{1, 2, 3, 4});
}

/// Radians a token by which each pair of a scaled rope turns, and how much longer rows become:
/// measured on rows with one element set.
struct Measured {
  std::vector<double> frequency;
  double length = 0;
};
Measured measure(const ScaledRopeParams& params, i64 head_dim) {
  const Rope rope(std::make_optional(params), head_dim);
  Measured m;
  for (i64 i = 0; i < head_dim / 2; ++i) {
    std::vector<double> row(static_cast<std::size_t>(head_dim), 0.0), out(row);
    row[static_cast<std::size_t>(i)] = 1;
    rope.turn64(1, row.data(), out.data());
    const double a = out[static_cast<std::size_t>(i)];
    const double b = out[static_cast<std::size_t>(i + head_dim / 2)];
    m.frequency.push_back(std::atan2(b, a));
    m.length = std::hypot(a, b);
  }
  return m;
}

TEST_CASE("Scaled frequencies are those of the papers") {
  // theta 10000, D 64, factor 8, trained on 2048 tokens. Written from the formulas:
  // linear: f / 8. ntk: base 10000 * 8^(64/62). yarn: pair i turns 2048 f_i / (2 pi) times; the
  // index that turns b times is 64 ln(2048 / (2 pi b)) / (2 ln 10000): 8.06 for b = 32, floored to
  // 8, and 20.1 for b = 1, ceiled to 21; between them f (1 - r + r / 8) with r = (i - 8) / 13.
  const double factor = 8;
  for (i64 i = 0; i < 32; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const double plain = std::pow(10000.0, -static_cast<double>(i) / 32);
    const double slower =
        std::pow(10000.0 * std::pow(8.0, 64.0 / 62), -static_cast<double>(i) / 32);
    const double r = i <= 8 ? 0.0 : i >= 21 ? 1.0 : static_cast<double>(i - 8) / 13;
    const auto found = [&](Scaling scaling) {
      return measure({{10000, Pairing::half}, scaling, factor, 2048}, 64).frequency[at];
    };
    CAPTURE(i);
    CHECK(found(Scaling::none) == Approx(plain).epsilon(1e-12));
    CHECK(found(Scaling::linear) == Approx(plain / factor).epsilon(1e-12));
    CHECK(found(Scaling::ntk) == Approx(slower).epsilon(1e-12));
    CHECK(found(Scaling::yarn) == Approx(plain * (1 - r + r / factor)).epsilon(1e-12));
  }
}

TEST_CASE("Llama 3's frequencies are those of its published formula") {
  // In the words of Llama 3.1's apply_scaling(): wavelengths, their limits, and a smooth share.
  const double theta = 500000, factor = 8, low = 1, high = 4, length = 8192;
  const Measured found =
      measure({{theta, Pairing::half}, Scaling::llama3, factor, 8192, low, high}, 128);
  int kept = 0, divided = 0, between = 0;
  for (std::size_t i = 0; i < 64; ++i) {
    const double frequency = 1 / std::pow(theta, 2.0 * static_cast<double>(i) / 128);
    const double wavelength = 2 * 3.14159265358979323846 / frequency;
    double expected = frequency;
    if (wavelength < length / high) {
      ++kept;
    } else if (wavelength > length / low) {
      expected = frequency / factor;
      ++divided;
    } else {
      const double smooth = (length / wavelength - low) / (high - low);
      expected = (1 - smooth) * frequency / factor + smooth * frequency;
      ++between;
    }
    CAPTURE(i);
    CHECK(found.frequency[i] == Approx(expected).epsilon(1e-12));
  }
  // Pair i turns 8192 * 500000^(-i / 64) / (2 pi) times: 4 times at i = 28.2, once at i = 35.0.
  CHECK(kept == 29);
  CHECK(between == 6);
  CHECK(divided == 29);
}

TEST_CASE("Llama 3's share that is kept must grow with frequency") {
  const ScaledRopeParams params{{}, Scaling::llama3, 8, 8192, 4, 4};
  CHECK_THROWS_WITH(Rope(std::make_optional(params), 16),
                    Catch::StartsWith("rope.low_frequency_factor: 4 is not below"));
}

TEST_CASE("A turn back by undoing angles undoes a turn forward under every scaling") {
  const Scaling scaling = GENERATE(Scaling::none, Scaling::ntk, Scaling::yarn, Scaling::llama3);
  const Rope rope(std::make_optional(ScaledRopeParams{{}, scaling, 16, 512}), 8);
  const std::vector<float> row{1, -2, 3, -4, 5, -6, 7, -8};
  std::vector<float> back = turned(rope, 777, row, Turn::forward);
  const View<float, 2> rows(back.data(), {1, 8});
  rope.turn(rope.undoing_angles(777, 1), 0, rows, rows, Turn::back);
  for (std::size_t i = 0; i < row.size(); ++i) CHECK(back[i] == Approx(row[i]).epsilon(1e-5));
}

TEST_CASE("Only yarn lengthens rows, by 0.1 ln(factor) + 1") {
  const auto length = [](Scaling scaling) {
    return measure({{10000, Pairing::half}, scaling, 8, 2048}, 16).length;
  };
  CHECK(length(Scaling::linear) == Approx(1));
  CHECK(length(Scaling::ntk) == Approx(1));
  CHECK(length(Scaling::llama3) == Approx(1));
  CHECK(length(Scaling::yarn) == Approx(1.2079442).epsilon(1e-7));
}

TEST_CASE("Yarn and llama3 ask for the length trained on, and nothing else does") {
  ScaledRopeParams params{{10000, Pairing::half}, Scaling::yarn, 8};
  CHECK_THROWS_WITH(Rope(std::make_optional(params), 16),
                    Catch::StartsWith("rope.scaling: yarn needs rope.original_length"));
  params.scaling = Scaling::llama3;
  CHECK_THROWS_WITH(Rope(std::make_optional(params), 16),
                    Catch::StartsWith("rope.scaling: llama3 needs rope.original_length"));
  for (const Scaling scaling : {Scaling::none, Scaling::linear, Scaling::ntk}) {
    params.scaling = scaling;
    CHECK_NOTHROW(Rope(std::make_optional(params), 16));
  }
}

TEST_CASE("NTK divides the slowest pair by the factor and keeps the fastest") {
  const Measured plain = measure({}, 32);
  const Measured scaled = measure({{}, Scaling::ntk, 5, 512}, 32);
  CHECK(scaled.frequency.front() == Approx(plain.frequency.front()));
  CHECK(scaled.frequency.back() == Approx(plain.frequency.back() / 5));
}

TEST_CASE("Linear scaling by 4 at position 4 p is no scaling at p") {
  for (const Pairing pairing : {Pairing::half, Pairing::interleaved}) {
    const std::vector<float> row{1, -2, 3, -4, 5, -6, 7, -8};
    const Rope plain(RopeParams{10000, pairing}, 8);
    const Rope scaled(
        std::make_optional(ScaledRopeParams{{10000, pairing}, Scaling::linear, 4, 512}), 8);
    const std::vector<float> a = turned(plain, 321, row, Turn::forward);
    const std::vector<float> b = turned(scaled, 4 * 321, row, Turn::forward);
    for (std::size_t i = 0; i < row.size(); ++i) CHECK(b[i] == Approx(a[i]).margin(1e-5));
  }
}

TEST_CASE("Tables and the float64 turn agree under every scaling") {
  const Scaling scaling =
      GENERATE(Scaling::none, Scaling::linear, Scaling::ntk, Scaling::yarn, Scaling::llama3);
  const i64 d = GENERATE(2, 8, 64);
  const Rope rope(std::make_optional(ScaledRopeParams{{10000, Pairing::half}, scaling, 16, 512}),
                  d);
  std::vector<float> row(static_cast<std::size_t>(d), 1.0F);
  std::vector<double> row64(row.begin(), row.end()), out64(row64);
  const std::vector<float> out = turned(rope, 5000, row, Turn::forward);
  rope.turn64(5000, row64.data(), out64.data());
  for (std::size_t i = 0; i < row.size(); ++i) CHECK(out[i] == Approx(out64[i]).margin(1e-6));
}

}  // namespace longreach::attention
