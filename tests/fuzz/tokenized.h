// Uses whatever tokenizer a file made, as the program would.
#pragma once

#include "datasets/tokenizer.h"
#include "tests/fuzz/target.h"

namespace longreach::fuzz {

/// That a tokenizer has no token for some of a text is no reason to have refused its file.
inline void use(const datasets::Tokenizer& tokenizer) {
  const std::string text = "Lily's  42 b\xc3\xa4lls,\n\xe2\x96\x81\xf0\x9f\x8e\x88 <s>\t!\xff";
  std::vector<Token> tokens;
  try {
    tokens = tokenizer.encode_document(text);
  } catch (const Error&) {
  }
  for (const Token token : tokens) {
    check(token >= 0 && token < tokenizer.vocabulary_size(), "a token outside the vocabulary");
  }
  tokenizer.decode_document(tokens);
  tokenizer.decode(tokens);
  tokenizer.endings();
  tokenizer.sha();
}

}  // namespace longreach::fuzz
