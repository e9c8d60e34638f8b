// Weights that others trained: llama2.c checkpoints and Hugging Face folders of the Llama family.
#pragma once

#include <string>
#include <vector>

#include "attention/rope.h"
#include "model/transformer.h"

namespace longreach::model {

/// What the headers of a checkpoint say; its weights are not read for that.
struct ImportedModel {
  std::string format;         ///< "llama2.c v0", "Hugging Face llama"
  Architecture architecture;  ///< resolved, with its vocabulary
  attention::ScaledRopeParams rope;
  i64 context_length = 0;          ///< tokens trained on, as the checkpoint says; 0: it does not
  std::vector<Token> endings;      ///< tokens that end a document, as config.json says
  std::vector<std::string> files;  ///< what it is made of, headers first
};

/// `path` is a llama2.c .bin file or a folder with config.json and *.safetensors. Throws Error
/// naming the file, and the tensor where it is one, for anything missing, truncated, misshapen,
/// contradictory or of an architecture that Transformer is not.
ImportedModel read_model_headers(const std::string& path);

/// Fills in every parameter but the backends' own (gates stay as they are). The files are mapped
/// and each tensor goes straight to its place, so that no second copy of the weights is held.
/// Throws Error as read_model_headers() does, and for a number that is not finite.
void import_weights(const std::string& path, Transformer&);

/// SHA-256 of the files' contents, hex.
std::string imported_sha(const ImportedModel&);

}  // namespace longreach::model
