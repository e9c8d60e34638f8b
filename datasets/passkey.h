// The passkey task: filler, one sentence stating a 5-digit key twice, filler, a question.
//
// The task is that of Mohtashami & Jaggi 2023 (arXiv 2305.16300); the wording is ours.
#pragma once

#include <string>
#include <vector>

#include "datasets/dataset.h"

namespace longreach::datasets {

/// Raised when a sample's text, weights or facts change.
inline constexpr i64 kPasskeyVersion = 1;
inline constexpr i64 kPasskeyDigits = 5;
/// What all tokens outside the answer weigh together, the answer weighing 1: the training loss is
/// answer cross-entropy + 0.1 x language-model cross-entropy, over 1.1.
inline constexpr double kPasskeyFillerWeight = 0.1;

/// The task's closed vocabulary: the ten digits, the punctuation and the words, each once.
std::vector<std::string> passkey_words();

/// Tokens of a sample without filler: the tokenizer's opening, statement, question and answer.
i64 smallest_passkey(const Tokenizer&);

/// A passkey sample of exactly `length` tokens, the tokenizer's opening (first, before any filler)
/// and the answer included, with `depth_percent` per cent of its filler (rounded to a token) before
/// the key's statement; each part of the filler ends with a whole sentence. Key and decoys depend
/// on `rng` alone, not on length, depth or tokenizer.
///
/// Its question's `answer` is the last 5 tokens, `evidence` the statement, `decoys` that many other
/// keys. `depth` is depth_percent. `facts` are the key's digits, in order: each stated twice, each
/// with another digit to swap in. `weights` as kPasskeyFillerWeight says. `filler` is what stands
/// before the statement and between it and the question.
///
/// Throws Error when the length is too short, when a digit is not a token of its own, or when
/// `tokenizer` lacks a word of the task.
Sample make_passkey(const Tokenizer& tokenizer, i64 length, double depth_percent, Rng rng,
                    i64 decoys = 9);

}  // namespace longreach::datasets
