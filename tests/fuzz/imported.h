// Imports whatever a path leads to, as the program would.
#pragma once

#include "model/import.h"
#include "tests/fuzz/target.h"
#include "tests/settings.h"

namespace longreach::fuzz {

/// Throws Error as the importer does.
inline void import_everything(const std::string& path) {
  const model::ImportedModel headers = model::read_model_headers(path);
  std::uintmax_t bytes = 0;
  for (const std::string& file : headers.files) bytes += std::filesystem::file_size(file);
  const attention::Shape shape = headers.architecture.attention_shape();
  tests::SettingsReader defaults({});
  const std::shared_ptr<const attention::Backend> full =
      attention::AttentionRegistry::instance().find("full").make(defaults, shape);
  model::Transformer transformer(
      headers.architecture,
      std::vector(static_cast<std::size_t>(headers.architecture.layers), full));
  check(transformer.weights().size_bytes() <= 2 * bytes, "a model is larger than its files allow");
  model::import_weights(path, transformer);
  model::imported_sha(headers);
}

}  // namespace longreach::fuzz
