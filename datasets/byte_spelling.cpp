// How byte-level vocabularies spell bytes as printable characters, as GPT-2 chose.
#include "datasets/byte_spelling.h"

#include <unordered_map>

#include "datasets/utf8.h"

namespace longreach::datasets {
namespace {

/// The others are spelt, in order, U+0100, U+0101, ...
bool spells_itself(unsigned byte) {
  return (33 <= byte && byte <= 126) || (161 <= byte && byte <= 172) || (174 <= byte);
}

std::unordered_map<char32_t, char> spelling() {
  std::unordered_map<char32_t, char> bytes;
  char32_t next = 256;
  for (unsigned byte = 0; byte < 256; ++byte) {
    bytes[spells_itself(byte) ? byte : next++] = static_cast<char>(byte);
  }
  return bytes;
}

}  // namespace

bool spelt_bytes(std::string_view entry, std::string& bytes) {
  static const std::unordered_map<char32_t, char> spelt = spelling();
  bytes.clear();
  for (std::size_t length = 0; !entry.empty(); entry.remove_prefix(length)) {
    length = character_length(entry);
    if (length == 0) return false;
    const auto found = spelt.find(first_character(entry));
    if (found == spelt.end()) return false;
    bytes += found->second;
  }
  return true;
}

}  // namespace longreach::datasets
