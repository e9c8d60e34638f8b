// What a Hugging Face tokenizer.json of byte-level BPE says.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "datasets/split_pattern.h"

namespace longreach::datasets {

struct BpeFile {
  struct Piece {
    std::string text;       ///< what it decodes to; nothing for control tokens
    bool ordinary = false;  ///< of the vocabulary proper: neither added nor control
  };
  struct Rule {
    Token left = 0, right = 0, merged = 0;
  };
  std::vector<Piece> pieces;       ///< by id
  std::array<Token, 256> bytes{};  ///< the token of each
  std::vector<Rule> rules;         ///< those with lower ranks first
  bool whole_pieces_first =
      false;                   ///< a piece of text that is a token is not merged (ignore_merges)
  bool composed = false;       ///< text is brought to Unicode's NFC before all else
  bool leading_space = false;  ///< documents have a space before their text
  std::vector<SplitPattern> splits;  ///< one after the other
  std::vector<Token> opening, endings;
  std::string sha;
};

/// Reads `path` and the tokenizer_config.json beside it, if there is one. Throws Error for what is
/// malformed, and naming what such a file may ask for and is not done here.
BpeFile read_bpe_file(const std::string& path);

/// Whether `path` is JSON of a byte-level BPE tokenizer. Throws Error where it is no JSON at all.
bool is_byte_level_bpe(const std::string& path);

}  // namespace longreach::datasets
