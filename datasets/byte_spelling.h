// How byte-level vocabularies spell bytes as printable characters, as GPT-2 chose.
#pragma once

#include <string>
#include <string_view>

namespace longreach::datasets {

/// The bytes that a vocabulary's entry spells ("\u0120the" is " the"). Returns false when it spells
/// none.
bool spelt_bytes(std::string_view entry, std::string& bytes);

}  // namespace longreach::datasets
