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

}  // namespace longreach::attention
