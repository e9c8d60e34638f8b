// Draws and shrinks the sizes of a problem.
#include "attention/verify_dimensions.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace longreach::attention {
namespace {

/// Tokens, batch, key/value heads, queries a key head, half the head size, 2 when tokens are
/// repeated: each at least 1, and any mixture of them is a valid problem.
using Sizes = std::array<i64, 6>;

Sizes sizes_of(const Dimensions& d) {
  return {d.tokens,          d.batch, d.shape.kv_heads, d.shape.group(), d.shape.head_dim / 2,
          d.repeated ? 2 : 1};
}

Dimensions dimensions_of(const Sizes& sizes) {
  const auto [tokens, batch, kv_heads, group, half, repeated] = sizes;
  return {{kv_heads * group, kv_heads, 2 * half}, batch, tokens, repeated > 1};
}

/// In [low, high].
i64 between(i64 low, i64 high, Rng& rng) { return low + rng.below(high - low + 1); }

}  // namespace

bool Dimensions::operator==(const Dimensions& other) const {
  return sizes_of(*this) == sizes_of(other);
}

std::string describe(const Dimensions& d) {
  return fmt::format("heads {}/{} x {}, batch {}, {} tokens{}", d.shape.query_heads,
                     d.shape.kv_heads, d.shape.head_dim, d.batch, d.tokens,
                     d.repeated ? " repeated" : "");
}

Dimensions draw_small(Rng rng) {
  const i64 tokens = between(1, 70, rng), batch = between(1, 3, rng);
  const i64 kv_heads = between(1, 3, rng), group = between(1, 4, rng);
  return dimensions_of({tokens, batch, kv_heads, group, between(1, 10, rng), between(1, 2, rng)});
}

Dimensions draw_wide(Rng rng) {
  const i64 tokens = between(1, 70, rng), batch = between(1, 2, rng);
  const i64 kv_heads = between(1, 2, rng), group = between(1, 3, rng);
  return dimensions_of(
      {tokens, batch, kv_heads, group, 32 * between(1, 2, rng), between(1, 2, rng)});
}

Dimensions draw_long(Rng rng) {
  const i64 tokens = between(300, 600, rng), batch = between(1, 2, rng);
  const i64 kv_heads = between(1, 2, rng), group = between(1, 2, rng);
  return dimensions_of({tokens, batch, kv_heads, group, between(1, 8, rng), between(1, 2, rng)});
}

Dimensions shrink(const Dimensions& failing, const std::function<bool(const Dimensions&)>& fails,
                  int attempts) {
  Sizes sizes = sizes_of(failing);
  for (bool shrunk = true; shrunk;) {
    shrunk = false;
    for (i64& size : sizes) {
      // The largest cuts first: down to 1 at once, then by halves.
      for (i64 cut = size - 1; cut > 0 && attempts > 0;) {
        size -= cut;
        --attempts;
        if (fails(dimensions_of(sizes))) {
          shrunk = true;
          cut = std::min(cut, size - 1);
        } else {
          size += cut;
          cut /= 2;
        }
      }
    }
  }
  return dimensions_of(sizes);
}

}  // namespace longreach::attention
