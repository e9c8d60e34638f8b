// UTF-8 as Unicode defines it: shortest forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include <cstddef>
#include <string_view>

namespace longreach::datasets {

/// Bytes of the character that `text` begins with, 0 when it begins with none.
std::size_t character_length(std::string_view text);

/// Bytes of the longest beginning of `text` that is all characters, or that has none.
std::size_t valid_length(std::string_view text);
std::size_t invalid_length(std::string_view text);

/// The code point of the character that `text` begins with.
char32_t first_character(std::string_view text);

}  // namespace longreach::datasets
