// Weights that others trained: llama2.c checkpoints and Hugging Face folders of the Llama family.
#pragma once

#include <string>
#include <vector>

#include "attention/rope.h"
#include "model/transformer.h"

namespace longreach::model {

/// What the headers of a checkpoint say; its weights are not read for that.
struct ImportedModel {
  std::string format;         ///< "llama2.c v0", "llama2.c v1"; "Hugging Face llama", ... qwen2
  Architecture architecture;  ///< resolved, with its vocabulary
  attention::ScaledRopeParams rope;
  i64 context_length = 0;      ///< tokens of its contexts, as the checkpoint says; 0: it does not
  i64 window = 0;              ///< tokens that a token saw in training, itself included; 0: all
  std::vector<Token> endings;  ///< tokens that end a document, as config.json says
  std::vector<std::string> files;  ///< what it is made of, headers first
};

/// `path` is a llama2.c .bin file or a folder with config.json and *.safetensors. Every tensor is
/// known to be there and of its shape then, so that a model of this architecture takes no more
/// memory than twice the files. Throws Error naming the file, and the tensor where it is one, for
/// anything missing, truncated, misshapen, contradictory or of an architecture that Transformer is
/// not.
ImportedModel read_model_headers(const std::string& path);

/// Fills in every parameter but the backends' own (gates and further projections stay as they are).
/// The files are mapped and each tensor goes straight to its place, so that no second copy of the
/// weights is held. Throws Error as read_model_headers() does, for a model of another architecture
/// than the checkpoint's, and for a number that is not finite; some weights may be filled in then.
void import_weights(const std::string& path, Transformer& model);

/// SHA-256 of the files' contents, one after the other, hex.
std::string imported_sha(const ImportedModel& imported);

}  // namespace longreach::model
