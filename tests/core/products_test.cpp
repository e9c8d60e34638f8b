// The two steps of blocked products on their own: where panels hold what, and what a block writes.
#include "core/products.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "core/random.h"

using namespace longreach;

namespace {

constexpr float kGuard = 12345;

/// Random numbers in rows `stride` apart, met plainly or transposed.
struct Stored {
  Stored(i64 rows, i64 stride, bool turned, std::uint64_t seed)
      : values(static_cast<std::size_t>(rows * stride)),
        factor(turned ? Factor{values.data(), 1, stride} : Factor{values.data(), stride, 1}) {
    Rng rng(seed);
    for (float& x : values) x = static_cast<float>(rng.normal());
  }
  Stored(const Stored&) = delete;
  Floats values;
  Factor factor;
};

i64 padded(i64 columns) {
  return (columns + panel_columns() - 1) / panel_columns() * panel_columns();
}

/// The panels of a block, whose memory held something else before.
Floats packed(const Factor& b, Range depth, Range columns) {
  Floats panels(static_cast<std::size_t>(depth.count * padded(columns.count)), kGuard);
  pack_panels(b, depth, columns, panels.data());
  return panels;
}

/// A product's operands: rows [2, 2 + rows) and columns [3, 3 + columns) of C, from columns [5, 5 +
/// depth) of A and as many rows of B.
struct Block {
  Block(i64 rows_, i64 columns_, i64 depth_, bool a_turned, bool b_turned)
      : rows{2, rows_},
        columns{3, columns_},
        depth{5, depth_},
        a(a_turned ? 5 + depth_ : 2 + rows_, a_turned ? 2 + rows_ + 1 : 5 + depth_ + 1, a_turned,
          1),
        b(b_turned ? 3 + columns_ : 5 + depth_, b_turned ? 5 + depth_ + 2 : 3 + columns_ + 2,
          b_turned, 2),
        panels(packed(b.factor, depth, columns)) {}

  /// C after these rows alone were computed; its rows are wider than what is computed of them.
  Floats product(Range of, Into into, float held) const {
    Floats c(static_cast<std::size_t>((rows.count + 4) * stride()), held);
    multiply_block(a.factor, panels.data(), of, depth, columns,
                   {c.data(), rows.count + 4, stride(), stride()}, into);
    return c;
  }
  /// The largest difference of what was computed from `held` + A B.
  double worst_error(const Floats& c, double held) const {
    double worst = 0;
    for (i64 i = rows.first; i < rows.first + rows.count; ++i) {
      for (i64 j = columns.first; j < columns.first + columns.count; ++j) {
        double sum = held;
        for (i64 l = depth.first; l < depth.first + depth.count; ++l) {
          sum += static_cast<double>(*a.factor.at(i, l)) * *b.factor.at(l, j);
        }
        const double error = std::abs(c[static_cast<std::size_t>(i * stride() + j)] - sum);
        if (!(error <= worst)) worst = error;  // a NaN stays
      }
    }
    return worst;
  }
  /// Numbers around what was computed that are no longer as they were.
  template <class Kept>
  i64 touched(const Floats& c, const Kept& kept) const {
    i64 count = 0;
    for (i64 i = 0; i < rows.count + 4; ++i) {
      const bool row = rows.first <= i && i < rows.first + rows.count;
      for (i64 j = 0; j < stride(); ++j) {
        const bool inside = row && columns.first <= j && j < columns.first + columns.count;
        count += !inside && !kept(c[static_cast<std::size_t>(i * stride() + j)]);
      }
    }
    return count;
  }
  i64 stride() const { return columns.count + 9; }

  Range rows, columns, depth;
  Stored a, b;
  Floats panels;
};

/// Around a register tile's rows and a panel's columns, and a whole block deep.
Block a_block() {
  const i64 rows = GENERATE(1, 5, 12, 31), columns = GENERATE(1, 16, 33), depth = GENERATE(1, 256);
  return {rows, columns, depth, GENERATE(false, true), GENERATE(false, true)};
}

}  // namespace

TEST_CASE("Panels hold their columns side by side, depth after depth, and zeros beyond the last") {
  const i64 width = panel_columns();
  const i64 columns = GENERATE_COPY(1, width - 1, width, width + 1, 2 * width + 3);
  const i64 depth = GENERATE(1, 7, 8, 256);
  const bool turned = GENERATE(false, true);
  CAPTURE(width, columns, depth, turned);
  const Range rows{3, depth}, of{2, columns};
  const Stored b(turned ? 2 + columns : 3 + depth, (turned ? 3 + depth : 2 + columns) + 1, turned,
                 3);
  const i64 size = depth * padded(columns);
  Floats panels(static_cast<std::size_t>(size + width), kGuard);
  pack_panels(b.factor, rows, of, panels.data());
  i64 wrong = 0;
  for (i64 panel = 0; panel < padded(columns) / width; ++panel) {
    for (i64 k = 0; k < depth; ++k) {
      for (i64 i = 0; i < width; ++i) {
        const i64 column = panel * width + i;
        const float expected = column < columns ? *b.factor.at(3 + k, 2 + column) : 0.0F;
        wrong += panels[static_cast<std::size_t>((panel * depth + k) * width + i)] != expected;
      }
    }
  }
  CHECK(wrong == 0);
  CHECK(std::all_of(panels.begin() + size, panels.end(), [](float x) { return x == kGuard; }));
}

TEST_CASE("A block writes its rows and columns of A B and nothing beside them") {
  const Block x = a_block();
  CAPTURE(x.rows.count, x.columns.count, x.depth.count);
  // What C held does not enter: not even a NaN.
  const Floats c = x.product(x.rows, Into::overwrite, std::numeric_limits<float>::quiet_NaN());
  // Sums of at most 256 products of order 1, rounded to 2^-24 of a sum of order 16.
  CHECK(x.worst_error(c, 0) < 1e-4);
  CHECK(x.touched(c, [](float held) { return std::isnan(held); }) == 0);
}

TEST_CASE("A block that adds leaves what C held plus A B") {
  const Block x = a_block();
  CAPTURE(x.rows.count, x.columns.count, x.depth.count);
  const Floats c = x.product(x.rows, Into::add, 7);
  CHECK(x.worst_error(c, 7) < 1e-4);  // as above
  CHECK(x.touched(c, [](float held) { return held == 7; }) == 0);
}

TEST_CASE("A row of a block has the same bits whichever rows are computed with it") {
  const i64 columns = GENERATE(16, 21, 33);
  const bool turned = GENERATE(false, true);
  const Into into = GENERATE(Into::overwrite, Into::add);
  const Block x(29, columns, 100, turned, false);
  const Floats whole = x.product(x.rows, into, 7);
  // One by one, and from any row on to the last.
  for (i64 row = 0; row < x.rows.count; ++row) {
    for (const i64 count : {i64{1}, x.rows.count - row}) {
      CAPTURE(columns, turned, row, count);
      const Floats part = x.product({x.rows.first + row, count}, into, 7);
      const auto begin = (x.rows.first + row) * x.stride(), end = begin + count * x.stride();
      REQUIRE(std::equal(part.begin() + begin, part.begin() + end, whole.begin() + begin));
    }
  }
}
