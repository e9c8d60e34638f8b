// A model's weights on disk: one safetensors file, one tensor a parameter.
#pragma once

#include <string>

#include "model/safetensors.h"
#include "model/transformer.h"

namespace longreach::model {

void save_checkpoint(const Transformer&, const std::string& path);
/// Throws Error naming the file and the tensor when one is missing, misshapen, not finite or
/// unknown.
void load_checkpoint(Transformer&, const std::string& path);

/// Adds a tensor a parameter.
void put_weights(const Transformer&, TensorFile&);
/// Takes them back; errors as load_checkpoint().
void take_weights(Transformer&, const TensorFile&, const std::string& path);

/// SHA-256 of all weights in order, hex.
std::string weights_sha(const Transformer&);
/// The same of what save_checkpoint() wrote to `path`, without the model. Throws Error when it
/// cannot be read.
std::string saved_weights_sha(const std::string& path);

}  // namespace longreach::model
