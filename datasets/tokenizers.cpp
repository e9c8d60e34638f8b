// The tokenizers that need no file: bytes, and the closed word lists of the task generators.
#include <algorithm>
#include <unordered_map>

#include "core/error.h"
#include "core/sha256.h"
#include "datasets/tokenizer.h"
#include "datasets/vocabulary.h"

namespace longreach::datasets {
namespace {

constexpr std::string_view kSpaces = " \t\r\n";

class ByteTokenizer final : public Tokenizer {
 public:
  std::string name() const override { return "bytes"; }
  i64 vocabulary_size() const override { return kSize; }

  std::vector<Token> encode(std::string_view text) const override {
    std::vector<Token> tokens(text.size());
    std::transform(text.begin(), text.end(), tokens.begin(),
                   [](char c) { return static_cast<Token>(static_cast<unsigned char>(c)); });
    return tokens;
  }
  std::string decode(std::span<const Token> tokens) const override {
    std::string text;
    text.reserve(tokens.size());
    for (const Token token : tokens) {
      require_known(token, kSize, "bytes tokenizer");
      text += static_cast<char>(static_cast<unsigned char>(token));
    }
    return text;
  }
  std::string sha() const override { return sha256("bytes"); }

 private:
  static constexpr i64 kSize = 256;
};

class WordTokenizer final : public Tokenizer {
 public:
  explicit WordTokenizer(std::vector<std::string> words) : words_(std::move(words)) {
    for (std::size_t id = 0; id < words_.size(); ++id) {
      const std::string& word = words_[id];
      if (word.empty() || word.find_first_of(kSpaces) != std::string::npos) {
        throw error("words tokenizer: word {} is '{}'; a word has letters and no spaces", id, word);
      }
      if (!ids_.emplace(word, static_cast<Token>(id)).second) {
        throw error("words tokenizer: '{}' is listed twice", word);
      }
    }
  }
  std::string name() const override { return "words"; }
  i64 vocabulary_size() const override { return static_cast<i64>(words_.size()); }

  std::vector<Token> encode(std::string_view text) const override {
    std::vector<Token> tokens;
    for (std::size_t begin = text.find_first_not_of(kSpaces); begin != std::string_view::npos;) {
      const std::size_t end = std::min(text.find_first_of(kSpaces, begin), text.size());
      append(std::string(text.substr(begin, end - begin)), tokens);
      begin = text.find_first_not_of(kSpaces, end);
    }
    return tokens;
  }
  std::string decode(std::span<const Token> tokens) const override {
    std::string text;
    for (const Token token : tokens) {
      require_known(token, words_.size(), "words tokenizer");
      if (!text.empty()) text += ' ';
      text += words_[static_cast<std::size_t>(token)];
    }
    return text;
  }
  std::string sha() const override {
    std::string content = "words";
    for (const std::string& word : words_) content += '\n' + word;
    return sha256(content);
  }

 private:
  /// One token for a word of the list, else one for each of its characters ("47192").
  void append(const std::string& piece, std::vector<Token>& tokens) const {
    if (const auto found = ids_.find(piece); found != ids_.end()) {
      tokens.push_back(found->second);
      return;
    }
    for (const char c : piece) {
      const auto found = ids_.find(std::string(1, c));
      if (found == ids_.end()) {
        throw error("words tokenizer: '{}' is not among its {} words; use bytes for free text",
                    piece, words_.size());
      }
      tokens.push_back(found->second);
    }
  }

  std::vector<std::string> words_;
  std::unordered_map<std::string, Token> ids_;
};

}  // namespace

std::vector<Token> Tokenizer::encode_document(std::string_view text) const {
  std::vector<Token> tokens = opening();
  const std::vector<Token> inside = encode(text);
  tokens.insert(tokens.end(), inside.begin(), inside.end());
  return tokens;
}

std::unique_ptr<Tokenizer> byte_tokenizer() { return std::make_unique<ByteTokenizer>(); }

std::unique_ptr<Tokenizer> word_tokenizer(std::vector<std::string> words) {
  return std::make_unique<WordTokenizer>(std::move(words));
}

}  // namespace longreach::datasets
