// Tests datasets/bpe_tokenizer.cpp and bpe_file.cpp.
#include <catch2/catch.hpp>

#include "tests/datasets/bpe_files.h"

namespace longreach::datasets {
namespace {

using Catch::Matchers::Contains;
using Tokens = std::vector<Token>;

/// 256 'ab', 257 'abc', 258 'bc', 259 ' ab', 260 '12'.
const Pairs kMerges{{"a", "b"}, {"ab", "c"}, {"b", "c"}, {" ", "ab"}, {"1", "2"}};

std::string refusal_of_text(const TempFolder& folder, const std::string& content) {
  const std::string path = folder.write("refused.json", content);
  const std::string message = message_of([&] { read_bpe_tokenizer(path); });
  if (!message.empty()) CHECK_THAT(message, Contains(path));
  return message;
}
std::string refusal(const TempFolder& folder, const Json& json) {
  return refusal_of_text(folder, json.dump());
}

Json template_of(const Json& single) {
  return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", Json::array()}};
}
Json special(const std::string& token) {
  return {{"SpecialToken", {{"id", token}, {"type_id", 0}}}};
}
const Json kText = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};

/// Every round merges the leftmost of the pairs that come first in the list.
Tokens plain_merge(const Pairs& merges, const std::string& text) {
  std::vector<std::string> parts;
  for (const char c : text) parts.emplace_back(1, c);
  while (true) {
    std::size_t best = merges.size(), place = 0;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      for (std::size_t rank = 0; rank < best; ++rank) {
        if (merges[rank] == std::pair(parts[i], parts[i + 1])) best = rank, place = i;
      }
    }
    if (best == merges.size()) break;
    parts[place] += parts[place + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(place) + 1);
  }
  Tokens tokens;
  for (const std::string& part : parts) {
    Token token = static_cast<unsigned char>(part[0]);
    for (std::size_t i = merges.size(); part.size() > 1 && i-- > 0;) {
      if (merges[i].first + merges[i].second == part) token = static_cast<Token>(256 + i);
    }
    tokens.push_back(token);
  }
  return tokens;
}

TEST_CASE("Byte-level BPE merges within a piece, in the order of its list") {
  const TempFolder folder;
  const auto tokenizer = bpe_tokenizer(folder, bpe_json(kMerges));
  CHECK(tokenizer->name() == "bpe");
  CHECK(tokenizer->vocabulary_size() == 261);
  CHECK(tokenizer->encode("abc") == Tokens{257});
  CHECK(tokenizer->encode("bc") == Tokens{258});
  CHECK(tokenizer->encode("bcab") == Tokens{258, 256});
  CHECK(tokenizer->encode("abab abc") == Tokens{256, 256, ' ', 257});
  CHECK(tokenizer->encode(" ab") == Tokens{259});
  CHECK(tokenizer->encode("a b") == Tokens{'a', ' ', 'b'});  // a piece ends between them
  CHECK(tokenizer->encode("ab!ab") == Tokens{256, '!', 256});
  CHECK(tokenizer->encode("").empty());
  CHECK(tokenizer->opening().empty());
  CHECK(tokenizer->endings().empty());
}

TEST_CASE("Merges as pairs mean what they mean as text") {
  const TempFolder folder;
  Json json = bpe_json(kMerges);
  json["model"]["merges"] = Json::array();
  for (const auto& [left, right] : kMerges) {
    json["model"]["merges"].push_back({spelt(left), spelt(right)});
  }
  CHECK(bpe_tokenizer(folder, json)->encode("abab abc") == Tokens{256, 256, ' ', 257});
}

TEST_CASE("Pieces are those of the file's steps") {
  const TempFolder folder;
  const auto encode = [&](const Json& steps, const std::string& text) {
    return bpe_tokenizer(folder, bpe_json(kMerges, steps))->encode(text);
  };
  // GPT-2 keeps a number and Llama 3 its threes; where each digit is a piece, none merge.
  CHECK(encode(byte_level(), "9912") == Tokens{'9', '9', 260});
  CHECK(encode(by_pattern(kLlama3), "9912") == Tokens{'9', '9', '1', '2'});
  CHECK(encode(by_pattern(kLlama3), "12") == Tokens{260});
  CHECK(encode(by_pattern(kQwen2), "12") == Tokens{'1', '2'});
  CHECK(encode(by_digits(), "12 ab") == Tokens{'1', '2', 259});
  CHECK(encode(byte_level(false), "a b12") == Tokens{'a', ' ', 'b', 260});
  CHECK(encode(sequence({split("b"), byte_level(false)}), "abc") == Tokens{'a', 'b', 'c'});
  Json literal = split("");
  literal["pattern"] = {{"String", "b."}};
  CHECK(encode(sequence({literal, byte_level(false)}), "abcb.") == Tokens{257, 'b', '.'});
}

TEST_CASE("ignore_merges takes a whole piece that is a token before it merges") {
  const TempFolder folder;
  Json json = bpe_json(kMerges);
  json["model"]["vocab"]["xyz"] = 261;
  CHECK(bpe_tokenizer(folder, json)->encode("xyz") == Tokens{'x', 'y', 'z'});
  json["model"]["ignore_merges"] = true;
  CHECK(bpe_tokenizer(folder, json)->encode("xyz") == Tokens{261});
  CHECK(bpe_tokenizer(folder, json)->encode("xyzz ab") == Tokens{'x', 'y', 'z', 'z', 259});
}

TEST_CASE("Text never becomes an added token, and only special ones decode to nothing") {
  const TempFolder folder;
  const bool whole = GENERATE(false, true);
  Json json = bpe_json(kMerges);
  json["model"]["ignore_merges"] = whole;
  const Token end = add_token(json, "<|endoftext|>", true);
  const Token tool = add_token(json, "<tool \xC3\xA9>", false);
  // As GPT-2 has it: in the vocabulary as well.
  json["model"]["vocab"]["<s>"] = 263;
  json["added_tokens"].push_back({{"id", 263}, {"content", "<s>"}, {"special", true}});
  const auto tokenizer = bpe_tokenizer(folder, json);
  CHECK(tokenizer->vocabulary_size() == 264);
  for (const std::string text : {"<|endoftext|>", "<tool \xC3\xA9>", "<s>"}) {
    for (const Token token : tokenizer->encode(text)) CHECK(token < 261);
    check_round_trip(*tokenizer, text);
  }
  CHECK(tokenizer->decode(Tokens{'a', end, tool, 263, 256}) ==
        "a<tool \xC3\xA9>"
        "ab");
  CHECK_THROWS_AS(tokenizer->decode(Tokens{264}), Error);
  CHECK_THROWS_AS(tokenizer->decode(Tokens{-1}), Error);
}

TEST_CASE("Documents begin as the template says and end at its closing token") {
  const TempFolder folder;
  Json json = bpe_json(kMerges);
  const Token begin = add_token(json, "<bos>", true), end = add_token(json, "<eos>", true);
  json["post_processor"] = sequence(
      {byte_level(), template_of({special("<bos>"), kText, special("<eos>")})}, "processors");
  const auto tokenizer = bpe_tokenizer(folder, json);
  CHECK(tokenizer->opening() == Tokens{begin});
  CHECK(tokenizer->endings() == Tokens{end});
  CHECK(tokenizer->encode_document("abc") == Tokens{begin, 257});
  CHECK(tokenizer->encode_document("") == Tokens{begin});
  CHECK(tokenizer->decode_document(Tokens{begin, 257, end}) == "abc");
}

TEST_CASE("The configuration beside the file adds BOS, takes it away and names EOS") {
  const TempFolder folder;
  Json json = bpe_json(kMerges);
  const Token begin = add_token(json, "<bos>", true), end = add_token(json, "<eos>", true);
  const auto with = [&](const Json& config, bool in_template) {
    folder.write("tokenizer_config.json", config.dump());
    json["post_processor"] = in_template ? template_of({special("<bos>"), kText}) : Json();
    return bpe_tokenizer(folder, json);
  };
  const Json names{{"bos_token", "<bos>"}, {"eos_token", {{"content", "<eos>"}}}};
  CHECK(with(names, false)->opening().empty());
  CHECK(with(names, false)->endings() == Tokens{end});
  Json adds = names, leaves = names;
  adds["add_bos_token"] = true;
  leaves["add_bos_token"] = false;
  for (const bool in_template : {false, true}) {
    CHECK(with(adds, in_template)->opening() == Tokens{begin});
    CHECK(with(leaves, in_template)->opening().empty());
  }
  CHECK(with(adds, false)->sha() != with(leaves, false)->sha());
  CHECK(with(adds, false)->sha() == with(adds, false)->sha());
  CHECK_THAT(message_of([&] { with({{"add_bos_token", true}}, false); }), Contains("bos_token"));
  CHECK_THAT(message_of([&] { with({{"eos_token", "<end>"}}, false); }), Contains("'<end>'"));
  CHECK_THAT(message_of([&] { with({{"eos_token", 3}}, false); }), Contains("well-formed"));
  folder.write("tokenizer_config.json", "{");
  CHECK_THAT(message_of([&] { bpe_tokenizer(folder, json); }),
             Contains("tokenizer_config.json: is not valid JSON"));
}

TEST_CASE("A document's leading space is added where the file asks for one, and undone") {
  const TempFolder folder;
  const auto tokenizer = bpe_tokenizer(folder, bpe_json(kMerges, byte_level(true, true)));
  CHECK(tokenizer->encode_document("ab") == Tokens{259});
  CHECK(tokenizer->decode_document(Tokens{259}) == "ab");
  CHECK(tokenizer->encode("ab") == Tokens{256});
  CHECK(tokenizer->encode_document("").empty());
  for (const std::string& text : awkward_texts()) check_round_trip(*tokenizer, text);
}

TEST_CASE("Where the file asks for NFC, text is composed first") {
  const TempFolder folder;
  Json json = bpe_json(kMerges);
  json["normalizer"] = {{"type", "NFC"}};
  const auto tokenizer = bpe_tokenizer(folder, json);
  CHECK(tokenizer->encode("e\xCC\x81") == Tokens{0xC3, 0xA9});
  CHECK(tokenizer->decode(tokenizer->encode("e\xCC\x81")) == "\xC3\xA9");
  // Around bytes that are no characters, and with a NUL, the rest is composed all the same.
  CHECK(tokenizer->encode(std::string("\xFF"
                                      "e\xCC\x81\0z",
                                      6)) == Tokens{0xFF, 0xC3, 0xA9, 0, 'z'});
  for (const std::string& text : awkward_texts()) check_round_trip(*tokenizer, text);
  json["normalizer"] = sequence({{{"type", "NFC"}}}, "normalizers");
  CHECK(bpe_tokenizer(folder, json)->encode("e\xCC\x81") == Tokens{0xC3, 0xA9});
  json["normalizer"] = sequence({}, "normalizers");
  CHECK(bpe_tokenizer(folder, json)->encode("e\xCC\x81") == Tokens{'e', 0xCC, 0x81});
}

TEST_CASE("Byte-level BPE gives every text back, whatever the steps") {
  const TempFolder folder;
  const Pairs merges{{"a", "a"},       {"aa", "aa"},     {" ", " "}, {"  ", "  "},
                     {"\xF0", "\x9F"}, {"\xFF", "\xFF"}, {"<", "s"}, {"\n", "\n"}};
  for (const Json& steps :
       {byte_level(), by_pattern(kLlama3), by_pattern(kQwen2), by_digits(), byte_level(false)}) {
    check_round_trips(*bpe_tokenizer(folder, bpe_json(merges, steps)));
  }
}

TEST_CASE("An ASCII digit is one token, whatever the steps") {
  const TempFolder folder;
  for (const Json& steps : {byte_level(), by_pattern(kLlama3), by_pattern(kQwen2), by_digits()}) {
    const auto tokenizer = bpe_tokenizer(folder, bpe_json(kMerges, steps));
    for (char digit = '0'; digit <= '9'; ++digit) {
      CHECK(tokenizer->encode(std::string(1, digit)) == Tokens{digit});
    }
  }
}

TEST_CASE("Byte-level BPE's queue makes the tokens of the plain loop") {
  const TempFolder folder;
  Rng rng(99);
  for (int vocabulary = 0; vocabulary < 20; ++vocabulary) {
    // Each merge joins two tokens there already, and makes one that is not there yet.
    std::vector<std::string> known{"a", "b", "c", " ", "\xC3"};
    Pairs merges;
    while (merges.size() < 40) {
      const auto any = [&] {
        return known[static_cast<std::size_t>(rng.below(static_cast<i64>(known.size())))];
      };
      const std::string left = any(), right = any();
      if (std::ranges::count(known, left + right) > 0 || left.size() + right.size() > 12) continue;
      merges.emplace_back(left, right);
      known.push_back(left + right);
    }
    const auto tokenizer = bpe_tokenizer(folder, bpe_json(merges, byte_level(false)));
    for (int i = 0; i < 50; ++i) {
      const std::string text = random_text(rng, rng.below(80), {"a", "b", "c", " ", "z"});
      INFO("vocabulary " << vocabulary << ", text '" << text << "'");
      REQUIRE(tokenizer->encode(text) == plain_merge(merges, text));
    }
  }
}

TEST_CASE("What a tokenizer.json may ask for and is not done is refused by name") {
  const TempFolder folder;
  const auto with = [&](const std::string& pointer, const Json& value) {
    Json json = bpe_json(kMerges);
    json[Json::json_pointer(pointer)] = value;
    return refusal(folder, json);
  };
  CHECK_THAT(with("/model/byte_fallback", true), Contains("tokenizer.model"));
  CHECK_THAT(with("/model/type", "Unigram"), Contains("'Unigram'"));
  CHECK_THAT(with("/pre_tokenizer", {{"type", "Metaspace"}}), Contains("tokenizer.model"));
  CHECK_THAT(with("/pre_tokenizer", nullptr), Contains("no byte-level BPE"));
  CHECK_THAT(with("/normalizer", {{"type", "NFKC"}}), Contains("normalizer 'NFKC'"));
  CHECK_THAT(with("/normalizer", sequence({{{"type", "Lowercase"}}}, "normalizers")),
             Contains("normalizer 'Lowercase'"));
  CHECK_THAT(with("/pre_tokenizer", sequence({{{"type", "Punctuation"}}, byte_level()})),
             Contains("pre_tokenizer 'Punctuation'"));
  CHECK_THAT(with("/pre_tokenizer", sequence({byte_level(), split("a")})),
             Contains("'ByteLevel' is not done here before others"));
  CHECK_THAT(with("/pre_tokenizer", sequence({split("a"), byte_level(true, true)})),
             Contains("add_prefix_space"));
  for (const std::string behavior :
       {"Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"}) {
    CHECK_THAT(with("/pre_tokenizer", sequence({split("a", behavior), byte_level()})),
               Contains("'" + behavior + "'"));
  }
  CHECK_THAT(with("/post_processor", {{"type", "BertProcessing"}}), Contains("'BertProcessing'"));
  CHECK_THAT(with("/model/end_of_word_suffix", "</w>"), Contains("end_of_word_suffix"));
  CHECK_THAT(with("/model/dropout", 0.1), Contains("dropout"));
}

TEST_CASE("A hostile tokenizer.json is refused with its name and the reason") {
  const TempFolder folder;
  const auto with = [&](const std::string& pointer, const Json& value) {
    Json json = bpe_json(kMerges);
    json[Json::json_pointer(pointer)] = value;
    return refusal(folder, json);
  };
  CHECK_THAT(refusal_of_text(folder, ""), Contains("is not valid JSON"));
  CHECK_THAT(refusal_of_text(folder, "[]"), Contains("no JSON object"));
  CHECK_THAT(refusal_of_text(folder, "{\"a\": \"\xFF\"}"), Contains("is not valid JSON"));
  CHECK_THAT(refusal_of_text(folder, std::string(5'000'000, '[')), Contains("nests too deep"));
  CHECK_THAT(refusal_of_text(folder, "{}"), Contains("no byte-level BPE"));
  CHECK_THAT(with("/model/vocab", Json::array()), Contains("'vocab'"));
  CHECK_THAT(with("/model/merges", 7), Contains("'merges'"));
  CHECK_THAT(with("/model/vocab/a", -1), Contains("id of 'a' is -1"));
  CHECK_THAT(with("/model/vocab/a", 1.5), Contains("id of 'a' is 1.5"));
  CHECK_THAT(with("/model/vocab/a", "7"), Contains("id of 'a'"));
  CHECK_THAT(with("/model/vocab/a", 261), Contains("261 tokens have the ids 0 to 260"));
  CHECK_THAT(with("/model/vocab/a", std::numeric_limits<std::uint64_t>::max()),
             Contains("id of 'a'"));
  CHECK_THAT(with("/model/vocab/a", 98), Contains("as another token has"));
  CHECK_THAT(with("/model/vocab", Json::object()), Contains("byte 0"));
  CHECK_THAT(with("/model/vocab/\xE2\x96\x81the", 261), Contains("spells no bytes"));
  CHECK_THAT(with("/model/vocab/", 261), Contains("empty"));
  CHECK_THAT(with("/model/merges", {"a b c"}), Contains("'a b c'"));
  CHECK_THAT(with("/model/merges", {"ab"}), Contains("'ab'"));
  CHECK_THAT(with("/model/merges", {"a z"}), Contains("needs 'az'"));
  CHECK_THAT(with("/model/merges", {"abq c"}), Contains("needs 'abq'"));
  CHECK_THAT(with("/model/merges", Json::array({Json::array({"a", "b", "c"})})),
             Contains("well-formed"));
  CHECK_THAT(with("/added_tokens", {{{"id", 7}, {"content", "<s>"}}}), Contains("id 7"));
  CHECK_THAT(with("/added_tokens", {{{"id", 300}, {"content", "<s>"}}}), Contains("300"));
  CHECK_THAT(with("/added_tokens", {{{"id", 261}, {"content", ""}}}), Contains("empty"));
  CHECK_THAT(with("/added_tokens", {{{"id", 98}, {"content", "a"}}}), Contains("is 97"));
  CHECK_THAT(with("/added_tokens", {{{"id", 97}, {"content", "a"}}}), Contains("byte 97"));
  CHECK_THAT(with("/added_tokens", {{{"id", 256}, {"content", "ab"}, {"special", true}}}),
             Contains("control token"));
  CHECK_THAT(with("/added_tokens", {{{"content", "<s>"}}}), Contains("well-formed"));
  CHECK_THAT(with("/pre_tokenizer", by_pattern("a(")), Contains("does not compile"));
  CHECK_THAT(with("/post_processor", template_of(Json::array({special("<none>")}))),
             Contains("'<none>'"));
  CHECK_THAT(with("/post_processor", template_of({special("a"), kText})),
             Contains("control token"));
  CHECK_THAT(with("/post_processor", template_of(Json::array({3}))), Contains("well-formed"));
}

TEST_CASE("A pattern that explodes makes an error of encoding, not a hang") {
  const TempFolder folder;
  const auto tokenizer = bpe_tokenizer(folder, bpe_json(kMerges, by_pattern("(?:a|aa)+[0-9]")));
  CHECK_THAT(message_of([&] { tokenizer->encode(std::string(100, 'a') + "!1"); }),
             Contains("tokenizer.json: the split pattern fails"));
}

TEST_CASE("A tokenizer.json that is truncated or has flipped bits is refused or works") {
  const TempFolder folder;
  Json json = bpe_json(kMerges, by_pattern(kLlama3));
  add_token(json, "<bos>", true);
  json["post_processor"] = template_of({special("<bos>"), kText});
  const std::string whole = json.dump();
  for (std::size_t size = 0; size < whole.size(); size += 13) {
    CHECK_FALSE(refusal_of_text(folder, whole.substr(0, size)).empty());
  }
  Rng rng(6);
  for (int i = 0; i < 1000; ++i) {
    std::string flipped = whole;
    const auto at = static_cast<std::size_t>(rng.below(static_cast<i64>(whole.size())));
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << rng.below(8)));
    INFO("flip " << i << " at byte " << at);
    if (!refusal_of_text(folder, flipped).empty()) continue;
    check_round_trip(*read_bpe_tokenizer(folder / "refused.json"), "abc <s> 123\n\xC3\xA9\xFF");
  }
}

}  // namespace
}  // namespace longreach::datasets
