// Counter-based random streams: the n-th number does not depend on what else was drawn.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/tensor.h"

namespace longreach {

/// A value, never a global. Forks depend on the purpose alone, not on how many numbers were drawn,
/// so no consumer can disturb another.
class Rng {
 public:
  explicit Rng(std::uint64_t seed);
  Rng fork(std::string_view purpose) const;
  Rng fork(i64 index) const;

  std::uint64_t bits();
  double uniform();  ///< [0, 1)
  double normal();   ///< mean 0, deviation 1
  i64 below(i64 n);  ///< [0, n), without modulo bias; n > 0

 private:
  std::uint64_t key_, counter_ = 0;
};

}  // namespace longreach
