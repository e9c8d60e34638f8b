// Byte-level byte-pair encoding (GPT-2 and most open models since): text is cut by patterns, and
// within each piece neighbours are merged from single bytes up, in the order that training found.
#include <cstdlib>
#include <deque>
#include <unordered_map>
#include <utf8proc.h>

#include "core/error.h"
#include "datasets/bpe_file.h"
#include "datasets/merging.h"
#include "datasets/tokenizer.h"
#include "datasets/utf8.h"
#include "datasets/vocabulary.h"

namespace longreach::datasets {
namespace {

/// Valid UTF-8 in Unicode's normalization form C.
std::string composed(std::string_view text) {
  utf8proc_uint8_t* made = nullptr;
  const utf8proc_ssize_t length =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &made,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(made, &std::free);
  if (length < 0) throw error("a text cannot be normalized: {}", utf8proc_errmsg(length));
  return {reinterpret_cast<const char*>(made), static_cast<std::size_t>(length)};
}

class BpeTokenizer final : public Tokenizer {
 public:
  explicit BpeTokenizer(const std::string& path) : path_(path), file_(read_bpe_file(path)) {
    for (std::size_t rank = 0; rank < file_.rules.size(); ++rank) {
      const BpeFile::Rule& rule = file_.rules[rank];
      // Of a pair named twice the last counts, as it does for Hugging Face.
      merges_[pair(rule.left, rule.right)] = {static_cast<double>(rank), rule.merged};
    }
    file_.rules = {};
    if (!file_.whole_pieces_first) return;
    for (std::size_t id = 0; id < file_.pieces.size(); ++id) {
      const BpeFile::Piece& piece = file_.pieces[id];
      if (piece.ordinary) whole_.emplace(piece.text, static_cast<Token>(id));
    }
  }
  std::string name() const override { return "bpe"; }
  i64 vocabulary_size() const override { return static_cast<i64>(file_.pieces.size()); }
  std::vector<Token> opening() const override { return file_.opening; }
  std::vector<Token> endings() const override { return file_.endings; }
  std::string sha() const override { return file_.sha; }

  std::vector<Token> encode(std::string_view text) const override {
    Encoding encoding;
    while (!text.empty()) {
      const std::size_t valid = valid_length(text);
      if (valid > 0) append_characters(text.substr(0, valid), encoding);
      text.remove_prefix(valid);
      // No pattern says where other bytes belong: they are a piece of their own.
      const std::size_t invalid = invalid_length(text);
      if (invalid > 0) append_piece(text.substr(0, invalid), encoding);
      text.remove_prefix(invalid);
    }
    return std::move(encoding.tokens);
  }
  std::string decode(std::span<const Token> tokens) const override {
    std::string text;
    for (const Token token : tokens) {
      require_known(token, file_.pieces.size(), path_);
      text += file_.pieces[static_cast<std::size_t>(token)].text;
    }
    return text;
  }
  std::vector<Token> encode_document(std::string_view text) const override {
    if (!file_.leading_space || text.empty()) return Tokenizer::encode_document(text);
    return Tokenizer::encode_document(' ' + std::string(text));
  }
  std::string decode_document(std::span<const Token> tokens) const override {
    std::string text = decode(tokens);
    return file_.leading_space && text.starts_with(' ') ? text.substr(1) : text;
  }

 private:
  /// The tokens so far, where those of each piece are among them, and texts that pieces view.
  struct Encoding {
    struct Range {
      std::size_t begin, end;
    };
    std::vector<Token> tokens;
    std::unordered_map<std::string_view, Range> seen;
    std::deque<std::string> composed;
  };

  static std::uint64_t pair(Token left, Token right) {
    return static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint32_t>(right);
  }

  void append_characters(std::string_view text, Encoding& encoding) const {
    if (file_.composed) text = encoding.composed.emplace_back(composed(text));
    std::vector<std::string_view> pieces{text};
    for (const SplitPattern& split : file_.splits) pieces = split.split(pieces);
    for (const std::string_view piece : pieces) append_piece(piece, encoding);
  }

  void append_piece(std::string_view piece, Encoding& encoding) const {
    std::vector<Token>& tokens = encoding.tokens;
    const auto [seen, is_new] = encoding.seen.try_emplace(piece);
    if (!is_new) {
      for (std::size_t i = seen->second.begin; i < seen->second.end; ++i) {
        tokens.push_back(Token{tokens[i]});
      }
      return;
    }
    const std::size_t begin = tokens.size();
    const std::vector<Token> merged = merge(piece);
    tokens.insert(tokens.end(), merged.begin(), merged.end());
    seen->second = {begin, tokens.size()};
  }

  std::vector<Token> merge(std::string_view piece) const {
    if (file_.whole_pieces_first) {
      if (const auto found = whole_.find(std::string(piece)); found != whole_.end()) {
        return {found->second};
      }
    }
    std::vector<Token> tokens;
    tokens.reserve(piece.size());
    for (const char c : piece) tokens.push_back(file_.bytes[static_cast<unsigned char>(c)]);
    merge_neighbours(tokens, [this](Token left, Token right) -> std::optional<Merge> {
      const auto found = merges_.find(pair(left, right));
      return found == merges_.end() ? std::nullopt : std::optional<Merge>(found->second);
    });
    return tokens;
  }

  std::string path_;
  BpeFile file_;
  std::unordered_map<std::uint64_t, Merge> merges_;
  std::unordered_map<std::string, Token> whole_;  ///< only where they come first
};

}  // namespace

std::unique_ptr<Tokenizer> read_bpe_tokenizer(const std::string& path) {
  return std::make_unique<BpeTokenizer>(path);
}

}  // namespace longreach::datasets
