// Text to tokens and back.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensor.h"

namespace longreach::datasets {

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  virtual std::string name() const = 0;  ///< "bytes", "words"
  virtual i64 vocabulary_size() const = 0;
  /// Throws Error naming the first text that has no token.
  virtual std::vector<Token> encode(std::string_view text) const = 0;
  virtual std::string decode(std::span<const Token> tokens) const = 0;
  /// SHA-256 of what the tokenizer is (its name and vocabulary), hex.
  virtual std::string sha() const = 0;
};

/// One token a byte, vocabulary 256.
std::unique_ptr<Tokenizer> byte_tokenizer();

/// A closed vocabulary of words and single characters. Text is cut at spaces; a word of the list
/// is one token; decode() joins with single spaces. Ids follow the list's order.
std::unique_ptr<Tokenizer> word_tokenizer(std::vector<std::string> words);

}  // namespace longreach::datasets
