// Bytes as a SentencePiece tokenizer.model.
#include "tests/fuzz/tokenized.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace longreach;
  return fuzz::file_may_be_refused("tokenizer", data, size, [](const std::string& path) {
    fuzz::use(*datasets::read_sentencepiece_tokenizer(path));
  });
}
