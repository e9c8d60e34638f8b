// Every row-wise step against plain loops in float64, on rows that lie apart with guards between.
#include "attention/kernels/rowwise.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "tests/attention/kernels/rows.h"

namespace longreach::attention::kernels {
namespace {

using tests::GuardedRows;
using tests::Worst;

/// One rounding to float is 2^-24 = 6e-8 of a number; the steps below round a few times.
constexpr double kFewRoundings = 5e-7;

/// Calls body(rows, head size) for all that are tested.
template <class Body>
void each_size(const Body& body) {
  for (const i64 rows : tests::kRows) {
    for (const i64 d : tests::kHeadSizes) {
      CAPTURE(rows, d);
      body(rows, d);
    }
  }
}

/// ELU(x) + 1 of random numbers, dense: positive, as all features are.
GuardedRows random_features(i64 rows, i64 d, std::uint64_t seed) {
  GuardedRows x(rows, d, 0, seed);
  for (i64 r = 0; r < rows; ++r) {
    for (i64 i = 0; i < d; ++i) {
      const double value = x.at(r, i);
      x.set(r, i, static_cast<float>(value > 0 ? value + 1 : std::exp(value)));
    }
  }
  return x;
}

/// features . normalizer of row r.
double denominator(const GuardedRows& features, const GuardedRows& normalizer, i64 r, i64 d) {
  double sum = 0;
  for (i64 i = 0; i < d; ++i) sum += features.at(r, i) * normalizer.at(0, i);
  return sum;
}

}  // namespace

TEST_CASE("Features are ELU plus 1 of every row") {
  each_size([](i64 rows, i64 d) {
    GuardedRows x(rows, d, 5, 1), to(rows, d, 0, 2);
    for (i64 r = 0; r < rows; ++r) {
      for (i64 i = 0; i < d; ++i) x.set(r, i, static_cast<float>(10 * x.at(r, i)));
    }
    features_of(x.view(), to.dense());
    Worst worst;
    for (i64 r = 0; r < rows; ++r) {
      for (i64 i = 0; i < d; ++i) {
        const double expected = x.at(r, i) > 0 ? x.at(r, i) + 1 : std::exp(x.at(r, i));
        worst.add(to.at(r, i), expected, expected);
      }
    }
    CHECK(worst.error() < kFewRoundings);
    CHECK(to.guards_stand());
  });
}

TEST_CASE("Features stay positive down to where the exponential of a float is normal") {
  for (const float x : {-80.0F, -30.0F, 0.0F, 3.0F}) {
    const double expected = x > 0 ? x + 1.0 : std::exp(static_cast<double>(x));
    for (const i64 d : {3, 23}) {  // all in the rest of a vector, and both in vectors and in a rest
      GuardedRows in(1, d, 0, 1), to(1, d, 0, 2);
      for (i64 i = 0; i < d; ++i) in.set(0, i, x);
      features_of(in.view(), to.dense());
      for (i64 i = 0; i < d; ++i) {
        CAPTURE(x, d, i);
        CHECK(std::abs(to.at(0, i) - expected) <= kFewRoundings * expected);
      }
    }
  }
}

TEST_CASE("Features far below 0 are positive and finite in vectors and in their rest alike") {
  // exp(-104) is no float but 0, and a memory divides by sums of features.
  for (const float x : {-200.0F, -104.0F, -88.0F}) {
    for (const i64 d : {3, 23}) {
      GuardedRows in(1, d, 0, 1), to(1, d, 0, 2);
      for (i64 i = 0; i < d; ++i) in.set(0, i, x);
      features_of(in.view(), to.dense());
      for (i64 i = 0; i < d; ++i) {
        CAPTURE(x, d, i, to.at(0, i));
        CHECK(to.at(0, i) > 0);
        CHECK(to.at(0, i) < 1e-37);  // exp(-88) = 6e-39
      }
    }
  }
}

TEST_CASE("Normalizing divides every row by its features times the normalizer") {
  each_size([](i64 rows, i64 d) {
    const i64 f = d + 3;
    const GuardedRows features = random_features(rows, f, 1), normalizer = random_features(1, f, 2);
    GuardedRows values(rows, d, 0, 3), denominators(1, rows, 0, 4);
    const GuardedRows before = values;
    normalize(features.dense(), normalizer.dense(), rows, f, d, values.dense(),
              denominators.dense());
    Worst of_denominators, of_values;
    for (i64 r = 0; r < rows; ++r) {
      const double c = denominator(features, normalizer, r, f);
      of_denominators.add(denominators.at(0, r), c, c);
      for (i64 i = 0; i < d; ++i) {
        of_values.add(values.at(r, i), before.at(r, i) / c, std::abs(before.at(r, i) / c));
      }
    }
    // The sum over D is rounded up to 16 times in each lane of a vector.
    CHECK(of_denominators.error() < 2e-6);
    CHECK(of_values.error() < 2e-6);
    CHECK(values.guards_stand());
    CHECK(denominators.guards_stand());
  });
}

TEST_CASE("Undoing normalize gives the gradients of rows, features and normalizer") {
  // With N the rows before and c = f . z, the loss sum(dA . N / c) has the gradients
  //   dN = dA / c,   df = -(dA . N) / c^2 z,   dz = -(dA . N) / c^2 f, summed over rows.
  each_size([](i64 rows, i64 d) {
    const i64 f = d + 3;
    const GuardedRows features = random_features(rows, f, 1), normalizer = random_features(1, f, 2);
    const GuardedRows before(rows, d, 0, 3), cotangent(rows, d, 0, 4);
    GuardedRows values = before, denominators(1, rows, 0, 5);
    for (i64 r = 0; r < rows; ++r) {
      const double c = denominator(features, normalizer, r, f);
      denominators.set(0, r, static_cast<float>(c));
      for (i64 i = 0; i < d; ++i) values.set(r, i, static_cast<float>(before.at(r, i) / c));
    }
    const GuardedRows held_features(rows, f, 0, 6), held_normalizer(1, f, 0, 7);
    GuardedRows d_values = cotangent, d_features = held_features, d_normalizer = held_normalizer;
    undo_normalize(features.dense(), normalizer.dense(), values.dense(), denominators.dense(), rows,
                   f, d, d_values.dense(), d_features.dense(), d_normalizer.dense());

    Worst of_values, of_features, of_normalizer;
    const std::size_t size = static_cast<std::size_t>(f);
    std::vector<double> d_z(size), magnitude(size);
    for (i64 i = 0; i < f; ++i) {
      d_z[static_cast<std::size_t>(i)] = held_normalizer.at(0, i);
      magnitude[static_cast<std::size_t>(i)] = std::abs(held_normalizer.at(0, i));
    }
    for (i64 r = 0; r < rows; ++r) {
      const double c = denominator(features, normalizer, r, f);
      double product = 0, size_of_product = 0;
      for (i64 i = 0; i < d; ++i) {
        product += cotangent.at(r, i) * before.at(r, i);
        size_of_product += std::abs(cotangent.at(r, i) * before.at(r, i));
      }
      for (i64 i = 0; i < d; ++i) {
        of_values.add(d_values.at(r, i), cotangent.at(r, i) / c, std::abs(cotangent.at(r, i) / c));
      }
      for (i64 i = 0; i < f; ++i) {
        of_features.add(
            d_features.at(r, i), held_features.at(r, i) - product / (c * c) * normalizer.at(0, i),
            std::abs(held_features.at(r, i)) + size_of_product / (c * c) * normalizer.at(0, i));
        d_z[static_cast<std::size_t>(i)] -= product / (c * c) * features.at(r, i);
        magnitude[static_cast<std::size_t>(i)] += size_of_product / (c * c) * features.at(r, i);
      }
    }
    for (i64 i = 0; i < f; ++i) {
      of_normalizer.add(d_normalizer.at(0, i), d_z[static_cast<std::size_t>(i)],
                        magnitude[static_cast<std::size_t>(i)]);
    }
    // Relative to the sums of magnitudes: what cancels in a sum has been rounded all the same.
    CHECK(of_values.error() < kFewRoundings);
    CHECK(of_features.error() < 2e-6);
    CHECK(of_normalizer.error() < 2e-6);
    for (const GuardedRows* x : {&d_values, &d_features, &d_normalizer}) CHECK(x->guards_stand());
  });
}

TEST_CASE("Scaling into rows is one product a number") {
  each_size([](i64 rows, i64 d) {
    const GuardedRows x(rows, d, 3, 1);
    GuardedRows to(rows, d, 5, 2);
    const float factor = 0.3F;
    scale_into(factor, x.view(), to.view());
    i64 wrong = 0;
    for (i64 r = 0; r < rows; ++r) {
      for (i64 i = 0; i < d; ++i) {
        // A product of two floats is exact in float64: rounded once.
        wrong += to.at(r, i) != static_cast<float>(static_cast<double>(factor) * x.at(r, i));
      }
    }
    CHECK(wrong == 0);
    CHECK(to.guards_stand());
  });
}

TEST_CASE("The dot product of rows sums over all of them and nothing between") {
  each_size([](i64 rows, i64 d) {
    const GuardedRows a(rows, d, 3, 1), b(rows, d, 6, 2);
    double expected = 0, magnitude = 0;
    for (i64 r = 0; r < rows; ++r) {
      for (i64 i = 0; i < d; ++i) {
        expected += a.at(r, i) * b.at(r, i);
        magnitude += std::abs(a.at(r, i) * b.at(r, i));
      }
    }
    CHECK(std::abs(dot_rows(a.view(), b.view()) - expected) < kFewRoundings * magnitude);
  });
}

TEST_CASE("Blending is a x + b y of every row, into other rows or in place") {
  each_size([](i64 rows, i64 d) {
    const GuardedRows x(rows, d, 4, 1), y(rows, d, 0, 2);
    GuardedRows out(rows, d, 7, 3), same = x;
    const float a = 0.7F, b = -1.9F;
    blend(a, x.view(), b, y.dense(), out.view());
    blend(a, same.view(), b, y.dense(), same.view());
    Worst worst;
    i64 differing = 0;
    for (i64 r = 0; r < rows; ++r) {
      for (i64 i = 0; i < d; ++i) {
        const double first = static_cast<double>(a) * x.at(r, i);
        const double second = static_cast<double>(b) * y.at(r, i);
        worst.add(out.at(r, i), first + second, std::abs(first) + std::abs(second));
        differing += out.at(r, i) != same.at(r, i);
      }
    }
    CHECK(worst.error() < kFewRoundings);
    CHECK(differing == 0);
    CHECK(out.guards_stand());
    CHECK(same.guards_stand());
  });
}

TEST_CASE("Copying rows keeps their bits and leaves what lies between them alone") {
  each_size([](i64 rows, i64 d) {
    const GuardedRows from(rows, d, 3, 1);
    GuardedRows to(rows, d, 6, 2);
    copy_rows(from.view(), to.view());
    i64 wrong = 0;
    for (i64 r = 0; r < rows; ++r) {
      for (i64 i = 0; i < d; ++i) wrong += to.at(r, i) != from.at(r, i);
    }
    CHECK(wrong == 0);
    CHECK(to.guards_stand());
  });
}

TEST_CASE("Column sums are added to what the sums held") {
  each_size([](i64 rows, i64 d) {
    const GuardedRows x(rows, d, 0, 1);
    GuardedRows sums(1, d, 0, 2);
    const GuardedRows before = sums;
    add_column_sums(x.dense(), rows, d, sums.dense());
    Worst worst;
    for (i64 i = 0; i < d; ++i) {
      double expected = before.at(0, i), magnitude = std::abs(expected);
      for (i64 r = 0; r < rows; ++r) {
        expected += x.at(r, i);
        magnitude += std::abs(x.at(r, i));
      }
      worst.add(sums.at(0, i), expected, magnitude);
    }
    CHECK(worst.error() < 2e-6);  // up to 100 numbers one after the other
    CHECK(sums.guards_stand());
  });
}

}  // namespace longreach::attention::kernels
