// Greedy continuation of a batch of prompts.
#include "model/generate.h"

#include <algorithm>

#include "core/error.h"
#include "model/scoring.h"

namespace longreach::model {

std::vector<std::vector<Token>> generate_greedy(const Transformer& model,
                                                View<const Token, 2> prompt, i64 count,
                                                i64 prefill_chunk) {
  const i64 batch = prompt.extent(0), length = prompt.extent(1);
  const i64 vocabulary = model.architecture().vocabulary;
  check(length >= 1 && count >= 0, "a prompt of at least one token");
  std::vector<std::vector<Token>> result(static_cast<std::size_t>(batch));
  if (count == 0) return result;

  StreamState state = model.initial_state(batch, length + count);
  prefill(model, prompt.slice(1, 0, length - 1), state, prefill_chunk);
  std::vector<Token> next;
  for (i64 b = 0; b < batch; ++b) next.push_back(prompt(b, length - 1));
  Floats buffer(static_cast<std::size_t>(batch * vocabulary));
  const View<float, 3> logits(buffer.data(), {batch, 1, vocabulary});
  for (i64 step = 0; step < count; ++step) {
    model.forward(View<const Token, 2>(next.data(), {batch, 1}), state, logits, nullptr);
    for (i64 b = 0; b < batch; ++b) {
      const auto row = logits.row(b, 0);
      const Token best = static_cast<Token>(std::ranges::max_element(row) - row.begin());
      next[static_cast<std::size_t>(b)] = best;
      result[static_cast<std::size_t>(b)].push_back(best);
    }
  }
  return result;
}

}  // namespace longreach::model
