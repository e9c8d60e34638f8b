// Asks a model the questions of samples.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "datasets/dataset.h"
#include "model/transformer.h"

namespace longreach::metrics {

/// How questions are asked.
struct Asking {
  i64 new_tokens = 0;   ///< to generate beyond as many as the right answer has
  bool choices = true;  ///< also rank the right answer among the decoys
};

/// What a model made of one question.
struct Answer {
  /// Greedily, up to a token that ends documents, which is left out.
  std::vector<Token> generated;
  /// Whether the right answer has a higher log-probability per byte of its text than each decoy
  /// (acc_norm of lm-evaluation-harness), a tie counting against it; nothing without decoys.
  std::optional<bool> first;
};

/// Every question of every sample, [samples][questions], all answered after the text before them
/// with the true answers in it. A sample is read once: its state goes on from question to question,
/// and generation and decoys from copies of it. Samples with questions at equal places go side by
/// side. Throws Error as Transformer::forward does.
std::vector<std::vector<Answer>> ask(const model::Transformer&, const datasets::Tokenizer&,
                                     std::span<const datasets::Sample>, const Asking&);

}  // namespace longreach::metrics
