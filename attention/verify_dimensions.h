// The sizes of a problem: drawn from a seed, and made smaller while a failure lasts.
#pragma once

#include <functional>
#include <string>

#include "attention/backend.h"
#include "core/random.h"

namespace longreach::attention {

struct Dimensions {
  Shape shape;
  i64 batch = 1, tokens = 1;
  bool repeated = false;  ///< tokens count more than once: Chunk::repeats
  bool operator==(const Dimensions&) const;
};

/// "heads 4/2 x 8, batch 2, 13 tokens", or "... 13 tokens repeated".
std::string describe(const Dimensions& dimensions);

/// Up to 3 key/value heads in groups of up to 4, head sizes to 20, 3 streams, 70 tokens: small
/// enough for every check.
Dimensions draw_small(Rng rng);
/// Head sizes that fill whole vectors, 64 or 128, over up to 70 tokens.
Dimensions draw_wide(Rng rng);
/// 300 to 600 tokens of few small heads: crosses the borders of panels and blocks of keys.
Dimensions draw_long(Rng rng);

/// The smallest failing case that lowering one size at a time leads to, starting from one that
/// fails: no single size of it can be one step less (head sizes: two) without passing, unless
/// `attempts` calls of `fails` ran out first.
Dimensions shrink(const Dimensions& failing, const std::function<bool(const Dimensions&)>& fails,
                  int attempts = 200);

}  // namespace longreach::attention
