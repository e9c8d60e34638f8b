// Multi-query associative recall (MQAR): key-value pairs, then each key again, to be followed by
// its value.
//
// The task is that of Arora et al. 2023 (Zoology, arXiv 2312.04927), over words of our own. As in
// the paper's examples, and unlike its code, the value follows the second key too, so that the
// answer is the next token.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/fields.h"
#include "datasets/dataset.h"

namespace longreach::datasets {

/// Raised when a sample's tokens, weights or facts change.
inline constexpr i64 kRecallVersion = 1;
/// How many keys there are to draw from, and how many values.
inline constexpr i64 kRecallWords = 128;
/// One value is left to swap in.
inline constexpr i64 kMostRecallPairs = kRecallWords - 1;
/// The paper's exponent.
inline constexpr double kRecallPower = 0.01;

/// The task's closed vocabulary: the keys, then the values.
std::vector<std::string> recall_words();

/// Tokens of a sample without filler: a pair takes two where it is stated and two where it is
/// asked.
constexpr i64 smallest_recall(i64 pairs) { return 4 * pairs; }

/// Fields that the dataset and the metric have in common.
struct RecallOptions {
  double power = kRecallPower;  ///< slot i (from 1) is drawn with probability ~ i^(power - 1)
  bool exclude = true;  ///< filler has no key of the sample; else any word, as in the paper's code
  i64 max_gap = 0;      ///< most tokens from a pair's statement to its question; 0: no limit
  void fields(Fields&);
  /// Throws Error, opening with `where`, when not even `pairs` slots lie near enough.
  void require_room(i64 pairs, std::string_view where) const;
  /// Ends a protocol id: nothing by default, ":exclude=off", ":gap=64".
  std::string protocol() const;
};

/// A recall sample of exactly `length` tokens: 1 to kMostRecallPairs pairs, distinct keys and
/// distinct values, stated first; then slots of two tokens, drawn without replacement to ask one
/// pair after the other, each from the slots near enough. All else, an odd last token too, is
/// filler: words drawn evenly from the whole vocabulary as in the paper, without the sample's keys,
/// which would then have two values, if `exclude`. The pairs depend on `rng` alone.
///
/// `facts` are the pairs in the order stated, each with a value to swap in that the pairs do not
/// have; `questions` the same in the order asked, the pair's statement being the evidence.
/// `weights` are 1 for answers and 0 for all else. `filler` is all filler.
///
/// Throws Error when the length is too short, when `max_gap` is, or when a word is not a token of
/// its own in `tokenizer`.
Sample make_recall(const Tokenizer& tokenizer, i64 length, i64 pairs, const RecallOptions& options,
                   const Rng& rng);

}  // namespace longreach::datasets
