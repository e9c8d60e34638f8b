// Feature maps: sigma, by which sigma(q) . sigma(k) stands for exp(q . k / sqrt(D)) where a memory
// cannot keep keys (Katharopoulos et al. 2020, arXiv 2006.16236).
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "core/fields.h"
#include "core/tensor.h"

namespace longreach::attention {

/// Functions of each element, all positive, so that no sum of features is 0; or `random`: positive
/// random features (Performer, Choromanski et al. 2021, arXiv 2009.14794, lemma 1),
///   exp(w_i . x' - |x'|^2 / 2),  x' = x / D^(1/4),
/// with orthogonal rows w_i of Gaussian lengths, whose products estimate exp(q . k / sqrt(D)).
/// (times F). Exponents of `exp` and `random` are held within +-20, so that sums of many stay
/// finite; rows longer than some D^(1/4) 6 reach that.
enum class Features { elu1, relu, softplus, exp, random };

/// Part of a backend's parameters.
struct FeatureParams {
  Features feature_map = Features::elu1;
  i64 features = 0;
  void fields(Fields& f);
};

/// One map, for rows of D numbers.
class FeatureMap {
 public:
  /// Throws Error when a number of features is asked of a map that has as many as elements.
  FeatureMap(const FeatureParams& params, i64 head_dim);

  bool is_elu1() const { return params_.feature_map == Features::elu1; }
  i64 size() const { return size_; }  ///< F, features of a row
  double flops() const;               ///< of one row

  /// to [rows, F] = sigma of x [rows, D].
  void map(const float* x, i64 rows, float* to) const;
  /// d_x [rows, D] = the gradient of x, from features = sigma(x) and their gradient, which is
  /// overwritten. d_x may be d_features when F = D.
  void backward(const float* x, const float* features, float* d_features, i64 rows,
                float* d_x) const;
  /// sigma of one row in float64, for references.
  std::vector<double> map64(const std::vector<double>& x) const;

 private:
  FeatureParams params_;
  i64 d_, size_;
  Floats directions_;  ///< w [F, D]; empty unless random
};

}  // namespace longreach::attention

namespace longreach {
template <>
struct EnumNames<attention::Features> {
  static constexpr std::array<std::string_view, 5> names{"elu1", "relu", "softplus", "exp",
                                                         "random"};
};
}  // namespace longreach
