// Equally long token sequences that go through the model side by side.
#pragma once

#include <span>
#include <vector>

#include "core/tensor.h"
#include "model/transformer.h"

namespace longreach::metrics {

/// How many streams of that length to run at once: about 8192 tokens, at least one stream.
i64 streams_at_once(i64 length);

/// Rows of equal length, dense.
class TokenRows {
 public:
  void add(std::span<const Token> row);
  /// One row made of two parts.
  void add(std::span<const Token> first, std::span<const Token> second);
  i64 count() const { return count_; }
  View<const Token, 2> view() const;  ///< [count, length]

 private:
  std::vector<Token> tokens_;
  i64 count_ = 0;
};

}  // namespace longreach::metrics
