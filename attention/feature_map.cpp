#include "attention/feature_map.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "attention/kernels/features.h"
#include "core/error.h"
#include "core/linalg.h"
#include "core/random.h"
#include "core/vector_math.h"

namespace longreach::attention {
namespace {

/// Directions are part of the mechanism, the same in every model.
constexpr std::uint64_t kDirections = 2009'14794;

double product(const std::vector<double>& a, const std::vector<double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

/// F rows of D numbers: orthogonal within each D of them (Gram-Schmidt), and as long as Gaussian
/// rows are.
Floats draw_directions(i64 count, i64 d) {
  Rng rng(kDirections);
  std::vector<std::vector<double>> block;
  Floats directions;
  while (std::ssize(directions) < count * d) {
    if (std::ssize(block) == d) block.clear();
    std::vector<double> row(static_cast<std::size_t>(d));
    for (double& x : row) x = rng.normal();
    const double length = std::sqrt(product(row, row));
    for (const std::vector<double>& other : block) {
      const double along = product(row, other);
      for (i64 i = 0; i < d; ++i) row[i] -= along * other[i];
    }
    const double rest = std::sqrt(product(row, row));
    for (double& x : row) x /= rest;
    for (const double x : row) directions.push_back(static_cast<float>(length * x));
    block.push_back(std::move(row));
  }
  return directions;
}

}  // namespace

void FeatureParams::fields(Fields& f) {
  f("feature_map", feature_map, "sigma, what the memory knows of a key");
  f("features", features, between(0, 1 << 14, Unit::count),
    "of `random`; 0: as many as a head has numbers");
}

FeatureMap::FeatureMap(const FeatureParams& params, i64 head_dim)
    : params_(params), d_(head_dim), size_(params.features > 0 ? params.features : head_dim) {
  if (params.feature_map == Features::random) {
    directions_ = draw_directions(size_, d_);
  } else if (params.features > 0) {
    throw error("features: {} is for `feature_map: random` alone; others have one for each number",
                params.features);
  }
}

double FeatureMap::flops() const {
  const double f = static_cast<double>(size_), d = static_cast<double>(d_);
  return params_.feature_map == Features::random ? 2 * f * d + 2 * d + f : f;
}

void FeatureMap::map(const float* x, i64 rows, float* to) const {
  switch (params_.feature_map) {
    case Features::elu1:
      return elu1(x, to, rows * d_);
    case Features::relu:
      return kernels::relu(x, to, rows * d_);
    case Features::softplus:
      return kernels::softplus(x, to, rows * d_);
    case Features::exp:
      return kernels::bounded_exp(x, to, rows * d_);
    case Features::random:
      break;
  }
  Scratch scaled(x, x + rows * d_);
  const float quarter = std::pow(static_cast<float>(d_), -0.25f);
  scale(quarter, scaled.data(), rows * d_);
  multiply_nt(Matrix(scaled.data(), rows, d_), Matrix(directions_.data(), size_, d_),
              MutableMatrix(to, rows, size_), Into::overwrite);
  for (i64 r = 0; r < rows; ++r) {
    const float half = dot(&scaled[r * d_], &scaled[r * d_], d_) / 2;
    for (i64 i = 0; i < size_; ++i) to[r * size_ + i] -= half;
  }
  kernels::bounded_exp(to, to, rows * size_);
}

void FeatureMap::backward(const float* x, const float* features, float* d_features, i64 rows,
                          float* d_x) const {
  const i64 n = rows * size_;
  switch (params_.feature_map) {
    case Features::elu1:
      elu1_backward(features, d_features, n);
      break;
    case Features::relu:
      kernels::relu_backward(features, d_features, n);
      break;
    case Features::softplus:
      kernels::softplus_backward(features, d_features, n);
      break;
    case Features::exp:
    case Features::random:
      kernels::bounded_exp_backward(features, d_features, n);
      break;
  }
  if (params_.feature_map != Features::random) {
    if (d_x != d_features) std::copy_n(d_features, n, d_x);
    return;
  }
  // d_x' = sum_i e_i (w_i - x'), with e the gradient of the exponents.
  const Scratch d_exponents(d_features, d_features + n);
  multiply(Matrix(d_exponents.data(), rows, size_), Matrix(directions_.data(), size_, d_),
           MutableMatrix(d_x, rows, d_), Into::overwrite);
  const float quarter = std::pow(static_cast<float>(d_), -0.25f);
  for (i64 r = 0; r < rows; ++r) {
    float sum = 0;
    for (i64 i = 0; i < size_; ++i) sum += d_exponents[r * size_ + i];
    scale(quarter, d_x + r * d_, d_);
    add_scaled(-sum * quarter * quarter, x + r * d_, d_x + r * d_, d_);
  }
}

std::vector<double> FeatureMap::map64(const std::vector<double>& x) const {
  const auto bounded = [](double e) {
    const double most = kernels::kMostExponent;
    return std::exp(std::clamp(e, -most, most));
  };
  std::vector<double> y = x;
  switch (params_.feature_map) {
    case Features::elu1:
      for (double& v : y) v = v > 0 ? v + 1 : std::exp(v);
      return y;
    case Features::relu:
      for (double& v : y) v = std::max(v, 0.0) + static_cast<double>(kernels::kReluFloor);
      return y;
    case Features::softplus:
      for (double& v : y) v = std::max(v, 0.0) + std::log1p(std::exp(-std::abs(v)));
      return y;
    case Features::exp:
      for (double& v : y) v = bounded(v);
      return y;
    case Features::random:
      break;
  }
  const double quarter = std::pow(static_cast<double>(d_), -0.25);
  std::vector<double> features(static_cast<std::size_t>(size_));
  for (i64 i = 0; i < size_; ++i) {
    double exponent = 0;
    for (i64 j = 0; j < d_; ++j) {
      const double scaled = quarter * x[j];
      exponent += static_cast<double>(directions_[i * d_ + j]) * scaled - scaled * scaled / 2;
    }
    features[i] = bounded(exponent);
  }
  return features;
}

}  // namespace longreach::attention
