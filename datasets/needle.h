// Needles in a haystack: statements "the special number for {key} is {value} ." in filler, asked
// for at the end.
//
// The tasks are those of RULER (Hsieh et al. 2024, arXiv 2404.06654, NIAH); the wording is ours.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "core/fields.h"
#include "datasets/dataset.h"

namespace longreach::datasets {

/// Raised when a sample's text, weights or facts change.
inline constexpr i64 kNeedleVersion = 1;
/// Wrong answers of each sample, at most: different ones, each of as many tokens as the right one.
///
/// Where others than the right values are stated (mk1, mk2, mk3) they are values that the context
/// states under other keys, and only such (mk1 has three); where several values are asked (mv, mq),
/// the right values in other orders. So their number tells the chance of a reader who finds values
/// but does not match them to keys. A lone needle (s1, s2, s3) has none but values never stated.
inline constexpr i64 kNeedleDecoys = 9;
/// Needles stated in mk1 and mq, and values of the one key in mv.
inline constexpr i64 kNeedles = 4;

/// Keys are two words, values numbers, unless told.
enum class NeedleKind {
  s1,   ///< one needle in noise
  s2,   ///< one needle in prose
  s3,   ///< one needle in prose, whose value is a uuid
  mk1,  ///< kNeedles keys in prose, one asked
  mk2,  ///< the haystack is needles with other keys, which may repeat
  mk3,  ///< the same, keys and values being uuids
  mv,   ///< one key with kNeedles values in prose, all asked, in the order stated
  mq    ///< kNeedles keys in prose, all asked
};

/// The task's closed vocabulary.
std::vector<std::string> needle_words();

}  // namespace longreach::datasets

namespace longreach {
template <>
struct EnumNames<datasets::NeedleKind> {
  static constexpr std::array<std::string_view, 8> names{"s1",  "s2",  "s3", "mk1",
                                                         "mk2", "mk3", "mv", "mq"};
};
}  // namespace longreach
