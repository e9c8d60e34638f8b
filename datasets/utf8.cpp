// UTF-8 as Unicode defines it: shortest forms, no surrogates, nothing above U+10FFFF.
#include "datasets/utf8.h"

namespace longreach::datasets {
namespace {

unsigned byte_at(std::string_view text, std::size_t at) {
  return static_cast<unsigned char>(text[at]);
}

/// Of a character of `length` bytes.
char32_t assemble(std::string_view text, std::size_t length) {
  if (length == 1) return byte_at(text, 0);
  char32_t code = byte_at(text, 0) & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) code = code << 6 | (byte_at(text, i) & 0x3F);
  return code;
}

}  // namespace

std::size_t character_length(std::string_view text) {
  if (text.empty()) return 0;
  const unsigned first = byte_at(text, 0);
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return 0;
  const std::size_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte_at(text, i) & 0xC0) != 0x80) return 0;
  }
  const char32_t code = assemble(text, length);
  if (length == 3 && (code < 0x800 || (0xD800 <= code && code < 0xE000))) return 0;
  if (length == 4 && (code < 0x10000 || code > 0x10FFFF)) return 0;
  return length;
}

std::size_t valid_length(std::string_view text) {
  std::size_t end = 0;
  while (const std::size_t length = character_length(text.substr(end))) end += length;
  return end;
}

std::size_t invalid_length(std::string_view text) {
  std::size_t end = 0;
  while (end < text.size() && character_length(text.substr(end)) == 0) ++end;
  return end;
}

char32_t first_character(std::string_view text) { return assemble(text, character_length(text)); }

}  // namespace longreach::datasets
