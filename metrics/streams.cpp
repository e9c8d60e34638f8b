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

}  // namespace longreach::metrics
