// `import`: looks into weights that others trained.
#pragma once

#include <ostream>
#include <string>

namespace longreach::harness {

struct ImportRequest {
  std::string path, tokenizer;  ///< as in a model's import; tokenizer may be empty
};

/// Prints what a checkpoint is, reads all of its weights, and ends with the entry that an
/// experiment has for it. Throws Error naming the file for whatever is wrong with it.
void import_command(const ImportRequest&, std::ostream& out);

}  // namespace longreach::harness
