// Bytes as a llama2.c checkpoint.
#include "tests/fuzz/imported.h"
#include "tests/fuzz/target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return longreach::fuzz::file_may_be_refused("model.bin", data, size,
                                              longreach::fuzz::import_everything);
}
