// Rotary position embedding (Su et al. 2021, arXiv 2104.09864).
#pragma once

#include <optional>
#include <vector>

#include "attention/kernels/rotate.h"
#include "core/fields.h"
#include "core/tensor.h"

namespace longreach::attention {

using kernels::Pairing;

struct RopeParams {
  double theta = 10000;
  Pairing pairing = Pairing::half;
  void fields(Fields& f);
};

/// How rotation is slowed to serve contexts longer than trained.
enum class Scaling {
  none,
  linear,  ///< position interpolation: every angle divided by the factor (arXiv 2306.15595)
  ntk,    ///< a larger base, so that the slowest pair is divided by the factor and the fastest kept
  yarn,   ///< fast pairs kept, slow ones divided, between them a ramp; and sharper scores
          ///< (2309.00071)
  llama3  ///< the same with a ramp in the turns a context takes and scores as they were (Llama 3.1:
          ///< apply_scaling() of github.com/meta-llama/llama-models, models/llama3/model.py)
};

struct ScaledRopeParams : RopeParams {
  Scaling scaling = Scaling::none;
  double factor = 4;
  /// yarn, llama3: tokens of the contexts that the model was trained on.
  i64 original_length = 0;
  /// llama3: pairs that turn fewer times than the low one within the original length are divided by
  /// the factor, those that turn more often than the high one are kept.
  double low_frequency_factor = 1, high_frequency_factor = 4;
  void fields(Fields& f);
};

enum class Turn { forward, back };

/// Rotates rows of D floats; the identity when made without parameters. With Scaling::yarn a turn
/// also lengthens rows by 0.1 ln(factor) + 1, forward and back: back is then the gradient of
/// forward and not its inverse.
class Rope {
 public:
  Rope(std::nullopt_t, i64 head_dim) : head_dim_(head_dim) {}
  Rope(const std::optional<RopeParams>& params, i64 head_dim);
  /// Throws Error for Scaling::yarn and llama3 without an original length, as no default could be
  /// right, and for llama3 with a low frequency factor that is not below the high one.
  Rope(const std::optional<ScaledRopeParams>& params, i64 head_dim);
  bool enabled() const { return params_.has_value(); }
  double magnitude() const { return magnitude_; }  ///< how much longer a turn makes rows

  /// Cosines and sines of positions [first, first + count), [count, D/2] each, times the row's
  /// lengthening. Angles are formed in float64: in float32 they are off by 4.5e-5 at position 4096
  /// already.
  struct Angles {
    Scratch cosine, sine;
  };
  Angles angles(i64 first, i64 count) const { return angles(first, count, magnitude_); }
  /// The same divided by the lengthening: a turn back by these undoes one forward by angles().
  Angles undoing_angles(i64 first, i64 count) const { return angles(first, count, 1 / magnitude_); }

  /// out = rows of `in` [rows, D], row i turned to position first + i of `angles`; in and out may
  /// be the same memory.
  void turn(const Angles& angles, i64 first, View<const float, 2> in, View<float, 2> out,
            Turn) const;

  /// turn() forward that also writes features [rows, D] = ELU(x) + 1 of `in`, which is read once.
  void turn_with_features(const Angles& angles, i64 first, View<const float, 2> in,
                          View<float, 2> out, float* features) const;
  /// features [rows, D] = ELU(x) + 1 of turned rows, turned back by `angles` first.
  void features_of_turned(const Angles& angles, i64 first, View<const float, 2> turned,
                          float* features) const;

  /// turn() in float64 from the definition, for references.
  void turn64(i64 position, const double* in, double* out) const;

 private:
  Angles angles(i64 first, i64 count, double magnitude) const;

  std::optional<RopeParams> params_;
  i64 head_dim_;
  std::vector<double> frequencies_;  // [D/2]
  double magnitude_ = 1;
  std::vector<double> step_cosine_, step_sine_;  // of positions [0, kBlock), [kBlock, D/2]
};

}  // namespace longreach::attention

namespace longreach {
template <>
struct EnumNames<attention::Pairing> {
  static constexpr std::array<std::string_view, 2> names{"half", "interleaved"};
};
template <>
struct EnumNames<attention::Scaling> {
  static constexpr std::array<std::string_view, 5> names{"none", "linear", "ntk", "yarn", "llama3"};
};
}  // namespace longreach
