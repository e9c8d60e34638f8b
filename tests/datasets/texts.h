// Texts that tokenizers tend to get wrong, and what must hold of all of them.
#pragma once

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "core/random.h"
#include "datasets/tokenizer.h"

namespace longreach::datasets {

inline std::string utf8(char32_t code) {
  const auto byte = [](char32_t value) { return static_cast<char>(value); };
  if (code < 0x80) return {byte(code)};
  if (code < 0x800) return {byte(0xC0 | code >> 6), byte(0x80 | (code & 0x3F))};
  if (code < 0x10000) {
    return {byte(0xE0 | code >> 12), byte(0x80 | (code >> 6 & 0x3F)), byte(0x80 | (code & 0x3F))};
  }
  return {byte(0xF0 | code >> 18), byte(0x80 | (code >> 12 & 0x3F)),
          byte(0x80 | (code >> 6 & 0x3F)), byte(0x80 | (code & 0x3F))};
}

/// Every Unicode scalar value, in order, in strings of 4096 of them.
inline std::vector<std::string> all_of_unicode() {
  std::vector<std::string> texts;
  for (char32_t first = 0; first < 0x110000; first += 4096) {
    std::string text;
    for (char32_t code = first; code < first + 4096; ++code) {
      if (code < 0xD800 || code >= 0xE000) text += utf8(code);
    }
    texts.push_back(text);
  }
  return texts;
}

inline std::string random_bytes(Rng& rng, i64 length) {
  std::string text;
  for (i64 i = 0; i < length; ++i) text += static_cast<char>(rng.below(256));
  return text;
}

/// Characters drawn from `alphabet`.
inline std::string random_text(Rng& rng, i64 length, const std::vector<std::string>& alphabet) {
  std::string text;
  for (i64 i = 0; i < length; ++i) {
    text += alphabet[static_cast<std::size_t>(rng.below(static_cast<i64>(alphabet.size())))];
  }
  return text;
}

inline void check_round_trip(const Tokenizer& tokenizer, const std::string& text) {
  INFO("text of " << text.size() << " bytes, beginning '" << text.substr(0, 40) << "'");
  // Not compared inside CHECK, which would print megabytes.
  const bool inside = tokenizer.decode(tokenizer.encode(text)) == text;
  const bool document = tokenizer.decode_document(tokenizer.encode_document(text)) == text;
  CHECK(inside);
  CHECK(document);
}

/// Texts that are awkward but are valid UTF-8 and stay the same under normalization.
inline std::vector<std::string> awkward_texts() {
  return {"",
          " ",
          "  ",
          "\n",
          " a",
          "a ",
          "  two  spaces  ",
          "\t\r\n \n",
          std::string("nul\0inside", 10),
          "<s>",
          "</s>",
          "<unk>",
          "<0x0A>",
          "<|endoftext|>",
          "\xE2\x96\x81",  // the mark that SentencePiece writes for a space
          " \xE2\x96\x81 ",
          "\xC2\xA0",      // a no-break space
          "\xEF\xBB\xBF",  // a byte order mark
          "\xF0\x9F\x91\x8B\xF0\x9F\x8F\xBD",
          "don't we'll I'M 1234567 x=3.14;\n\n\n   done"};
}

/// Awkward texts, every scalar value, every byte, random bytes and long runs come back.
inline void check_round_trips(const Tokenizer& tokenizer) {
  for (const std::string& text : awkward_texts()) check_round_trip(tokenizer, text);
  for (const std::string& text : all_of_unicode()) check_round_trip(tokenizer, text);
  for (int byte = 0; byte < 256; ++byte) {
    check_round_trip(tokenizer, std::string(1, static_cast<char>(byte)));
  }
  constexpr std::uint64_t kSeed = 20240229;
  INFO("seed " << kSeed);
  Rng rng(kSeed);
  for (i64 i = 0; i < 300; ++i) {
    INFO("random text " << i);
    check_round_trip(tokenizer, random_bytes(rng, rng.below(60)));
  }
  for (const char c : {' ', 'a', '\n', '\xFF'})
    check_round_trip(tokenizer, std::string(100'000, c));
}

}  // namespace longreach::datasets
