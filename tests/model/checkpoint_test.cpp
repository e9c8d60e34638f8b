// Checkpoints: weights by name, refused unless every tensor fits.
#include "model/checkpoint.h"

#include <catch2/catch.hpp>
#include <limits>

#include "model/safetensors.h"
#include "tests/model/models.h"

namespace longreach::model {
namespace {

TEST_CASE("a checkpoint restores every weight to the bit, for every backend") {
  for (const std::string& backend : backend_names()) {
    const TempFolder folder;
    const std::string path = folder.file("model.safetensors");
    Transformer saved = make_model(grouped(), backend, 1);
    scatter_weights(saved, 3);
    Transformer loaded = make_model(grouped(), backend, 2);
    CHECK(weights_sha(saved) != weights_sha(loaded));
    save_checkpoint(saved, path);
    load_checkpoint(loaded, path);
    INFO(backend);
    CHECK(std::ranges::equal(saved.weights(), loaded.weights()));
    CHECK(weights_sha(saved) == weights_sha(loaded));
    CHECK(saved_weights_sha(path) == weights_sha(saved));
  }
}

/// The error of loading a checkpoint that `spoil` has changed; the model must stay as it was.
template <class Spoil>
std::string spoilt(const Spoil& spoil) {
  const TempFolder folder;
  const std::string path = folder.file("model.safetensors");
  Transformer model = make_model(grouped(), "full");
  save_checkpoint(model, path);
  TensorFile file = read_safetensors(path);
  spoil(file);
  write_safetensors(path, file);
  const std::string before = weights_sha(model);
  const std::string message = message_of([&] { load_checkpoint(model, path); });
  CHECK(weights_sha(model) == before);
  if (!message.empty()) CHECK_THAT(message, Catch::StartsWith(path));
  return message;
}

TEST_CASE("a checkpoint that does not fit the model is an error that names the tensor") {
  CHECK(spoilt([](TensorFile&) {}).empty());
  CHECK_THAT(spoilt([](TensorFile& file) { file.tensors.pop_back(); }),
             Catch::Contains("'output' is missing"));
  CHECK_THAT(spoilt([](TensorFile& file) { file.tensors[1].tensor = Tensor({5}); }),
             Catch::Contains("'layers.0.attention_norm' has shape [5], the model needs [10]"));
  CHECK_THAT(spoilt([](TensorFile& file) {
               file.tensors.push_back({"layer.0.mlp.up", Tensor({1})});
             }),
             Catch::Contains("no tensor 'layer.0.mlp.up'") &&
                 Catch::Contains("did you mean 'layers.0.mlp.up'"));
  CHECK_THAT(spoilt([](TensorFile& file) {
               file.tensors[0].tensor.flat()[3] = std::numeric_limits<float>::infinity();
             }),
             Catch::Contains("'embedding'") && Catch::Contains("value 3"));
  CHECK_THAT(spoilt([](TensorFile& file) { file.metadata["format"] = "longreach/9"; }),
             Catch::Contains("longreach/9"));
}

TEST_CASE("a checkpoint of another architecture is refused") {
  const TempFolder folder;
  const std::string path = folder.file("model.safetensors");
  save_checkpoint(make_model(grouped(), "full"), path);
  Transformer other = make_model(plain(), "full");
  CHECK_FALSE(message_of([&] { load_checkpoint(other, path); }).empty());
}

}  // namespace
}  // namespace longreach::model
