// The batches of streams.h.
#include "metrics/streams.h"

#include <algorithm>

#include "core/error.h"

namespace longreach::metrics {
namespace {

constexpr i64 kTokensAtOnce = 8192;

}  // namespace

i64 streams_at_once(i64 length) { return std::max<i64>(1, kTokensAtOnce / length); }

void TokenRows::add(std::span<const Token> row) { add(row, {}); }

void TokenRows::add(std::span<const Token> first, std::span<const Token> second) {
  tokens_.insert(tokens_.end(), first.begin(), first.end());
  tokens_.insert(tokens_.end(), second.begin(), second.end());
  ++count_;
  check(tokens_.size() == static_cast<std::size_t>(count_) * (first.size() + second.size()),
        "rows are equally long");
}

View<const Token, 2> TokenRows::view() const {
  return {tokens_.data(), {count_, static_cast<i64>(tokens_.size()) / std::max<i64>(1, count_)}};
}

std::vector<std::vector<Token>> continue_greedily(const model::Transformer& model,
                                                  model::StreamState& state,
                                                  std::vector<Token> last, i64 count) {
  const i64 batch = static_cast<i64>(last.size());
  Tensor logits({batch, 1, model.architecture().vocabulary});
  std::vector<std::vector<Token>> generated(last.size());
  for (i64 step = 0; step < count; ++step) {
    model.forward(View<const Token, 2>(last.data(), {batch, 1}), state, logits.view<3>(), nullptr);
    for (i64 b = 0; b < batch; ++b) {
      const std::span<const float> row = std::as_const(logits).view<3>().row(b, 0);
      const auto stream = static_cast<std::size_t>(b);
      last[stream] = static_cast<Token>(std::max_element(row.begin(), row.end()) - row.begin());
      generated[stream].push_back(last[stream]);
    }
  }
  return generated;
}

}  // namespace longreach::metrics
