// Tells the kinds of tokenizer files apart.
#include <filesystem>

#include "core/error.h"
#include "datasets/bpe_file.h"
#include "datasets/tokenizer.h"
#include "datasets/vocabulary.h"

namespace longreach::datasets {
namespace {

namespace fs = std::filesystem;

std::unique_ptr<Tokenizer> read_folder(const fs::path& folder) {
  const std::string json = (folder / "tokenizer.json").string();
  const std::string model = (folder / "tokenizer.model").string();
  std::error_code ignored;
  const bool has_json = fs::exists(json, ignored), has_model = fs::exists(model, ignored);
  if (!has_json && !has_model) {
    throw error("{}: has neither tokenizer.json nor tokenizer.model; give a tokenizer's file",
                folder.string());
  }
  if (has_json && (!has_model || is_byte_level_bpe(json))) return read_bpe_tokenizer(json);
  return read_sentencepiece_tokenizer(model);
}

bool is_json(const std::string& content) {
  const std::size_t first = content.find_first_not_of(" \t\r\n");
  return first != std::string::npos && content[first] == '{';
}

/// Whether it begins with a length of at most 65535, as llama2.c's files do. SentencePiece's begin
/// with a piece: its mark, its length, and the mark of its text, which is no zero.
bool is_llama2c(const std::string& content) {
  return content.size() >= 4 && content[2] == '\0' && content[3] == '\0';
}

}  // namespace

std::unique_ptr<Tokenizer> read_tokenizer(const std::string& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return read_folder(path);
  const std::string content = read_tokenizer_file(path);
  if (content.empty()) throw error("{}: is empty; give a tokenizer's file", path);
  if (is_llama2c(content)) return read_llama2c_tokenizer(path);  // whose first byte may be a {
  if (is_json(content)) return read_bpe_tokenizer(path);
  return read_sentencepiece_tokenizer(path);
}

}  // namespace longreach::datasets
