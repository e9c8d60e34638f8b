// What the tokenizers with a vocabulary have in common.
#pragma once

#include <string>
#include <string_view>

#include "core/tensor.h"

namespace longreach::datasets {

/// Throws Error unless 0 <= token < size: decoding what another model's vocabulary produced.
void require_known(Token token, std::size_t size, std::string_view where);

/// The bytes of a tokenizer's file. Throws Error for what is no readable regular file, and for
/// files far larger than any vocabulary.
std::string read_tokenizer_file(const std::string& path);

}  // namespace longreach::datasets
