// What the config.json of a Hugging Face model says about it.
#pragma once

#include <string>
#include <string_view>

#include "model/import.h"

namespace longreach::model {

/// Everything of ImportedModel but `files`. Throws Error beginning with `path`, the name of the
/// key, for JSON that is none, for what is missing or contradicts itself, and for whatever
/// Transformer does not do: other families and activations, biases elsewhere, rotations that change
/// with the context's length, quantised weights.
ImportedModel parse_huggingface_config(std::string_view text, const std::string& path);

}  // namespace longreach::model
