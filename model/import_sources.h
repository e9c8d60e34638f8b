// What the importers of single formats hand to model/import.cpp.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "model/import.h"
#include "model/mapped_tensors.h"

namespace longreach::model {

/// Where a parameter's numbers come from.
struct ImportSource {
  std::string parameter;  ///< Parameter::name
  std::string file;
  MappedTensor tensor;  ///< of the parameter's shape
};

struct ImportedFiles {
  ImportedModel headers;
  std::vector<MappedFile> mapped;  ///< what the tensors lie in
  std::vector<ImportSource> sources;
};

ImportedFiles open_llama2c(const std::string& path);
ImportedFiles open_huggingface(const std::string& folder);

/// Throws Error beginning with `where` for a field outside the range that it declares.
void require_ranges(const std::function<void(Fields&)>& visit, const std::string& where);

/// The architecture resolved. Throws Error beginning with `where` for numbers outside the ranges of
/// its fields, which also bounds every product of them, and for those that do not fit together.
Architecture checked(const Architecture& architecture, const std::string& where);

}  // namespace longreach::model
