// Text whose every conditional probability is known, and the models that know it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "datasets/text.h"
#include "datasets/tokenizer.h"
#include "metrics/metric.h"

namespace longreach::metrics {

/// With probability `copied` a token is the one `distance` before it, else any of `kLetters` with
/// equal probability. So given at least `distance` tokens before it the earlier copy is right with
/// probability p = copied + q, every other letter with q = (1 - copied) / kLetters; given fewer
/// tokens, or none, all letters are equally likely: nearer tokens say nothing.
struct CopySource {
  static constexpr i64 kLetters = 16;
  double copied;
  i64 distance;

  /// Documents of `length` letters each, all held out.
  datasets::TextDataset text(i64 documents, i64 length, std::uint64_t seed) const;

  /// A model with exactly these conditional probabilities; blind to all but the last `window`
  /// tokens unless that is 0.
  model::Transformer oracle(i64 window = 0) const;

  double other() const;    ///< q
  double right() const;    ///< p
  double unknown() const;  ///< entropy without the earlier copy, nats a token: ln(kLetters)
  double known() const;    ///< entropy with it: -p ln p - (kLetters - 1) q ln q
  double gain() const { return unknown() - known(); }
  /// What the oracle loses, nats a token, that finds another letter in the earlier place: one of
  /// elsewhere, or one that the right letter is a copy of with probability `related`.
  double misled(double related = 0) const;
};

/// One token a letter.
const datasets::Tokenizer& letter_tokenizer();

/// Logits of random numbers between 0 and 1, whatever came before the last letter.
model::Transformer memoryless_model(std::uint64_t seed);

/// Measures with default statistics of 200 resamples.
Findings measure_text(const std::string& metric, const model::Transformer&,
                      const datasets::Dataset&, i64 length, const std::vector<i64>& lengths,
                      const std::map<std::string, std::string>& settings,
                      const model::Transformer* baseline = nullptr);

}  // namespace longreach::metrics
