// How a Fenwick tree shares the closed segments of a stream among memories.
#pragma once

#include <algorithm>
#include <bit>

#include "core/tensor.h"

namespace longreach::attention {

/// Which levels hold something after `segments` closed segments, and what they hold: the binary
/// digits of that number say. Level i holds 2^i segments where digit i is 1; the last one holds all
/// the segments that the digits from it on count.
struct Fenwick {
  i64 levels;
  bool holds(i64 segments, i64 level) const {
    return level < levels - 1 ? (segments >> level & 1) != 0 : segments >> level > 0;
  }
  /// The level that a segment closing after `segments` others is written to, together with all
  /// below: as a 1 is added to a binary number.
  i64 target(i64 segments) const {
    return std::min<i64>(std::countr_one(static_cast<std::uint64_t>(segments)), levels - 1);
  }
  /// The number of closed segments at which a level that holds something was last written to.
  static i64 written_at(i64 segments, i64 level) { return segments >> level << level; }
  i64 held(i64 segments) const {
    const i64 below = (i64{1} << (levels - 1)) - 1;
    return std::popcount(static_cast<std::uint64_t>(segments & below)) +
           (segments >> (levels - 1) > 0 ? 1 : 0);
  }
  /// The sum of held(s) over s < segments.
  i64 held_before(i64 segments) const {
    i64 sum = std::max<i64>(0, segments - (i64{1} << (levels - 1)));
    for (i64 i = 0; i < levels - 1; ++i) {
      const i64 half = i64{1} << i;
      sum += segments / (2 * half) * half + std::max<i64>(0, segments % (2 * half) - half);
    }
    return sum;
  }
  /// The number of levels merged into another while so many segments closed.
  i64 merged_before(i64 segments) const {
    i64 sum = 0;
    for (i64 i = 1; i < levels; ++i) sum += segments >> i;
    return sum;
  }
};

}  // namespace longreach::attention
