// Rotary position embedding (Su et al. 2021, arXiv 2104.09864).
#pragma once

#include <optional>
#include <vector>

#include "core/fields.h"
#include "core/tensor.h"

namespace longreach::attention {

/// Which elements a rotation pairs: (i, i + D/2) as in Llama, or (2i, 2i + 1) as in llama2.c.
enum class Pairing { half, interleaved };

struct RopeParams {
  double theta = 10000;
  Pairing pairing = Pairing::half;
  void fields(Fields& f);
};

enum class Turn { forward, back };

/// Rotates rows of D floats; the identity when made without parameters.
class Rope {
 public:
  Rope(const std::optional<RopeParams>& params, i64 head_dim);
  bool enabled() const { return params_.has_value(); }

  /// Cosines and sines of positions [first, first + count), [count, D/2] each. Angles are formed in
  /// float64: in float32 they are off by 4.5e-5 at position 4096 already.
  struct Angles {
    Floats cosine, sine;
  };
  Angles angles(i64 first, i64 count) const;

  /// out = row turned to position first + index of `angles`; in and out may be the same row.
  void turn(const Angles& angles, i64 index, const float* in, float* out, Turn) const;

  /// The same in float64 from the definition, for references.
  void turn64(i64 position, const double* in, double* out) const;

 private:
  std::optional<RopeParams> params_;
  i64 head_dim_;
  std::vector<double> frequencies_;              // [D/2]
  std::vector<double> step_cosine_, step_sine_;  // of positions [0, kBlock), [kBlock, D/2]
};

}  // namespace longreach::attention

namespace longreach {
template <>
struct EnumNames<attention::Pairing> {
  static constexpr std::array<std::string_view, 2> names{"half", "interleaved"};
};
}  // namespace longreach
