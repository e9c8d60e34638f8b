// Byte-pair encoding's inner loop: of all neighbours that may become one token, the best do first.
#pragma once

#include <optional>
#include <queue>
#include <tuple>
#include <vector>

#include "core/tensor.h"

namespace longreach::datasets {

/// What two neighbours become; lower ranks come first, of equal ones the leftmost.
struct Merge {
  double rank = 0;
  Token token = 0;
};

/// Merges neighbours in `tokens` until no more may be. `find(left, right)` is their
/// std::optional<Merge>. N tokens take O(N log N): a queue holds every pair that may be merged, and
/// entries whose tokens have changed since are passed over.
template <class Find>
void merge_neighbours(std::vector<Token>& tokens, const Find& find) {
  constexpr Token kGone = -1;
  const i64 count = static_cast<i64>(tokens.size());
  struct Candidate {
    Merge merge;
    i64 left, right;  ///< places in `tokens`
    Token left_token, right_token;
    bool operator>(const Candidate& other) const {
      return std::tie(merge.rank, left) > std::tie(other.merge.rank, other.left);
    }
  };
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  std::vector<i64> before(tokens.size()), after(tokens.size());
  const auto at = [&tokens](i64 place) -> Token& {
    return tokens[static_cast<std::size_t>(place)];
  };
  const auto consider = [&](i64 left, i64 right) {
    if (left < 0 || right >= count) return;
    if (const std::optional<Merge> merge = find(at(left), at(right))) {
      queue.push({*merge, left, right, at(left), at(right)});
    }
  };
  for (i64 i = 0; i < count; ++i) {
    before[static_cast<std::size_t>(i)] = i - 1;
    after[static_cast<std::size_t>(i)] = i + 1;
    consider(i, i + 1);
  }
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    // A token that was merged away is kGone; one that stands for more now has another id, for no
    // two tokens spell the same. So equal ids mean that the two are neighbours still.
    if (at(best.left) != best.left_token || at(best.right) != best.right_token) continue;
    at(best.left) = best.merge.token;
    at(best.right) = kGone;
    const i64 next = after[static_cast<std::size_t>(best.right)];
    after[static_cast<std::size_t>(best.left)] = next;
    if (next < count) before[static_cast<std::size_t>(next)] = best.left;
    consider(before[static_cast<std::size_t>(best.left)], best.left);
    consider(best.left, next);
  }
  std::erase(tokens, kGone);
}

}  // namespace longreach::datasets
