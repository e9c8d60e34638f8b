// Bytes as a safetensors file, alone and as the weights of a Hugging Face folder.
#include "model/safetensors.h"

#include "tests/fuzz/imported.h"
#include "tests/fuzz/seeds.h"
#include "tests/fuzz/target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace longreach;
  static const fuzz::Folder folder;
  folder.put("config.json", fuzz::seed_config());
  const std::string path = folder.put("model.safetensors", fuzz::text_of(data, size));
  fuzz::may_refuse([&] { model::read_safetensors(path); });
  return fuzz::may_refuse([&] { fuzz::import_everything(folder.path().string()); });
}
