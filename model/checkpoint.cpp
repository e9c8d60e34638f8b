// Saves and loads a model's weights by parameter name.
#include "model/checkpoint.h"

#include <algorithm>
#include <cmath>
#include <fstream>

#include "core/error.h"
#include "core/sha256.h"
#include "model/safetensors.h"

namespace longreach::model {
namespace {

constexpr const char* kFormat = "longreach/1";

std::vector<std::string> names(const Transformer& model) {
  std::vector<std::string> out;
  for (const Parameter& parameter : model.parameters()) out.push_back(parameter.name);
  return out;
}

void require_known_names(const Transformer& model, const TensorFile& file,
                         const std::string& path) {
  const std::vector<std::string> known = names(model);
  for (const NamedTensor& named : file.tensors) {
    if (std::ranges::find(known, named.name) == known.end()) {
      throw error("{}: the model has no tensor '{}'{}", path, named.name,
                  suggestion(named.name, known));
    }
  }
}

/// The tensor that fits `parameter`.
const Tensor& fitting(const Parameter& parameter, const TensorFile& file, const std::string& path) {
  const Tensor* tensor = file.find(parameter.name);
  if (tensor == nullptr) throw error("{}: tensor '{}' is missing", path, parameter.name);
  if (tensor->shape() != parameter.shape) {
    throw error("{}: tensor '{}' has shape [{}], the model needs [{}]", path, parameter.name,
                fmt::join(tensor->shape(), ", "), fmt::join(parameter.shape, ", "));
  }
  require_finite(tensor->flat().data(), tensor->size(),
                 fmt::format("{}: tensor '{}'", path, parameter.name));
  return *tensor;
}

}  // namespace

void put_weights(const Transformer& model, TensorFile& file) {
  file.metadata["architecture"] = canonical(model.architecture());
  for (const Parameter& parameter : model.parameters()) {
    Tensor tensor(parameter.shape);
    std::copy_n(model.weights().begin() + parameter.offset, parameter.size, tensor.flat().begin());
    file.tensors.push_back({parameter.name, std::move(tensor)});
  }
}

void take_weights(Transformer& model, const TensorFile& file, const std::string& path) {
  require_known_names(model, file, path);
  // Everything is checked before anything is copied: a bad file leaves the model as it was.
  std::vector<const Tensor*> tensors;
  for (const Parameter& parameter : model.parameters()) {
    tensors.push_back(&fitting(parameter, file, path));
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    std::ranges::copy(tensors[i]->flat(), model.weights().begin() + model.parameters()[i].offset);
  }
}

void save_checkpoint(const Transformer& model, const std::string& path) {
  TensorFile file;
  file.metadata["format"] = kFormat;
  put_weights(model, file);
  write_safetensors(path, file);
}

void load_checkpoint(Transformer& model, const std::string& path) {
  const TensorFile file = read_safetensors(path);
  const auto format = file.metadata.find("format");
  if (format != file.metadata.end() && format->second != kFormat) {
    throw error("{}: format '{}'; this program reads '{}'", path, format->second, kFormat);
  }
  take_weights(model, file, path);
}

std::string weights_sha(const Transformer& model) { return sha256(model.weights()); }

std::string saved_weights_sha(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::uint64_t header = 0;  // bytes of JSON before the tensors, which come in the model's order
  in.read(reinterpret_cast<char*>(&header), sizeof(header));
  in.seekg(static_cast<std::streamoff>(header), std::ios::cur);
  if (!in) throw error("{}: cannot be read as weights", path);
  Sha256 digest;
  std::vector<char> part(std::size_t{1} << 20);
  while (in.read(part.data(), std::ssize(part)) || in.gcount() > 0) {
    digest.add(std::as_bytes(std::span(part.data(), static_cast<std::size_t>(in.gcount()))));
  }
  if (in.bad()) throw error("{}: cannot be read as weights", path);
  return digest.hex();
}

}  // namespace longreach::model
