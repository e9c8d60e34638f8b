// Tests datasets/sentencepiece_tokenizer.cpp and sentencepiece_model.cpp, on models that
// SentencePiece trains here and on files written by hand.
#include <catch2/catch.hpp>
#include <limits>
#include <map>
#include <sentencepiece_trainer.h>

#include "datasets/protobuf.h"
#include "tests/datasets/bpe_files.h"

namespace longreach::datasets {
namespace {

using Catch::Matchers::Contains;
using Tokens = std::vector<Token>;

const std::string kStory =
    "Once upon a time there was a little boy named Ben. Ben loved to explore the world around him. "
    "He saw many amazing things, like beautiful vases that were on display in a store. One day, "
    "Ben was walking through the store when he came across a very special vase. It cost 1234567890 "
    "coins! \"That is too much,\" said Ben; his mother said no. They walked home and ate soup.";

/// Training sentences, as the library takes them.
class Sentences final : public sentencepiece::SentenceIterator {
 public:
  bool done() const override { return next_ == sentences_.size(); }
  void Next() override { ++next_; }
  const std::string& value() const override { return sentences_[next_]; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  std::vector<std::string> sentences_{kStory.substr(0, 150), kStory.substr(150), kStory};
  std::size_t next_ = 0;
};

using Settings = std::unordered_map<std::string, std::string>;

/// A model file trained on the story. Fails the test where the library does.
std::string trained(const std::string& kind, const Settings& more = {}) {
  Settings settings{{"model_type", kind},
                    {"vocab_size", "340"},
                    {"byte_fallback", "true"},
                    {"normalization_rule_name", "identity"},
                    {"remove_extra_whitespaces", "false"},
                    {"character_coverage", "1"},
                    {"hard_vocab_limit", "false"},
                    {"num_threads", "1"},
                    {"minloglevel", "3"}};
  for (const auto& [key, value] : more) settings[key] = value;
  Sentences sentences;
  std::string model;
  const auto status = sentencepiece::SentencePieceTrainer::Train(settings, &sentences, &model);
  INFO(status.ToString());
  REQUIRE(status.ok());
  return model;
}

std::unique_ptr<Tokenizer> tokenizer_of(const TempFolder& folder, const std::string& model) {
  return read_sentencepiece_tokenizer(folder.write("tokenizer.model", model));
}

/// The library's own tokens, with whatever its model adds.
Tokens by_library(const std::string& model, const std::string& text) {
  sentencepiece::SentencePieceProcessor library;
  REQUIRE(library.LoadFromSerializedProto(model).ok());
  std::vector<int> ids;
  REQUIRE(library.Encode(text, &ids).ok());
  return ids;
}

// Fields of sentencepiece_model.proto: a model's pieces, trainer and normalizer, and a piece's
// text, score and type (1 normal, 2 unknown, 3 control, 6 byte).
std::string piece(const std::string& text, std::uint64_t type = 1, float score = 0) {
  std::string message;
  put_bytes(message, 1, text);
  put_real(message, 2, score);
  put_integer(message, 3, type);
  std::string field;
  put_bytes(field, 1, message);
  return field;
}
std::string trainer(const std::vector<std::pair<int, int>>& settings) {
  std::string message, field;
  for (const auto& [key, value] : settings) {
    put_integer(message, static_cast<std::uint64_t>(key), static_cast<std::uint64_t>(value));
  }
  put_bytes(field, 2, message);
  return field;
}
std::string bytes() {
  std::string fields;
  for (int byte = 0; byte < 256; ++byte) fields += piece(fmt::format("<0x{:02X}>", byte), 6);
  return fields;
}
const std::string kBpe = trainer({{3, 2}, {35, 1}});  // BPE that falls back to bytes
const std::string kSpace = piece("\xE2\x96\x81");
const std::string kSmall = piece("<unk>", 2) + kSpace + piece("a");
const std::string kBegin = piece("<unk>", 2) + piece("<s>", 3) + piece("</s>", 3);

std::string refusal(const TempFolder& folder, const std::string& model) {
  const std::string path = folder.write("refused.model", model);
  const std::string message = message_of([&] { read_sentencepiece_tokenizer(path); });
  if (!message.empty()) CHECK_THAT(message, Contains(path));
  return message;
}

TEST_CASE("SentencePiece's documents have the tokens that its library gives them") {
  const TempFolder folder;
  const std::string kind = GENERATE("bpe", "unigram");
  const std::string spaced = GENERATE("true", "false");
  INFO(kind << ", add_dummy_prefix " << spaced);
  const std::string model = trained(kind, {{"add_dummy_prefix", spaced}});
  const auto tokenizer = tokenizer_of(folder, model);
  CHECK(tokenizer->name() == "sentencepiece");
  CHECK(tokenizer->opening() == Tokens{1});
  CHECK(tokenizer->endings() == Tokens{2});
  Rng rng(31);
  std::vector<std::string> texts{kStory,
                                 "Ben",
                                 " Ben",
                                 "Ben  saw ",
                                 "",
                                 " ",
                                 "\n",
                                 "vases\n\nvases",
                                 "na\xC3\xAFve \xE6\x97\xA5\xE6\x9C\xAC \xF0\x9F\x91\x8B",
                                 "<s>"};
  for (int i = 0; i < 300; ++i) {
    texts.push_back(random_text(
        rng, rng.below(30),
        {"Ben", "the ", "e", "s", " ", "was", "store", "12", "\xC3\xA9", "\n", "Z", ". "}));
  }
  for (const std::string& text : texts) {
    INFO("'" << text << "'");
    Tokens expected = by_library(model, text);
    expected.insert(expected.begin(), 1);
    CHECK(tokenizer->encode_document(text) == expected);
  }
}

TEST_CASE("SentencePiece gives every text back") {
  const TempFolder folder;
  const std::string kind = GENERATE("bpe", "unigram");
  const std::string spaced = GENERATE("true", "false");
  check_round_trips(*tokenizer_of(folder, trained(kind, {{"add_dummy_prefix", spaced}})));
}

TEST_CASE("Inside a document SentencePiece's text has no space before it, and digits are tokens") {
  const TempFolder folder;
  const std::string kind = GENERATE("bpe", "unigram");
  const auto tokenizer = tokenizer_of(folder, trained(kind));
  CHECK(tokenizer->decode(tokenizer->encode("Ben")) == "Ben");
  CHECK(tokenizer->decode(tokenizer->encode_document("Ben")) == " Ben");
  for (char digit = '0'; digit <= '9'; ++digit) {
    CHECK(tokenizer->encode(std::string(1, digit)).size() == 1);
  }
}

TEST_CASE("SentencePiece's bytes, and the mark for a space, are told as bytes") {
  const TempFolder folder;
  // 3 to 258 the bytes, 259 '\u2581', 260 'a', 261 '\u2581a'.
  const auto tokenizer =
      tokenizer_of(folder, kBegin + bytes() + piece("\xE2\x96\x81", 1, -2) + piece("a", 1, -3) +
                               piece("\xE2\x96\x81"
                                     "a",
                                     1, -1) +
                               kBpe);
  CHECK(tokenizer->vocabulary_size() == 262);
  CHECK(tokenizer->encode("a a") == Tokens{260, 261});
  CHECK(tokenizer->encode_document("a") == Tokens{1, 261});
  CHECK(tokenizer->encode("\xE2\x96\x81"
                          "a") == Tokens{0xE2 + 3, 0x96 + 3, 0x81 + 3, 260});
  CHECK(tokenizer->encode("a\xFF\n") == Tokens{260, 0xFF + 3, '\n' + 3});
  CHECK(tokenizer->decode(Tokens{1, 261, 0xC3 + 3, 0, 2}) == " a\xC3");
  CHECK_THROWS_AS(tokenizer->decode(Tokens{262}), Error);
  CHECK_THROWS_AS(tokenizer->decode(Tokens{-1}), Error);
}

TEST_CASE("Without bytes to fall back to, text that has no token is an error") {
  const TempFolder folder;
  const auto tokenizer = tokenizer_of(folder, kSmall + trainer({{3, 2}}));
  CHECK(tokenizer->opening().empty());
  CHECK(tokenizer->endings().empty());
  CHECK(tokenizer->encode("a a") == Tokens{2, 1, 2});
  CHECK_THAT(message_of([&] { tokenizer->encode("ab"); }), Contains("no token for some of 'ab'"));
  CHECK_THAT(message_of([&] { tokenizer->encode("a\xFF"); }), Contains("byte 255"));
}

TEST_CASE("SentencePiece's models that change text are refused with their normalizer's name") {
  const TempFolder folder;
  CHECK_THAT(refusal(folder, trained("bpe", {{"normalization_rule_name", "nmt_nfkc"}})),
             Contains("'nmt_nfkc' rewrites text"));
  CHECK_THAT(refusal(folder, trained("bpe", {{"treat_whitespace_as_suffix", "true"}})),
             Contains("treat_whitespace_as_suffix"));
  CHECK_THAT(refusal(folder, trained("char")), Contains("of kind 4"));
  // Spaces that a model was trained without stay: they come back.
  const auto tokenizer =
      tokenizer_of(folder, trained("bpe", {{"remove_extra_whitespaces", "true"}}));
  check_round_trip(*tokenizer, "  Ben   saw  ");
}

TEST_CASE("A hostile SentencePiece model is refused with its name and the reason") {
  const TempFolder folder;
  const std::string normal = kSpace + piece("a");
  CHECK_THAT(refusal(folder, ""), Contains("no pieces of text"));
  CHECK_THAT(refusal(folder, kBegin + bytes() + kBpe), Contains("no pieces of text"));
  CHECK_THAT(refusal(folder, normal + kBpe), Contains("0 unknown tokens"));
  CHECK_THAT(refusal(folder, kBegin + kBegin + normal), Contains("'<unk>' is there twice"));
  CHECK_THAT(refusal(folder, kBegin + piece("?", 2) + normal), Contains("2 unknown tokens"));
  CHECK_THAT(refusal(folder, kBegin + piece("a")), Contains("no token for a space"));
  CHECK_THAT(refusal(folder, kBegin + piece("a") + piece("\xE2\x96\x81", 5)),
             Contains("no token for a space"));
  CHECK_THAT(refusal(folder, kBegin + normal + kBpe), Contains("no token for byte 0"));
  CHECK_THAT(refusal(folder, kBegin + normal + bytes()), Contains("does not fall back to bytes"));
  CHECK_THAT(refusal(folder, kBegin + normal + piece("<0xZZ>", 6) + kBpe), Contains("'<0xZZ>'"));
  CHECK_THAT(refusal(folder, kBegin + normal + piece("a")), Contains("'a' is there twice"));
  CHECK_THAT(refusal(folder, kBegin + piece("")), Contains("0 bytes"));
  CHECK_THAT(refusal(folder, kBegin + piece(std::string(100'000, 'a'))), Contains("100000 bytes"));
  CHECK_THAT(refusal(folder, kBegin + piece("\xFF")), Contains("no text of UTF-8"));
  CHECK_THAT(refusal(folder, kBegin + piece(std::string("a\0", 2))), Contains("no text of UTF-8"));
  CHECK_THAT(refusal(folder, kBegin + piece("a", 9)), Contains("unknown type 9"));
  CHECK_THAT(refusal(folder, kBegin + piece("a", 1, std::numeric_limits<float>::infinity())),
             Contains("score of 'a'"));
  CHECK_THAT(refusal(folder, "\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"),
             Contains("truncated"));
  CHECK_THAT(refusal(folder, std::string(11, '\xFF')), Contains("more than ten bytes"));
  CHECK_THAT(refusal(folder, "\x0B"), Contains("unknown kind"));
  CHECK_THAT(refusal(folder, std::string("\x08\x01", 2)), Contains("wrong kind"));
}

TEST_CASE("A SentencePiece model that is truncated or has flipped bits is refused or works") {
  const TempFolder folder;
  for (const std::string kind : {"bpe", "unigram"}) {
    const std::string whole = trained(kind, {{"user_defined_symbols", "<tool>"}});
    for (std::size_t size = 0; size < whole.size(); size += 29)
      refusal(folder, whole.substr(0, size));
    Rng rng(8);
    for (int i = 0; i < 1000; ++i) {
      std::string flipped = whole;
      const auto at = static_cast<std::size_t>(rng.below(static_cast<i64>(whole.size())));
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << rng.below(8)));
      INFO(kind << ", flip " << i << " at byte " << at);
      if (!refusal(folder, flipped).empty()) continue;
      const auto tokenizer = read_sentencepiece_tokenizer(folder / "refused.model");
      check_round_trip(*tokenizer, "Ben saw the <tool> <s>\n\xC3\xA9\xFF");
    }
  }
}

TEST_CASE("A SentencePiece tokenizer's hash depends on its file") {
  const TempFolder folder;
  const std::string one = kSmall, two = kSmall + piece("b");
  CHECK(tokenizer_of(folder, one)->sha() == tokenizer_of(folder, one)->sha());
  CHECK(tokenizer_of(folder, one)->sha() != tokenizer_of(folder, two)->sha());
}

TEST_CASE("Tokenizers are told apart by what their files hold") {
  const TempFolder folder;
  const std::string model = kSmall;
  const std::string json = bpe_json({{"a", "b"}}).dump();
  CHECK(read_tokenizer(folder.write("one", model))->name() == "sentencepiece");
  CHECK(read_tokenizer(folder.write("two", "\n " + json))->name() == "bpe");
  std::string llama2c("\x0A\0\0\0", 4);  // 10, which begins like a message's first field
  for (std::size_t id = 0; id < 259; ++id) {
    const std::string text = id < 3 ? "<x>" : fmt::format("<0x{:02X}>", id - 3);
    llama2c += std::string(4, '\0') + static_cast<char>(text.size()) + std::string(3, '\0') + text;
  }
  CHECK(read_tokenizer(folder.write("three", llama2c))->name() == "llama2.c");
  CHECK_THAT(message_of([&] { read_tokenizer(folder.write("four", "what is this?")); }),
             Contains("four: "));
  CHECK_THAT(message_of([&] { read_tokenizer(folder / "five"); }), Contains("does not exist"));
}

TEST_CASE("A folder's tokenizer is its tokenizer.json if that is byte-level, else its model") {
  const TempFolder folder;
  const auto name = [&] { return read_tokenizer(folder.path())->name(); };
  CHECK_THAT(message_of([&] { name(); }), Contains("neither tokenizer.json nor tokenizer.model"));
  folder.write("tokenizer.model", kSmall);
  CHECK(name() == "sentencepiece");
  folder.write("tokenizer.json", bpe_json({{"a", "b"}}).dump());
  CHECK(name() == "bpe");
  Json other = bpe_json({{"a", "b"}});
  other["model"]["byte_fallback"] = true;
  folder.write("tokenizer.json", other.dump());
  CHECK(name() == "sentencepiece");
  std::filesystem::remove(folder / "tokenizer.model");
  CHECK_THAT(message_of([&] { name(); }), Contains("give tokenizer.model"));
  folder.write("tokenizer.json", "{");
  CHECK_THAT(message_of([&] { name(); }), Contains("is not valid JSON"));
}

}  // namespace
}  // namespace longreach::datasets
