// Small tokenizer.json files: 256 bytes, whose ids are their numbers, and a few merges.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "datasets/tokenizer.h"
#include "tests/datasets/files.h"
#include "tests/datasets/texts.h"

namespace longreach::datasets {

using Json = nlohmann::json;

inline const std::string kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
inline const std::string kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

/// GPT-2's bytes_to_unicode(): 188 bytes are their own characters, the others follow from U+0100.
inline std::string spelt(const std::string& bytes) {
  static const std::vector<std::string> spelling = [] {
    std::vector<std::string> all(256);
    for (char32_t b = '!'; b <= '~'; ++b) all[b] = utf8(b);
    for (char32_t b = 0xA1; b <= 0xAC; ++b) all[b] = utf8(b);
    for (char32_t b = 0xAE; b <= 0xFF; ++b) all[b] = utf8(b);
    char32_t next = 0x100;
    for (std::string& one : all) {
      if (one.empty()) one = utf8(next++);
    }
    return all;
  }();
  std::string text;
  for (const char c : bytes) text += spelling[static_cast<unsigned char>(c)];
  return text;
}

inline Json byte_level(bool use_regex = true, bool leading_space = false) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", leading_space}, {"use_regex", use_regex}};
}
inline Json split(const std::string& regex, const std::string& behavior = "Isolated") {
  return {{"type", "Split"},
          {"pattern", {{"Regex", regex}}},
          {"behavior", behavior},
          {"invert", false}};
}
inline Json sequence(const std::vector<Json>& steps, const std::string& key = "pretokenizers") {
  return {{"type", "Sequence"}, {key, steps}};
}
/// Pre-tokenizers as Llama 3 and Qwen 2 have them, and as SmolLM does.
inline Json by_pattern(const std::string& regex) {
  return sequence({split(regex), byte_level(false)});
}
inline Json by_digits() {
  return sequence({{{"type", "Digits"}, {"individual_digits", true}}, byte_level()});
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

/// The file, as JSON to be changed further. Merged tokens have the ids from 256, in order.
inline Json bpe_json(const Pairs& merges, const Json& pre_tokenizer = byte_level()) {
  Json vocabulary = Json::object(), list = Json::array();
  for (int byte = 0; byte < 256; ++byte) {
    vocabulary[spelt(std::string(1, static_cast<char>(byte)))] = byte;
  }
  for (const auto& [left, right] : merges) {
    const std::string merged = spelt(left + right);
    if (!vocabulary.contains(merged)) vocabulary[merged] = vocabulary.size();
    list.push_back(spelt(left) + " " + spelt(right));
  }
  return {
      {"version", "1.0"},
      {"added_tokens", Json::array()},
      {"normalizer", nullptr},
      {"pre_tokenizer", pre_tokenizer},
      {"post_processor", nullptr},
      {"decoder", byte_level()},
      {"model", {{"type", "BPE"}, {"dropout", nullptr}, {"vocab", vocabulary}, {"merges", list}}}};
}

/// Adds a token behind the others. Returns its id.
inline Token add_token(Json& json, const std::string& content, bool special) {
  const std::size_t id = json["model"]["vocab"].size() + json["added_tokens"].size();
  json["added_tokens"].push_back({{"id", id}, {"content", content}, {"special", special}});
  return static_cast<Token>(id);
}

inline std::unique_ptr<Tokenizer> bpe_tokenizer(const TempFolder& folder, const Json& json) {
  return read_bpe_tokenizer(folder.write("tokenizer.json", json.dump()));
}

}  // namespace longreach::datasets
