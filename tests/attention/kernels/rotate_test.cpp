// Rotary turns of rows against the turn of one pair in float64.
#include "attention/kernels/rotate.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "attention/kernels/rowwise.h"
#include "tests/attention/kernels/rows.h"

namespace longreach::attention::kernels {
namespace {

using tests::GuardedRows;
using tests::Worst;

/// Cosines and sines of unrelated angles, [rows, D/2] each.
struct Angles {
  Angles(i64 rows, i64 half) : cosine(rows, half, 0, 3), sine(rows, half, 0, 4) {
    Rng rng(5);
    for (i64 r = 0; r < rows; ++r) {
      for (i64 i = 0; i < half; ++i) {
        const double angle = 6.28 * rng.uniform();
        cosine.set(r, i, static_cast<float>(std::cos(angle)));
        sine.set(r, i, static_cast<float>(std::sin(angle)));
      }
    }
  }
  GuardedRows cosine, sine;
};

/// Pair i of row r: (i, i + D/2), or (2i, 2i + 1).
struct Pair {
  Pair(Pairing pairing, i64 i, i64 d)
      : a(pairing == Pairing::half ? i : 2 * i),
        b(pairing == Pairing::half ? i + d / 2 : 2 * i + 1) {}
  i64 a, b;
};

}  // namespace

TEST_CASE("Every pair of a row turns by its angle, forwards and back, in place or not") {
  const Pairing pairing = GENERATE(Pairing::half, Pairing::interleaved);
  const float sign = GENERATE(1.0F, -1.0F);
  for (const i64 rows : tests::kRows) {
    for (const i64 d : tests::kHeadSizes) {
      CAPTURE(pairing == Pairing::half, sign, rows, d);
      const Angles angles(rows, d / 2);
      const GuardedRows in(rows, d, 3, 1);
      GuardedRows out(rows, d, 6, 2), same = in;
      rotate(pairing, angles.cosine.dense(), angles.sine.dense(), sign, in.view(), out.view());
      rotate(pairing, angles.cosine.dense(), angles.sine.dense(), sign, same.view(), same.view());
      Worst worst;
      i64 differing = 0;
      for (i64 r = 0; r < rows; ++r) {
        for (i64 i = 0; i < d / 2; ++i) {
          const Pair at(pairing, i, d);
          const double a = in.at(r, at.a), b = in.at(r, at.b);
          const double cosine = angles.cosine.at(r, i), sine = sign * angles.sine.at(r, i);
          const double magnitude = std::abs(a) + std::abs(b);
          worst.add(out.at(r, at.a), a * cosine - b * sine, magnitude);
          worst.add(out.at(r, at.b), a * sine + b * cosine, magnitude);
        }
        for (i64 i = 0; i < d; ++i) differing += out.at(r, i) != same.at(r, i);
      }
      CHECK(worst.error() < 2e-7);  // two roundings of 2^-24 each
      CHECK(differing == 0);
      CHECK(out.guards_stand());
      CHECK(same.guards_stand());
    }
  }
}

TEST_CASE("Features taken on the way are those of the rows before or after the turn, to the bit") {
  const Pairing pairing = GENERATE(Pairing::half, Pairing::interleaved);
  const float sign = GENERATE(1.0F, -1.0F);
  for (const i64 rows : tests::kRows) {
    for (const i64 d : tests::kHeadSizes) {
      CAPTURE(pairing == Pairing::half, sign, rows, d);
      const Angles angles(rows, d / 2);
      const float *cosine = angles.cosine.dense(), *sine = angles.sine.dense();
      const GuardedRows in(rows, d, 3, 1);
      GuardedRows turned(rows, d, 6, 2), same = turned;
      GuardedRows before(rows, d, 0, 3), after = before, expected_before = before,
                                         expected_after = before;
      rotate(pairing, cosine, sine, sign, in.view(), turned.view());
      features_of(in.view(), expected_before.dense());
      features_of(turned.view(), expected_after.dense());
      rotate_with_features(pairing, cosine, sine, sign, in.view(), same.view(), before.dense());
      features_of_rotated(pairing, cosine, sine, sign, in.view(), after.dense());
      CHECK(same == turned);
      CHECK(before == expected_before);
      CHECK(after == expected_after);
    }
  }
}

TEST_CASE("Turning back undoes a turn") {
  const Pairing pairing = GENERATE(Pairing::half, Pairing::interleaved);
  for (const i64 d : tests::kHeadSizes) {
    CAPTURE(pairing == Pairing::half, d);
    const Angles angles(60, d / 2);
    const GuardedRows before(60, d, 2, 1);
    GuardedRows x = before;
    rotate(pairing, angles.cosine.dense(), angles.sine.dense(), 1, x.view(), x.view());
    CHECK(!(x == before));
    rotate(pairing, angles.cosine.dense(), angles.sine.dense(), -1, x.view(), x.view());
    Worst worst;
    for (i64 r = 0; r < 60; ++r) {
      for (i64 i = 0; i < d; ++i) worst.add(x.at(r, i), before.at(r, i), 1);
    }
    // Numbers of order 1, to 4 at most, rounded four times; the tables' rounding lengthens a pair
    // by another 2^-24.
    CHECK(worst.error() < 2e-6);
  }
}

}  // namespace longreach::attention::kernels
