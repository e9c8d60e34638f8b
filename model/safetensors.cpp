// The safetensors format (github.com/huggingface/safetensors, README "Format"); its header is read
// in model/mapped_tensors.cpp.
#include "model/safetensors.h"

#include <algorithm>
#include <functional>

#include "core/atomic_file.h"
#include "core/error.h"
#include "model/json_text.h"
#include "model/mapped_tensors.h"

namespace longreach::model {
namespace {

std::string_view dtype_of(Element element) {
  if (element == Element::f32) return "F32";
  return element == Element::f16 ? "F16" : "BF16";
}

}  // namespace

const Tensor* TensorFile::find(std::string_view name) const {
  const auto found = std::ranges::find(tensors, name, &NamedTensor::name);
  return found == tensors.end() ? nullptr : &found->tensor;
}

TensorFile read_safetensors(const std::string& path) {
  MappedTensors mapped = map_safetensors(path);
  TensorFile file;
  file.metadata = std::move(mapped.metadata);
  for (const MappedTensor& tensor : mapped.tensors) {
    Tensor numbers = Tensor::unset(tensor.shape);
    read_numbers(tensor, numbers.flat().data());
    MappedFile::release(tensor.bytes);
    file.tensors.push_back({tensor.name, std::move(numbers)});
  }
  return file;
}

void write_safetensors(const std::string& path, const TensorFile& file) {
  Json header = Json::object();
  if (!file.metadata.empty()) header[kMetadataMember] = file.metadata;
  // The widest elements first, so that every tensor begins aligned.
  std::vector<const NamedTensor*> order;
  for (const NamedTensor& named : file.tensors) order.push_back(&named);
  std::ranges::stable_sort(order, std::greater(), [](const NamedTensor* named) {
    return bytes_of(named->tensor.element());
  });
  i64 offset = 0;
  for (const NamedTensor* tensor : order) {
    const NamedTensor& named = *tensor;
    check(named.name != kMetadataMember && !header.contains(named.name),
          "tensor names must differ");
    const i64 end = offset + named.tensor.bytes();
    header[named.name] = {{"dtype", dtype_of(named.tensor.element())},
                          {"shape", named.tensor.shape()},
                          {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // tensors start aligned

  AtomicFile out(path);
  const std::uint64_t length = text.size();
  out.write(&length, sizeof(length));
  out.write(text.data(), text.size());
  for (const NamedTensor* named : order) {
    out.write(named->tensor.data(), static_cast<std::size_t>(named->tensor.bytes()));
  }
  out.commit();
}

}  // namespace longreach::model
