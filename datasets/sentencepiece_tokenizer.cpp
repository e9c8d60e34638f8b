// SentencePiece's tokenizers (Kudo & Richardson 2018; Llama 2, Mistral, Gemma): its library finds
// the pieces of text; bytes that are no characters, and decoding, are ours, for it replaces the
// former.
#include <sentencepiece_processor.h>

#include "core/error.h"
#include "core/sha256.h"
#include "datasets/sentencepiece_model.h"
#include "datasets/tokenizer.h"
#include "datasets/utf8.h"
#include "datasets/vocabulary.h"

// In the library and in none of its installed headers.
namespace sentencepiece::logging {
void SetMinLogLevel(int level);
}

namespace longreach::datasets {
namespace {

using Type = SentencepieceModel::Type;

/// Bytes before the next that no piece can stand for: those of no character, and kSpaceMark,
/// which would come back as a space.
std::size_t encodable_length(std::string_view text) {
  std::size_t end = 0;
  while (const std::size_t length = character_length(text.substr(end))) {
    if (text.substr(end).starts_with(kSpaceMark)) break;
    end += length;
  }
  return end;
}

class SentencepieceTokenizer final : public Tokenizer {
 public:
  explicit SentencepieceTokenizer(const std::string& path) : path_(path) {
    const std::string content = read_tokenizer_file(path);
    model_ = parse_sentencepiece(content, path);
    sha_ = sha256("sentencepiece\n" + content);
    constexpr int kNothing = 100;  // above fatal; messages come back as Status
    sentencepiece::logging::SetMinLogLevel(kNothing);
    try {
      require(library_.LoadFromSerializedProto(model_.plain_file()));
    } catch (const std::exception& problem) {
      throw error("{}: SentencePiece refuses it: {}", path, problem.what());
    }
    for (const SentencepieceModel::Piece& piece : model_.pieces) texts_.push_back(text_of(piece));
  }
  std::string name() const override { return "sentencepiece"; }
  i64 vocabulary_size() const override { return static_cast<i64>(texts_.size()); }
  std::vector<Token> opening() const override { return listed(model_.begin); }
  std::vector<Token> endings() const override { return listed(model_.end); }
  std::string sha() const override { return sha_; }

  std::vector<Token> encode(std::string_view text) const override {
    std::vector<Token> tokens;
    while (!text.empty()) {
      const std::size_t length = encodable_length(text);
      if (length > 0) append_text(text.substr(0, length), tokens);
      text.remove_prefix(length);
      const std::size_t raw =
          text.starts_with(kSpaceMark) ? kSpaceMark.size() : invalid_length(text);
      append_bytes(text.substr(0, raw), tokens);
      text.remove_prefix(raw);
    }
    return tokens;
  }
  std::string decode(std::span<const Token> tokens) const override {
    std::string text;
    for (const Token token : tokens) {
      require_known(token, texts_.size(), path_);
      text += texts_[static_cast<std::size_t>(token)];
    }
    return text;
  }
  std::vector<Token> encode_document(std::string_view text) const override {
    if (!model_.leading_space || text.empty()) return Tokenizer::encode_document(text);
    return Tokenizer::encode_document(' ' + std::string(text));
  }
  std::string decode_document(std::span<const Token> tokens) const override {
    std::string text = decode(tokens);
    return model_.leading_space && text.starts_with(' ') ? text.substr(1) : text;
  }

 private:
  static std::vector<Token> listed(std::optional<Token> token) {
    return token ? std::vector<Token>{*token} : std::vector<Token>{};
  }

  static std::string text_of(const SentencepieceModel::Piece& piece) {
    if (piece.type == Type::control || piece.type == Type::unknown) return "";
    if (piece.type == Type::byte) {
      return {static_cast<char>(std::stoi(piece.text.substr(3, 2), nullptr, 16))};  // <0xXX>
    }
    std::string text = piece.text;
    for (std::size_t at = text.find(kSpaceMark); at != std::string::npos;
         at = text.find(kSpaceMark, at)) {
      text.replace(at, kSpaceMark.size(), " ");
    }
    return text;
  }

  void require(const sentencepiece::util::Status& status) const {
    if (!status.ok()) throw error("{}: SentencePiece says: {}", path_, status.error_message());
  }

  void append_text(std::string_view text, std::vector<Token>& tokens) const {
    std::vector<int> found;
    require(library_.Encode(text, &found));
    for (const int token : found) {
      if (model_.pieces.at(static_cast<std::size_t>(token)).type == Type::unknown) {
        throw error("{}: has no token for some of '{}', and does not fall back to bytes", path_,
                    text.substr(0, 40));
      }
    }
    tokens.insert(tokens.end(), found.begin(), found.end());
  }

  void append_bytes(std::string_view bytes, std::vector<Token>& tokens) const {
    if (!model_.bytes && !bytes.empty()) {
      throw error("{}: has no token for the byte {}, and does not fall back to bytes", path_,
                  static_cast<unsigned char>(bytes.front()));
    }
    for (const char byte : bytes) {
      tokens.push_back((*model_.bytes)[static_cast<unsigned char>(byte)]);
    }
  }

  std::string path_, sha_;
  SentencepieceModel model_;
  sentencepiece::SentencePieceProcessor library_;
  std::vector<std::string> texts_;  ///< what each token decodes to
};

}  // namespace

std::unique_ptr<Tokenizer> read_sentencepiece_tokenizer(const std::string& path) {
  return std::make_unique<SentencepieceTokenizer>(path);
}

}  // namespace longreach::datasets
