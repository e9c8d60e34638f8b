// What the tokenizers with a vocabulary have in common.
#include "datasets/vocabulary.h"

#include <filesystem>
#include <fstream>

#include "core/error.h"

namespace longreach::datasets {

void require_known(Token token, std::size_t size, std::string_view where) {
  if (token < 0 || static_cast<std::size_t>(token) >= size) {
    throw error("{}: token {} is outside the vocabulary of {}", where, token, size);
  }
}

std::string read_tokenizer_file(const std::string& path) {
  constexpr std::uintmax_t kMost = 256'000'000;  // the largest known are near 35 MB
  std::error_code reason;
  const auto status = std::filesystem::status(path, reason);
  if (!std::filesystem::exists(status)) {
    throw error("{}: does not exist; give the path of a tokenizer", path);
  }
  if (!std::filesystem::is_regular_file(status)) {
    throw error("{}: is no file; give the path of a tokenizer's file", path);
  }
  const std::uintmax_t size = std::filesystem::file_size(path, reason);
  if (reason) throw error("{}: cannot be read: {}", path, reason.message());
  if (size > kMost) throw error("{}: has {} bytes; no tokenizer is so large", path, size);
  std::ifstream in(path, std::ios::binary);
  std::string content(size, '\0');
  in.read(content.data(), static_cast<std::streamsize>(size));
  if (!in) throw error("{}: cannot be read to its end; is it a file you may open?", path);
  return content;
}

}  // namespace longreach::datasets
