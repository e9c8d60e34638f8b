// What a metric will have a model do, told before there is a model: what `plan` predicts from.
#pragma once

#include <span>
#include <vector>

#include "core/tensor.h"
#include "datasets/dataset.h"

namespace longreach::metrics {

/// What is known of a cell before it runs. A view: holds nothing.
struct Prospect {
  const datasets::Dataset* data = nullptr;  ///< the task's; nullptr when it has none
  i64 context_length = 0;                   ///< this cell's
  std::span<const i64> lengths;             ///< all context lengths of the task, ascending
};

/// Equal passes through the model.
struct Pass {
  double count = 1;       ///< how many
  i64 streams = 1;        ///< side by side in each
  i64 position = 0;       ///< tokens that each stream has read before
  i64 tokens = 0;         ///< tokens that each stream reads
  i64 logits = 0;         ///< of those, how many have logits made
  i64 chunk = 512;        ///< most tokens of a stream in a call; 1: as in generation
  bool baseline = false;  ///< through the baseline's model
  double budget = 0;      ///< seconds that all of them may take, but three at least; 0: any
};

struct Work {
  std::vector<Pass> passes;
  i64 states = 1;        ///< copies of the largest pass's states held at a time, that one included
  i64 models = 1;        ///< copies of the weights held at a time
  double copied = 0;     ///< streams whose states are copied
  double resampled = 0;  ///< units over all rows whose intervals are bootstrapped

  double tokens() const;  ///< read by the model and its baseline
};

/// `count` streams of `tokens` tokens each, streams_at_once() side by side, the last `logits` of
/// each with logits. Nothing when there are none.
void add_streams(Work&, double count, i64 tokens, i64 logits);

/// What samples ask, on average.
struct AskedOf {
  double questions = 1, facts = 1;  ///< of a sample
  double answer = 1, decoys = 0;    ///< tokens of an answer, decoys of a question
  double end = 1, stated = 0.5;     ///< share of the sample before an answer's end, the first fact
  bool alike = true;                ///< samples have their answers at the same places
};
/// By a few test samples of about that length, shorter ones where that is long. Without any, one
/// question at the end.
AskedOf asked_of(const Prospect&);

/// Tokens of held-out text; 0 when there is none.
i64 held_out_tokens(const Prospect&);

}  // namespace longreach::metrics
