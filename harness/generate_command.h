// `generate`: continues a text with a model of an experiment, or with one that others trained.
#pragma once

#include <functional>
#include <ostream>
#include <string>

#include "harness/run_command.h"
#include "model/generate.h"

namespace longreach::harness {

struct GenerateRequest {
  RunRequest run;  ///< its experiment, when `import` is empty; selection names model and backend
  std::string import, tokenizer;  ///< as in a model's import
  std::string backend = "full";   ///< of the import: a name or YAML
  std::string prompt;             ///< may be empty where documents have an opening token
  std::string prompt_file;        ///< read instead of `prompt` when not empty; "-" = standard input
  i64 tokens = 256;               ///< most to generate
  model::Sampling sampling;
};

/// Prints prompt and continuation as they come, and to `notes` what it took. Returns an exit code:
/// 0, or 130 when interrupted. Throws Error for what the user can put right.
int generate_command(const GenerateRequest&, std::ostream& out, std::ostream& notes);

}  // namespace longreach::harness
