// What a SentencePiece model file says, read without trusting it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensor.h"

namespace longreach::datasets {

/// U+2581, which stands for a space in pieces.
inline constexpr std::string_view kSpaceMark = "\xE2\x96\x81";

struct SentencepieceModel {
  enum class Kind { unigram = 1, bpe = 2 };
  enum class Type { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };
  struct Piece {
    std::string text;  ///< as the file spells it, a space as kSpaceMark
    float score = 0;
    Type type = Type::normal;
  };
  Kind kind = Kind::unigram;
  std::vector<Piece> pieces;  ///< by id
  std::optional<std::vector<Token>>
      bytes;                        ///< the token of each, where the model falls back to them
  std::optional<Token> begin, end;  ///< its BOS and EOS
  bool leading_space = true;        ///< texts were trained with a space before them

  /// A model file of these pieces that encodes text as it is: no space added, none removed.
  std::string plain_file() const;
};

/// Of a file's content. Throws Error, beginning with `path`, for anything that is no sound model
/// and for models that change text beyond recovery.
SentencepieceModel parse_sentencepiece(std::string_view content, const std::string& path);

}  // namespace longreach::datasets
