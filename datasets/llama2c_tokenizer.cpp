// Tokenizers of llama2.c (github.com/karpathy/llama2.c): tokenizer.py's export() writes the file,
// run.c's encode() says what the tokens of a text are.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <unordered_map>
#include <unordered_set>

#include "core/error.h"
#include "core/sha256.h"
#include "datasets/merging.h"
#include "datasets/tokenizer.h"
#include "datasets/vocabulary.h"

namespace longreach::datasets {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the format stores little-endian numbers");

constexpr Token kBegin = 1, kEnd = 2;
constexpr Token kFirstByte = 3;
constexpr Token kFirstPiece = kFirstByte + 256;
constexpr float kNever = -1e10F;  // run.c's best score before it has seen any

struct Piece {
  std::string text;
  float score = 0;
};

/// Reads one number after another; each length is checked against the file before it is used.
class Reader {
 public:
  Reader(std::string_view content, const std::string& path) : rest_(content), path_(path) {}
  bool at_end() const { return rest_.empty(); }

  template <class T>
  T number() {
    T value;
    const std::string_view bytes = take(sizeof(T));
    std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }
  std::string_view take(std::size_t count) {
    if (count > rest_.size()) {
      throw error("{}: ends within a token: truncated, or no llama2.c tokenizer", path_);
    }
    const std::string_view bytes = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return bytes;
  }

 private:
  std::string_view rest_;
  const std::string& path_;
};

std::vector<Piece> read_pieces(std::string_view content, const std::string& path) {
  Reader in(content, path);
  const auto most = in.number<std::int32_t>();
  std::vector<Piece> pieces;
  while (!in.at_end()) {
    const auto score = in.number<float>();
    const auto length = in.number<std::int32_t>();
    if (length <= 0 || length > most) {
      throw error("{}: token {} has {} bytes, where the file says 1 to {}: no llama2.c tokenizer?",
                  path, pieces.size(), length, most);
    }
    if (!std::isfinite(score)) {
      throw error("{}: the score of token {} is {}; it must be a number", path, pieces.size(),
                  score);
    }
    pieces.push_back({std::string(in.take(static_cast<std::size_t>(length))), score});
  }
  return pieces;
}

class Llama2cTokenizer final : public Tokenizer {
 public:
  explicit Llama2cTokenizer(const std::string& path) : path_(path) {
    const std::string content = read_tokenizer_file(path);
    pieces_ = read_pieces(content, path);
    sha_ = sha256("llama2.c\n" + content);
    require_bytes();
    for (std::size_t id = kFirstPiece; id < pieces_.size(); ++id) {
      const Piece& piece = pieces_[id];
      longest_ = std::max(longest_, piece.text.size());
      if (!ids_.emplace(piece.text, static_cast<Token>(id)).second) {
        throw error("{}: token {} is '{}', as token {} is; each must differ", path, id, piece.text,
                    ids_.at(piece.text));
      }
    }
    for (const Piece& piece : pieces_) note_joints(piece.text);
  }
  std::string name() const override { return "llama2.c"; }
  i64 vocabulary_size() const override { return static_cast<i64>(pieces_.size()); }
  std::vector<Token> opening() const override { return {kBegin}; }
  std::vector<Token> endings() const override { return {kBegin, kEnd}; }
  std::string sha() const override { return sha_; }

  std::vector<Token> encode(std::string_view text) const override {
    std::vector<Token> tokens;
    tokens.reserve(text.size());
    while (!text.empty()) {
      const std::size_t length = character_bytes(text);
      append_character(text.substr(0, length), tokens);
      text.remove_prefix(length);
    }
    // What no piece joins stays apart, so that the parts between merge as they would in the whole.
    std::vector<Token> merged, part;
    std::string joined;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      part.push_back(tokens[i]);
      if (i + 1 < tokens.size() && joints_.contains(joint(tokens[i], tokens[i + 1]))) continue;
      merge_neighbours(part, [&](Token left, Token right) { return find(left, right, joined); });
      merged.insert(merged.end(), part.begin(), part.end());
      part.clear();
    }
    return merged;
  }
  std::string decode(std::span<const Token> tokens) const override {
    std::string text;
    for (const Token token : tokens) {
      require_known(token, pieces_.size(), path_);
      if (token >= kFirstPiece) {
        text += pieces_[static_cast<std::size_t>(token)].text;
      } else if (token >= kFirstByte) {
        text += static_cast<char>(static_cast<unsigned char>(token - kFirstByte));
      }
    }
    return text;
  }
  std::vector<Token> encode_document(std::string_view text) const override {
    std::vector<Token> tokens = opening();
    if (text.empty()) return tokens;
    const std::vector<Token> inside = encode(' ' + std::string(text));
    tokens.insert(tokens.end(), inside.begin(), inside.end());
    return tokens;
  }
  std::string decode_document(std::span<const Token> tokens) const override {
    std::string text = decode(tokens);
    return text.starts_with(' ') ? text.substr(1) : text;
  }

 private:
  void require_bytes() const {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::size_t id = kFirstByte + byte;
      const std::string expected = fmt::format("<0x{:02X}>", byte);
      if (id >= pieces_.size() || pieces_[id].text != expected) {
        throw error("{}: token {} is not '{}': truncated, or no llama2.c tokenizer", path_, id,
                    expected);
      }
    }
  }

  static std::uint64_t joint(Token left, Token right) {
    return static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint32_t>(right);
  }

  /// Notes which characters stand side by side in a piece.
  void note_joints(std::string_view text) {
    std::vector<Token> characters;
    while (!text.empty()) {
      const std::size_t length = character_bytes(text);
      append_character(text.substr(0, length), characters);
      text.remove_prefix(length);
    }
    for (std::size_t i = 1; i < characters.size(); ++i) {
      joints_.insert(joint(characters[i - 1], characters[i]));
    }
  }

  /// Bytes of the first character as run.c cuts it: a byte and at most three continuing it.
  static std::size_t character_bytes(std::string_view text) {
    std::size_t length = 1;
    while (length < std::min<std::size_t>(4, text.size()) && (text[length] & 0xC0) == 0x80) {
      ++length;
    }
    return length;
  }

  void append_character(std::string_view character, std::vector<Token>& tokens) const {
    if (const auto found = ids_.find(std::string(character)); found != ids_.end()) {
      tokens.push_back(found->second);
      return;
    }
    for (const char c : character) tokens.push_back(kFirstByte + static_cast<unsigned char>(c));
  }

  /// What spells both; `joined` is room to join them in. Bytes do not merge: in run.c they are
  /// spelt "<0x0A>", of which no piece is made.
  std::optional<Merge> find(Token left, Token right, std::string& joined) const {
    if (left < kFirstPiece || right < kFirstPiece) return std::nullopt;
    const std::string& first = pieces_[static_cast<std::size_t>(left)].text;
    const std::string& second = pieces_[static_cast<std::size_t>(right)].text;
    if (first.size() + second.size() > longest_) return std::nullopt;
    joined = first;
    joined += second;
    const auto found = ids_.find(joined);
    if (found == ids_.end()) return std::nullopt;
    const float score = pieces_[static_cast<std::size_t>(found->second)].score;
    if (score <= kNever) return std::nullopt;
    return Merge{-static_cast<double>(score), found->second};
  }

  std::string path_, sha_;
  std::vector<Piece> pieces_;
  std::unordered_map<std::string, Token> ids_;  ///< of ordinary pieces: no control, no byte
  std::unordered_set<std::uint64_t> joints_;    ///< neighbouring characters of some piece
  std::size_t longest_ = 0;
};

}  // namespace

std::unique_ptr<Tokenizer> read_llama2c_tokenizer(const std::string& path) {
  return std::make_unique<Llama2cTokenizer>(path);
}

}  // namespace longreach::datasets
