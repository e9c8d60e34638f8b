// Reads SentencePiece's model files: the message ModelProto of sentencepiece_model.proto in
// github.com/google/sentencepiece. Its own library stops the process, or reads beyond its tables,
// when a file is damaged; so it is only given what plain_file() has written.
#include "datasets/sentencepiece_model.h"

#include <cmath>
#include <set>

#include "core/error.h"
#include "datasets/protobuf.h"
#include "datasets/utf8.h"

namespace longreach::datasets {
namespace {

using Piece = SentencepieceModel::Piece;
using Type = SentencepieceModel::Type;

/// The library builds its tables by recursion over a piece's bytes.
constexpr std::size_t kLongestPiece = 1000;

// Numbers of the fields.
namespace model_field {
constexpr std::uint64_t pieces = 1, trainer = 2, normalizer = 3, denormalizer = 5;
}
namespace piece_field {
constexpr std::uint64_t text = 1, score = 2, type = 3;
}
namespace trainer_field {
constexpr std::uint64_t kind = 3, space_after = 24, byte_fallback = 35, begin = 46, end = 47;
}
namespace normalizer_field {
constexpr std::uint64_t name = 1, rules = 2, leading_space = 3, remove_spaces = 4, mark_spaces = 5;
}

class Parser {
 public:
  explicit Parser(const std::string& path) : path_(path) {}

  SentencepieceModel parse(std::string_view content) {
    MessageReader in(content, path_);
    while (in.next()) {
      if (in.number() == model_field::pieces) model_.pieces.push_back(piece(in.bytes()));
      if (in.number() == model_field::trainer) read_trainer(in.bytes());
      if (in.number() == model_field::normalizer) read_normalizer(in.bytes());
      if (in.number() == model_field::denormalizer) read_denormalizer(in.bytes());
    }
    require_sound_pieces();
    if (byte_fallback_) read_bytes();
    model_.begin = control(begin_);
    model_.end = control(end_);
    return std::move(model_);
  }

 private:
  Piece piece(std::string_view message) const {
    const std::size_t id = model_.pieces.size();
    Piece piece;
    std::uint64_t type = static_cast<std::uint64_t>(piece.type);
    MessageReader in(message, path_);
    while (in.next()) {
      if (in.number() == piece_field::text) piece.text = in.bytes();
      if (in.number() == piece_field::score) piece.score = in.real();
      if (in.number() == piece_field::type) type = in.integer();
    }
    if (type < 1 || type > 6) throw error("{}: token {} is of unknown type {}", path_, id, type);
    piece.type = static_cast<Type>(type);
    return piece;
  }

  void read_trainer(std::string_view message) {
    MessageReader in(message, path_);
    while (in.next()) {
      if (in.number() == trainer_field::kind) read_kind(in.integer());
      if (in.number() == trainer_field::byte_fallback) byte_fallback_ = in.boolean();
      if (in.number() == trainer_field::begin) begin_ = in.bytes();
      if (in.number() == trainer_field::end) end_ = in.bytes();
      if (in.number() == trainer_field::space_after && in.boolean()) {
        throw error(
            "{}: has spaces after words (treat_whitespace_as_suffix); models with spaces "
            "before them are read",
            path_);
      }
    }
  }

  void read_kind(std::uint64_t kind) {
    if (kind != 1 && kind != 2) {
      throw error("{}: is a model of kind {}; unigram (1) and BPE (2) are read", path_, kind);
    }
    model_.kind = static_cast<SentencepieceModel::Kind>(kind);
  }

  void read_normalizer(std::string_view message) {
    std::string_view name = "without a name", rules;
    MessageReader in(message, path_);
    while (in.next()) {
      if (in.number() == normalizer_field::name) name = in.bytes();
      if (in.number() == normalizer_field::rules) rules = in.bytes();
      if (in.number() == normalizer_field::leading_space) model_.leading_space = in.boolean();
      if (in.number() == normalizer_field::mark_spaces && !in.boolean()) {
        throw error(
            "{}: leaves spaces as they are (escape_whitespaces is off); models that mark "
            "them are read",
            path_);
      }
    }
    if (!rules.empty()) {
      throw error(
          "{}: its normalizer '{}' rewrites text, which cannot be undone; models trained with "
          "normalization_rule_name=identity are read",
          path_, name);
    }
  }

  void read_denormalizer(std::string_view message) const {
    MessageReader in(message, path_);
    while (in.next()) {
      if (in.number() == normalizer_field::rules && !in.bytes().empty()) {
        throw error("{}: rewrites what it decodes; models without denormalizer are read", path_);
      }
    }
  }

  void require_sound_pieces() const {
    std::set<std::string_view> of_text, others;
    std::size_t unknown = 0;
    bool has_space = false;
    for (std::size_t id = 0; id < model_.pieces.size(); ++id) {
      const Piece& piece = model_.pieces[id];
      const std::string_view text = piece.text;
      if (text.empty() || text.size() > kLongestPiece) {
        throw error("{}: token {} has {} bytes; 1 to {} are read", path_, id, text.size(),
                    kLongestPiece);
      }
      if (valid_length(text) != text.size() || text.find('\0') != std::string_view::npos) {
        throw error("{}: token {} is no text of UTF-8", path_, id);
      }
      if (!std::isfinite(piece.score)) {
        throw error("{}: the score of '{}' is {}; it must be a number", path_, text, piece.score);
      }
      const bool is_text = piece.type == Type::normal || piece.type == Type::user_defined ||
                           piece.type == Type::unused;
      if (!(is_text ? of_text : others).insert(text).second) {
        throw error("{}: '{}' is there twice", path_, text);
      }
      unknown += piece.type == Type::unknown ? 1 : 0;
      has_space = has_space || (text == kSpaceMark && is_text && piece.type != Type::unused);
      if (piece.type == Type::byte && !byte_fallback_) {
        throw error("{}: has the byte '{}' and does not fall back to bytes", path_, text);
      }
    }
    if (of_text.empty()) throw error("{}: has no pieces of text: is it a tokenizer.model?", path_);
    if (!has_space) {  // whose bytes, fallen back to, would be those of another character
      throw error("{}: has no token for a space, '{}'", path_, kSpaceMark);
    }
    if (unknown != 1) throw error("{}: has {} unknown tokens; one is needed", path_, unknown);
  }

  void read_bytes() {
    model_.bytes.emplace(256, -1);
    for (std::size_t id = 0; id < model_.pieces.size(); ++id) {
      if (model_.pieces[id].type == Type::byte) {
        (*model_.bytes)[byte_of(model_.pieces[id].text)] = static_cast<Token>(id);
      }
    }
    for (std::size_t byte = 0; byte < 256; ++byte) {
      if ((*model_.bytes)[byte] == -1) throw error("{}: has no token for byte {}", path_, byte);
    }
  }

  std::size_t byte_of(const std::string& text) const {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      if (text == fmt::format("<0x{:02X}>", byte)) return byte;
    }
    throw error("{}: the byte '{}' is not spelt as <0x00> to <0xFF>", path_, text);
  }

  /// The control token of that spelling, as the library looks BOS and EOS up.
  std::optional<Token> control(std::string_view text) const {
    for (std::size_t id = 0; id < model_.pieces.size(); ++id) {
      const Piece& piece = model_.pieces[id];
      if (piece.type == Type::control && piece.text == text) return static_cast<Token>(id);
    }
    return std::nullopt;
  }

  const std::string& path_;
  SentencepieceModel model_;
  bool byte_fallback_ = false;
  std::string begin_ = "<s>", end_ = "</s>";  // where the file does not say
};

}  // namespace

SentencepieceModel parse_sentencepiece(std::string_view content, const std::string& path) {
  return Parser(path).parse(content);
}

std::string SentencepieceModel::plain_file() const {
  std::string file;
  for (const Piece& piece : pieces) {
    std::string message;
    put_bytes(message, piece_field::text, piece.text);
    put_real(message, piece_field::score, piece.score);
    put_integer(message, piece_field::type, static_cast<std::uint64_t>(piece.type));
    put_bytes(file, model_field::pieces, message);
  }
  std::string trainer, normalizer;
  put_integer(trainer, trainer_field::kind, static_cast<std::uint64_t>(kind));
  put_integer(trainer, trainer_field::byte_fallback, bytes.has_value() ? 1 : 0);
  put_bytes(normalizer, normalizer_field::name, "identity");
  put_integer(normalizer, normalizer_field::leading_space, 0);
  put_integer(normalizer, normalizer_field::remove_spaces, 0);
  put_bytes(file, model_field::trainer, trainer);
  put_bytes(file, model_field::normalizer, normalizer);
  return file;
}

}  // namespace longreach::datasets
