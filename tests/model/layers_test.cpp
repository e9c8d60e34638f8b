// Arithmetic of the single layers that the whole-model gradient would not pin to a place.
#include "model/layers.h"

#include <catch2/catch.hpp>
#include <numeric>

namespace longreach::model {
namespace {

TEST_CASE("three-way token shift takes each third of the channels from its own past token") {
  // Token t carries t * 10 + channel; the past holds tokens -1 (100 + channel), -2 (200 + channel).
  const Floats x{0, 1, 2, 10, 11, 12};
  Floats past{100, 101, 102, 200, 201, 202}, y(6);
  token_shift(Matrix(x.data(), 2, 3), 2, {past.data(), {1, 2, 3}}, MutableMatrix(y.data(), 2, 3));
  CHECK(y == Floats{0, 101, 202, 10, 1, 102});
  CHECK(past == Floats{10, 11, 12, 0, 1, 2});  // the last two tokens, newest first
}

TEST_CASE("a token shift over one token keeps the older of the past") {
  const Floats x{0, 1, 2};
  Floats past{100, 101, 102, 200, 201, 202}, y(3);
  token_shift(Matrix(x.data(), 1, 3), 1, {past.data(), {1, 2, 3}}, MutableMatrix(y.data(), 1, 3));
  CHECK(y == Floats{0, 101, 202});
  CHECK(past == Floats{0, 1, 2, 100, 101, 102});
}

TEST_CASE("token shift and its backward are each other's transpose") {
  // <shift(x, past), dy> + <past', dp'> = <x, dx> + <past, dp> for all x, past, dy, dp'.
  Rng rng(3);
  const auto draw = [&](i64 count) {
    Floats values(static_cast<std::size_t>(count));
    for (float& value : values) value = static_cast<float>(rng.normal());
    return values;
  };
  const auto inner = [](const Floats& a, const Floats& b) {
    return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
  };
  for (const i64 tokens : {1, 2, 3, 7}) {
    const i64 batch = 2, width = 8, rows = batch * tokens;
    const Floats x = draw(rows * width), before = draw(batch * 2 * width);
    const Floats d_y = draw(rows * width), d_after = draw(batch * 2 * width);
    Floats y(x.size()), past = before, d_x(x.size()), d_past = d_after;
    token_shift(Matrix(x.data(), rows, width), tokens, {past.data(), {batch, 2, width}},
                MutableMatrix(y.data(), rows, width));
    token_shift_backward(Matrix(d_y.data(), rows, width), tokens,
                         {d_past.data(), {batch, 2, width}},
                         MutableMatrix(d_x.data(), rows, width));
    CHECK(inner(y, d_y) + inner(past, d_after) ==
          Approx(inner(x, d_x) + inner(before, d_past)).margin(1e-4));
  }
}

TEST_CASE("an RMS norm divides by the root mean square and multiplies by its scale") {
  const Floats x{3, 4}, scale{1, 2};
  Floats y(2);
  float inverse = 0;
  rms_norm(Matrix(x.data(), 1, 2), scale.data(), 0, MutableMatrix(y.data(), 1, 2), &inverse);
  // sqrt((9 + 16) / 2) = 3.5355339
  CHECK(y[0] == Approx(3 / 3.5355339));
  CHECK(y[1] == Approx(2 * 4 / 3.5355339));
  CHECK(inverse == Approx(1 / 3.5355339));
}

TEST_CASE("an RMS norm of zeros is zero, not NaN") {
  const Floats x(4), scale(4, 1.0f);
  Floats y(4, 9.0f);
  rms_norm(Matrix(x.data(), 1, 4), scale.data(), 1e-5, MutableMatrix(y.data(), 1, 4), nullptr);
  CHECK(y == Floats(4));
}

TEST_CASE("embedding gradients of a token met twice are summed") {
  const std::vector<Token> tokens{2, 0, 2};
  const Floats d_x{1, 2, 3, 4, 5, 6};
  Floats d_table(6, 1.0f);
  embed_backward({tokens.data(), {1, 3}}, Matrix(d_x.data(), 3, 2),
                 MutableMatrix(d_table.data(), 3, 2));
  CHECK(d_table == Floats{1 + 3, 1 + 4, 1, 1, 1 + 1 + 5, 1 + 2 + 6});
}

}  // namespace
}  // namespace longreach::model
