// Feature maps against their definitions, central differences, and what they estimate.
#include "attention/feature_map.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "core/random.h"

namespace longreach::attention {
namespace {

std::vector<float> normal(i64 n, double deviation, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<float> x(static_cast<std::size_t>(n));
  for (float& value : x) value = static_cast<float>(deviation * rng.normal());
  return x;
}

std::vector<float> mapped(const FeatureMap& map, const std::vector<float>& x, i64 d) {
  const i64 rows = std::ssize(x) / d;
  std::vector<float> y(static_cast<std::size_t>(rows * map.size()));
  map.map(x.data(), rows, y.data());
  return y;
}

/// By how much a key like the query outweighs another: E[s(x).s(x)] / E[s(x).s(y)], whose mean over
/// `pairs` pairs of unit normal rows this is.
double sharpness(const FeatureMap& map, i64 d, i64 pairs) {
  const std::vector<float> x = mapped(map, normal(pairs * d, 1, 1), d);
  const std::vector<float> y = mapped(map, normal(pairs * d, 1, 2), d);
  const double same = std::inner_product(x.begin(), x.end(), x.begin(), 0.0);
  return same / std::inner_product(x.begin(), x.end(), y.begin(), 0.0);
}

}  // namespace

TEST_CASE("Feature maps are the functions of their names") {
  const auto at = [](Features map, float x) {
    const std::vector<float> row{x, 0};
    return mapped(FeatureMap({map}, 2), row, 2)[0];
  };
  CHECK(at(Features::elu1, 2) == 3);
  CHECK(at(Features::elu1, -2) == Approx(std::exp(-2)));
  CHECK(at(Features::relu, 2) == Approx(2.001));
  CHECK(at(Features::relu, -2) == Approx(0.001));
  CHECK(at(Features::softplus, 2) == Approx(std::log(1 + std::exp(2.0))));
  CHECK(at(Features::softplus, -9) == Approx(std::log1p(std::exp(-9.0))));
  CHECK(at(Features::softplus, 60) == Approx(60));
  CHECK(at(Features::exp, 1.5) == Approx(std::exp(1.5)));
  CHECK(at(Features::exp, 300) == Approx(std::exp(20)));
  CHECK(at(Features::exp, -300) == Approx(std::exp(-20)));
}

TEST_CASE("Feature maps let NaN through, in vectors and in their rest") {
  const auto map =
      GENERATE(Features::elu1, Features::relu, Features::softplus, Features::exp, Features::random);
  const i64 d = 18, place = GENERATE(0, 17);
  std::vector<float> x(static_cast<std::size_t>(d), 0.5F);
  x[place] = NAN;
  const std::vector<float> y = mapped(FeatureMap({map}, d), x, d);
  CAPTURE(static_cast<int>(map), place);
  CHECK(std::isnan(y[place]));
}

TEST_CASE("Slopes of elementwise maps hold far from 0 too") {
  const auto slope = [](Features map, float x) {
    const FeatureMap sigma({map}, 2);
    const std::vector<float> row{x, x}, y = mapped(sigma, row, 2);
    std::vector<float> d_y{1, 1}, d_x(2);
    sigma.backward(row.data(), y.data(), d_y.data(), 1, d_x.data());
    return d_x[0];
  };
  for (const float x : {-12.0F, -8.0F, -5.0F, -4.6F, -4.5F, -1.0F, 3.0F, 30.0F}) {
    CHECK(slope(Features::softplus, x) == Approx(1 / (1 + std::exp(-double{x}))).epsilon(1e-5));
  }
  for (const float x : {-19.5F, -8.0F, 0.0F, 19.5F}) {
    CHECK(slope(Features::exp, x) == Approx(std::exp(double{x})).epsilon(1e-5));
  }
  for (const float x : {-20.5F, 20.5F}) CHECK(slope(Features::exp, x) == 0);
  CHECK(slope(Features::relu, -0.01F) == 0);
  CHECK(slope(Features::relu, 0.01F) == 1);
}

TEST_CASE("Feature maps agree with float64, and are positive far from 0") {
  const auto map =
      GENERATE(Features::elu1, Features::relu, Features::softplus, Features::exp, Features::random);
  const i64 d = 10, features = map == Features::random ? GENERATE(0, 3, 25) : 0;
  const double deviation = GENERATE(1.0, 30.0);
  CAPTURE(static_cast<int>(map), features, deviation);
  const FeatureMap sigma({map, features}, d);
  const std::vector<float> x = normal(7 * d, deviation, 3), y = mapped(sigma, x, d);
  for (i64 r = 0; r < 7; ++r) {
    const std::vector<double> expected = sigma.map64({x.begin() + r * d, x.begin() + (r + 1) * d});
    REQUIRE(std::ssize(expected) == sigma.size());
    for (i64 i = 0; i < sigma.size(); ++i) {
      // An exponent of a hundred is rounded to 1e-5 of itself.
      CHECK(y[r * sigma.size() + i] == Approx(expected[i]).epsilon(deviation > 1 ? 1e-4 : 4e-6));
      CHECK(y[r * sigma.size() + i] > 0);
    }
  }
}

TEST_CASE("Gradients of feature maps are those of central differences") {
  const auto map =
      GENERATE(Features::elu1, Features::relu, Features::softplus, Features::exp, Features::random);
  const i64 d = 6, rows = 3, features = map == Features::random ? GENERATE(0, 4, 9) : 0;
  const double deviation = GENERATE(1.0, 12.0);  // the second reaches where exponents are cut
  CAPTURE(static_cast<int>(map), features, deviation);
  const FeatureMap sigma({map, features}, d);
  const std::vector<float> x = normal(rows * d, deviation, 4), y = mapped(sigma, x, d);
  const std::vector<float> weights = normal(std::ssize(y), 1, 5);
  std::vector<float> d_features = weights, d_x(x.size());
  sigma.backward(x.data(), y.data(), d_features.data(), rows, d_x.data());
  for (i64 i = 0; i < std::ssize(x); ++i) {
    const i64 r = i / d;
    std::vector<double> row(x.begin() + r * d, x.begin() + (r + 1) * d);
    const auto loss = [&](double step) {
      std::vector<double> moved = row;
      moved[i % d] += step;
      const std::vector<double> out = sigma.map64(moved);
      double sum = 0;
      for (i64 f = 0; f < sigma.size(); ++f) sum += weights[r * sigma.size() + f] * out[f];
      return sum;
    };
    const double expected = (loss(1e-6) - loss(-1e-6)) / 2e-6;
    double scale = 1e-3;
    for (i64 f = 0; f < sigma.size(); ++f) {
      scale = std::max(scale, std::abs(weights[r * sigma.size() + f]) *
                                  static_cast<double>(y[r * sigma.size() + f]));
    }
    CHECK(std::abs(d_x[i] - expected) < 3e-5 * scale * deviation);
  }
}

TEST_CASE("Random features estimate the softmax kernel without bias") {
  const i64 d = 8, count = 20000;
  const FeatureMap sigma({Features::random, count}, d);
  for (std::uint64_t seed = 1; seed < 6; ++seed) {
    const std::vector<float> q = normal(d, 0.7, seed), k = normal(d, 0.7, seed + 50);
    const std::vector<float> a = mapped(sigma, q, d), b = mapped(sigma, k, d);
    const double product = std::inner_product(q.begin(), q.end(), k.begin(), 0.0);
    const double estimate = std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
    CHECK(estimate / count == Approx(std::exp(product / std::sqrt(8.0))).epsilon(0.05));
  }
}

TEST_CASE("Directions of random features are orthogonal within each head size of them") {
  // sigma(e_j t) has exponents w_ij t' - t'^2 / 2: the directions can be read off.
  const i64 d = 6, count = 12;
  const FeatureMap sigma({Features::random, count}, d);
  const double t = 1.3, scaled = t / std::pow(6.0, 0.25);
  std::vector<std::vector<double>> w(count, std::vector<double>(d));
  for (i64 j = 0; j < d; ++j) {
    std::vector<double> x(d, 0.0);
    x[j] = t;
    const std::vector<double> y = sigma.map64(x);
    for (i64 i = 0; i < count; ++i) w[i][j] = std::log(y[i]) / scaled + scaled / 2;
  }
  for (i64 a = 0; a < count; ++a) {
    for (i64 b = 0; b < a; ++b) {
      const double product = std::inner_product(w[a].begin(), w[a].end(), w[b].begin(), 0.0);
      if (a / d == b / d) CHECK(std::abs(product) < 1e-5);
    }
  }
}

TEST_CASE("A matching key outweighs a random one as the map's moments say") {
  // For functions of single elements E[s(x)^2] / E[s(x)]^2, whatever the head size: pi for relu
  // (but for its floor), e for exp; 1.46 for ELU + 1.
  const i64 d = GENERATE(2, 64);
  const i64 pairs = 400000 / d;
  CHECK(sharpness(FeatureMap({Features::elu1}, d), d, pairs) == Approx(1.462).epsilon(0.01));
  CHECK(sharpness(FeatureMap({Features::relu}, d), d, pairs) == Approx(M_PI).epsilon(0.02));
  CHECK(sharpness(FeatureMap({Features::exp}, d), d, pairs) == Approx(std::exp(1)).epsilon(0.05));
}

TEST_CASE("Only random features come in another number than the head size") {
  CHECK_THROWS_WITH(FeatureMap({Features::elu1, 4}, 8), Catch::Contains("feature_map: random"));
  CHECK(FeatureMap({Features::random, 4}, 8).size() == 4);
  CHECK(FeatureMap({Features::random}, 8).size() == 8);
}

}  // namespace longreach::attention
