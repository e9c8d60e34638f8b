// The tensors of a file where they lie, without a copy.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "model/mapped_file.h"

namespace longreach::model {

/// How a file stores numbers, little-endian each.
enum class Dtype { f64, f32, f16, bf16 };
i64 bytes_of(Dtype dtype);

struct MappedTensor {
  std::string name;
  std::vector<i64> shape;
  Dtype dtype = Dtype::f32;
  std::span<const std::byte> bytes;  ///< inside a MappedFile; need not be aligned
};

/// to[i] = the tensor's number i as float32: halves widened, F64 narrowed.
void read_numbers(const MappedTensor& tensor, float* to);

/// The member of a safetensors header that is no tensor.
inline constexpr const char* kMetadataMember = "__metadata__";

/// What a safetensors file holds.
struct MappedTensors {
  MappedFile file;
  std::vector<MappedTensor> tensors;  ///< in the file's order; their bytes live as long as `file`
  std::map<std::string, std::string> metadata;
};

/// Reads the header alone. Throws Error ("PATH: ...") for a missing or truncated file, a hostile
/// header (lengths that overflow, overlapping or misaligned offsets, bad JSON) or another dtype.
MappedTensors map_safetensors(const std::string& path);

}  // namespace longreach::model
