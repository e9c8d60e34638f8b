// Bytes as config.json and, behind a zero byte, model.safetensors.index.json beside sound weights.
#include "tests/fuzz/imported.h"
#include "tests/fuzz/seeds.h"
#include "tests/fuzz/target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace longreach;
  static const fuzz::Folder folder;
  static const bool weights = [] {
    model::write_hugging_face(fuzz::seed_model(), folder.path());
    std::filesystem::rename(folder.path() / "model.safetensors", folder.path() / fuzz::kSeedShard);
    return true;
  }();
  check(weights, "there are weights");
  const std::string_view text = fuzz::text_of(data, size);
  const std::size_t cut = text.find('\0');
  folder.put("config.json", text.substr(0, cut));
  if (cut == std::string_view::npos) {
    folder.remove("model.safetensors.index.json");
  } else {
    folder.put("model.safetensors.index.json", text.substr(cut + 1));
  }
  return fuzz::may_refuse([&] { fuzz::import_everything(folder.path().string()); });
}
