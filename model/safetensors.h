// Reads and writes the safetensors format: 8 bytes of header length, a JSON header, raw tensors.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace longreach::model {

struct TensorFile {
  std::vector<NamedTensor> tensors;
  std::map<std::string, std::string> metadata;
  /// nullptr when absent.
  const Tensor* find(std::string_view name) const;
};

/// Reads F32, F64 (narrowed), F16 and BF16 (widened) tensors, all to f32. Throws Error ("PATH:
/// ...") for a missing or truncated file, a hostile header (lengths that overflow, overlapping or
/// misaligned offsets, bad JSON) or another dtype.
TensorFile read_safetensors(const std::string& path);

/// Writes each tensor's own element (F32, F16, BF16), to a temporary beside `path` which is then
/// synced and renamed: the old file stays whole until the new one is. Throws Error with the
/// system's reason (disk full, not writable).
void write_safetensors(const std::string& path, const TensorFile& file);

}  // namespace longreach::model
