#include "core/error.h"
#include "model/import_sources.h"
namespace longreach::model {
ImportedFiles open_huggingface(const std::string& folder) {
  throw error("{}: is a folder; only llama2.c checkpoints are read", folder);
}
}  // namespace longreach::model
