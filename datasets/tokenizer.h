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
  virtual std::string name() const = 0;  ///< "bytes", "words", "llama2.c", ...
  virtual i64 vocabulary_size() const = 0;
  /// Of text inside a document, any bytes. Throws Error naming the first text that has no token.
  virtual std::vector<Token> encode(std::string_view text) const = 0;
  /// The text again, byte for byte; what stands for no text (a BOS token) adds none.
  virtual std::string decode(std::span<const Token> tokens) const = 0;
  /// Of a whole document, as the models of this vocabulary have seen them: opening(), then the
  /// text, with a space before it where that is their custom.
  virtual std::vector<Token> encode_document(std::string_view text) const;
  /// What encode_document() was given.
  virtual std::string decode_document(std::span<const Token> tokens) const {
    return decode(tokens);
  }
  /// The tokens that every document begins with before its text (BOS); often none.
  virtual std::vector<Token> opening() const { return {}; }
  /// The tokens any of which, generated, says that the document has ended.
  virtual std::vector<Token> endings() const { return {}; }
  /// SHA-256 of what the tokenizer is (its name and vocabulary), hex.
  virtual std::string sha() const = 0;
};

/// One token a byte, vocabulary 256.
std::unique_ptr<Tokenizer> byte_tokenizer();

/// A closed vocabulary of words and single characters. Text is cut at spaces; a word of the list
/// is one token; decode() joins with single spaces. Ids follow the list's order.
std::unique_ptr<Tokenizer> word_tokenizer(std::vector<std::string> words);

/// The tokenizer of a llama2.c model (tok512.bin, tokenizer.bin): a header int32, the longest
/// token's bytes; then for each token a float32 score, an int32 length and its bytes. Ids 0, 1 and
/// 2 are <unk>, <s> (BOS) and </s> whatever the file calls them, 3 to 258 the bytes as "<0xXX>".
/// Documents begin with BOS and a space, and end at BOS as well, which begins the next one. Throws
/// Error for a file that is anything else.
std::unique_ptr<Tokenizer> read_llama2c_tokenizer(const std::string& path);

/// Byte-level BPE from a Hugging Face tokenizer.json: GPT-2, Llama 3, Qwen 2 and 3, SmolLM and
/// their like. The tokenizer_config.json beside it, if there, says whether documents begin with
/// BOS, and what EOS is. Text never becomes an added token, special or not. Where the file asks for
/// NFC, text that is not normalized comes back normalized. Throws Error for other kinds of
/// tokenizer.json, for steps that are not done here (naming them) and for malformed files; encode()
/// does when a split pattern takes far more steps than the text has characters.
std::unique_ptr<Tokenizer> read_bpe_tokenizer(const std::string& path);

/// A SentencePiece tokenizer.model, unigram or BPE: Llama 2, Mistral, Gemma and their like.
/// Documents begin with BOS where the model has one, and with a space where it was trained so
/// (add_dummy_prefix). Spaces that such a model was trained without (remove_extra_whitespaces) are
/// kept. Throws Error for models whose normalizer rewrites text (nmt_nfkc), for malformed files,
/// and from encode() where a model that does not fall back to bytes has no token.
std::unique_ptr<Tokenizer> read_sentencepiece_tokenizer(const std::string& path);

/// Whichever of these `path` is, by what the file holds. In a folder: tokenizer.json if that is
/// byte-level BPE, else tokenizer.model.
std::unique_ptr<Tokenizer> read_tokenizer(const std::string& path);

}  // namespace longreach::datasets
