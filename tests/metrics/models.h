// Models whose every probability is known, and the sessions that metrics measure them in.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "metrics/metric.h"

namespace longreach::metrics {

/// The next token, given all before it that the model sees; -1: any token, with equal probability.
using Predict = std::function<Token(std::span<const Token> seen)>;

/// A transformer whose attention is `predict`: the predicted token's logit is `logit`, all others
/// are 0. `window` > 0 shows predict the last so many tokens only. `declared_bytes_off` is added to
/// what the state is said to take.
model::Transformer oracle_model(i64 vocabulary, Predict predict, double logit, i64 window = 0,
                                i64 declared_bytes_off = 0);

/// Every token with probability 1 / vocabulary, whatever came before.
model::Transformer uniform_model(i64 vocabulary);

/// Logits logits[last token][next token], whatever came before.
model::Transformer table_model(const std::vector<std::vector<double>>& logits);

/// A model of 2 layers, 4 heads and 2 key/value heads of size 8 with random weights and the
/// registered backend "full".
model::Transformer full_model(i64 vocabulary);

/// Predicts what followed the last earlier place where the longest run (3 to 8) of the last tokens
/// stood; -1 when there is none.
Token copy_from_context(std::span<const Token> seen);

/// A session of seed 7 without data; intervals from 200 resamples.
Session session(const model::Transformer&, const datasets::Tokenizer&, i64 context_length,
                std::span<const i64> lengths = {});

/// The measurement of that name, subtask and depth; fails the test when there is none or several.
const Measurement& find(const Findings&, const std::string& metric, const std::string& subtask = "",
                        std::optional<double> depth = std::nullopt);

/// A sample's score of that name.
double score(const SampleRecord&, const std::string& name);

/// Whether the value lies in its interval, ends included.
bool inside_interval(const Measurement&);

/// Every number and text of the findings, one a line: equal findings, equal bytes.
std::string text(const Findings&);

}  // namespace longreach::metrics
