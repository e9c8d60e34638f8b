// Tests datasets/llama2c_tokenizer.cpp against run.c's plain loop, written again here.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <limits>

#include "datasets/tokenizer.h"
#include "tests/datasets/files.h"
#include "tests/datasets/texts.h"
#include "tests/test_data.h"

namespace longreach::datasets {
namespace {

using Catch::Matchers::Contains;

struct Piece {
  std::string text;
  float score;
};

template <class T>
std::string bytes_of(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

std::string file_of(const std::vector<Piece>& pieces, std::int32_t longest = 16) {
  std::string content = bytes_of(longest);
  for (const Piece& piece : pieces) {
    content +=
        bytes_of(piece.score) + bytes_of(static_cast<std::int32_t>(piece.text.size())) + piece.text;
  }
  return content;
}

/// The 259 ids that every such file begins with.
std::vector<Piece> first_pieces() {
  std::vector<Piece> pieces{{"<unk>", 0}, {"\n<s>\n", 0}, {"\n</s>\n", 0}};
  for (int byte = 0; byte < 256; ++byte) pieces.push_back({fmt::format("<0x{:02X}>", byte), 0});
  return pieces;
}

/// 259 ' ', 260 'a', 261 'b', 262 'c', 263 'ab', 264 'bc', 265 'abc', 266 ' a', 267 '1', 268 'é',
/// 269 'aa', 270 '<', 271 's', 272 '>', 273 '<s', 274 '<s>'.
std::vector<Piece> small_pieces() {
  std::vector<Piece> pieces = first_pieces();
  for (const Piece& piece : std::vector<Piece>{{" ", -9},
                                               {"a", -9},
                                               {"b", -9},
                                               {"c", -9},
                                               {"ab", -3},
                                               {"bc", -2},
                                               {"abc", -1},
                                               {" a", -2},
                                               {"1", -9},
                                               {"\xC3\xA9", -9},
                                               {"aa", -2},
                                               {"<", -9},
                                               {"s", -9},
                                               {">", -9},
                                               {"<s", -4},
                                               {"<s>", -4}}) {
    pieces.push_back(piece);
  }
  return pieces;
}

std::unique_ptr<Tokenizer> small_tokenizer(const TempFolder& folder) {
  return read_llama2c_tokenizer(folder.write("small.bin", file_of(small_pieces())));
}

/// run.c's encode(), without its BOS and space: each round looks at every pair.
std::vector<Token> plain_encode(const std::vector<Piece>& pieces, const std::string& text) {
  const auto lookup = [&](const std::string& piece) {
    const auto found = std::find_if(pieces.begin() + 259, pieces.end(),
                                    [&](const Piece& other) { return other.text == piece; });
    return found == pieces.end() ? Token{-1} : static_cast<Token>(found - pieces.begin());
  };
  std::vector<Token> tokens;
  std::string buffer;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((text[i] & 0xC0) != 0x80) buffer.clear();
    buffer += text[i];
    if (i + 1 < text.size() && (text[i + 1] & 0xC0) == 0x80 && buffer.size() < 4) continue;
    if (const Token id = lookup(buffer); id != -1) {
      tokens.push_back(id);
    } else {
      for (const char c : buffer) tokens.push_back(static_cast<unsigned char>(c) + 3);
    }
    buffer.clear();
  }
  while (true) {
    float best_score = -1e10F;
    Token best = -1;
    std::size_t place = 0;
    for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
      const Token id = lookup(pieces[static_cast<std::size_t>(tokens[i])].text +
                              pieces[static_cast<std::size_t>(tokens[i + 1])].text);
      if (id != -1 && pieces[static_cast<std::size_t>(id)].score > best_score) {
        best_score = pieces[static_cast<std::size_t>(id)].score;
        best = id;
        place = i;
      }
    }
    if (best == -1) return tokens;
    tokens[place] = best;
    tokens.erase(tokens.begin() + static_cast<std::ptrdiff_t>(place) + 1);
  }
}

std::vector<Piece> read_plainly(const std::string& content) {
  std::vector<Piece> pieces;
  for (std::size_t at = 4; at < content.size();) {
    Piece piece;
    std::int32_t length = 0;
    std::memcpy(&piece.score, content.data() + at, 4);
    std::memcpy(&length, content.data() + at + 4, 4);
    piece.text = content.substr(at + 8, static_cast<std::size_t>(length));
    pieces.push_back(piece);
    at += 8 + static_cast<std::size_t>(length);
  }
  return pieces;
}

std::string refusal(const TempFolder& folder, const std::string& content) {
  const std::string path = folder.write("refused.bin", content);
  const std::string message = message_of([&] { read_llama2c_tokenizer(path); });
  if (!message.empty()) CHECK_THAT(message, Contains(path));
  return message;
}

TEST_CASE("llama2.c merges the pair with the best score first, the leftmost of equals") {
  const TempFolder folder;
  const auto tokenizer = small_tokenizer(folder);
  using Tokens = std::vector<Token>;
  CHECK(tokenizer->encode("ab") == Tokens{263});
  // bc (-2) comes before ab (-3), then a + bc make abc.
  CHECK(tokenizer->encode("abc") == Tokens{265});
  // bc first, and a b is left of it.
  CHECK(tokenizer->encode("abbc") == Tokens{263, 264});
  // aa twice in five: 0-1, 2-3, and the last stays.
  CHECK(tokenizer->encode("aaaaa") == Tokens{269, 269, 260});
  // ' a' and 'aa' are equally good: the left one.
  CHECK(tokenizer->encode(" aa") == Tokens{266, 260});
  CHECK(tokenizer->encode("7") == Tokens{'7' + 3});
  CHECK(tokenizer->encode("1") == Tokens{267});
  CHECK(tokenizer->encode("\xC3\xA9\xC3") == Tokens{268, 0xC3 + 3});
  CHECK(tokenizer->encode("").empty());
}

TEST_CASE("llama2.c documents begin with BOS and a space, and end at BOS or EOS") {
  const TempFolder folder;
  const auto tokenizer = small_tokenizer(folder);
  CHECK(tokenizer->name() == "llama2.c");
  CHECK(tokenizer->vocabulary_size() == 275);
  CHECK(tokenizer->opening() == std::vector<Token>{1});
  CHECK(tokenizer->endings() == std::vector<Token>{1, 2});
  CHECK(tokenizer->encode_document("abc") == std::vector<Token>{1, 266, 264});
  CHECK(tokenizer->encode_document("") == std::vector<Token>{1});
  CHECK(tokenizer->decode_document(std::vector<Token>{1, 266, 264}) == "abc");
  CHECK(tokenizer->decode(std::vector<Token>{1, 266, 264, 2, 0}) == " abc");
}

TEST_CASE("llama2.c's control tokens are never made of text") {
  const TempFolder folder;
  const auto tokenizer = small_tokenizer(folder);
  // 274 is an ordinary piece of that spelling.
  CHECK(tokenizer->encode("<s>") == std::vector<Token>{274});
  for (const std::string text : {"<unk>", "\n<s>\n", "\n</s>\n", "<0x0A>"}) {
    for (const Token token : tokenizer->encode(text)) CHECK(token >= 3);
    check_round_trip(*tokenizer, text);
  }
}

TEST_CASE("llama2.c tokens outside the vocabulary are refused") {
  const TempFolder folder;
  const auto tokenizer = small_tokenizer(folder);
  CHECK_THROWS_AS(tokenizer->decode(std::vector<Token>{275}), Error);
  CHECK_THROWS_AS(tokenizer->decode(std::vector<Token>{-1}), Error);
}

TEST_CASE("llama2.c gives every text back") {
  const TempFolder folder;
  check_round_trips(*small_tokenizer(folder));
}

TEST_CASE("llama2.c's queue makes the tokens of its plain loop") {
  const TempFolder folder;
  Rng rng(77);
  for (int vocabulary = 0; vocabulary < 20; ++vocabulary) {
    // Random pieces over a small alphabet, with equal scores among them.
    std::vector<Piece> pieces = first_pieces();
    const std::vector<std::string> alphabet{"a", "b", "c", " ", "\xC3\xA9", "\xA9"};
    for (const std::string& letter : alphabet) pieces.push_back({letter, -20});
    for (int i = 0; i < 60; ++i) {
      const std::string text = random_text(rng, 2 + rng.below(4), alphabet);
      if (std::none_of(pieces.begin(), pieces.end(),
                       [&](const Piece& p) { return p.text == text; })) {
        pieces.push_back({text, -static_cast<float>(rng.below(12))});
      }
    }
    const auto tokenizer = read_llama2c_tokenizer(folder.write("random.bin", file_of(pieces)));
    for (int i = 0; i < 60; ++i) {
      const std::string text =
          random_text(rng, rng.below(80), {"a", "b", "c", " ", "\xC3\xA9", "\xA9", "z"});
      INFO("vocabulary " << vocabulary << ", text '" << text << "'");
      REQUIRE(tokenizer->encode(text) == plain_encode(pieces, text));
    }
    check_round_trip(*tokenizer, random_bytes(rng, 200));
  }
}

TEST_CASE("llama2.c's own tokenizer of 512 makes the tokens of the plain loop") {
  const auto path = tests::test_data("tok512.bin");
  const auto story = tests::test_data("tinystories_sample.txt");
  if (!path || !story) return;
  const auto tokenizer = read_llama2c_tokenizer(*path);
  CHECK(tokenizer->vocabulary_size() == 512);
  // Looked up in the file by hand: 403 ' Once', 407 ' upon', 261 ' a', 378 ' time'.
  CHECK(tokenizer->encode_document("Once upon a time") ==
        std::vector<Token>{1, 403, 407, 261, 378});
  for (char digit = '0'; digit <= '9'; ++digit) {
    CHECK(tokenizer->encode(std::string(1, digit)).size() == 1);
  }
  const std::string text = read_file(*story);
  CHECK(tokenizer->encode(text) == plain_encode(read_plainly(read_file(*path)), text));
  check_round_trips(*tokenizer);
}

TEST_CASE("A llama2.c file that is truncated anywhere is refused or holds fewer tokens") {
  const TempFolder folder;
  const std::string whole = file_of(small_pieces());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string path = folder.write("cut.bin", whole.substr(0, size));
    i64 tokens = 0;
    const std::string message =
        message_of([&] { tokens = read_llama2c_tokenizer(path)->vocabulary_size(); });
    CHECK(tokens < 275);
    if (message.find("cut.bin") == std::string::npos) CHECK(tokens >= 259);
  }
}

TEST_CASE("A hostile llama2.c file is refused with its name and the reason") {
  const TempFolder folder;
  const auto with = [](std::size_t id, const Piece& piece) {
    std::vector<Piece> pieces = small_pieces();
    pieces[id] = piece;
    return file_of(pieces);
  };
  const std::string head = file_of(small_pieces());
  const std::string score = bytes_of(0.0F);
  CHECK_THAT(refusal(folder, ""), Contains("truncated"));
  CHECK_THAT(refusal(folder, "PK\x03\x04"), Contains("<0x00>"));
  CHECK_THAT(refusal(folder, head + score + bytes_of(std::int32_t{-1})), Contains("-1 bytes"));
  CHECK_THAT(refusal(folder, head + score + bytes_of(std::int32_t{0})), Contains("0 bytes"));
  CHECK_THAT(refusal(folder, head + score + bytes_of(std::numeric_limits<std::int32_t>::max())),
             Contains("2147483647 bytes"));
  CHECK_THAT(refusal(folder, head + score + bytes_of(std::int32_t{16}) + "abc"),
             Contains("truncated"));
  CHECK_THAT(refusal(folder, with(260, {" ", 0})), Contains("token 260 is ' ', as token 259"));
  CHECK_THAT(refusal(folder, with(100, {"x", 0})), Contains("token 100 is not '<0x61>'"));
  CHECK_THAT(refusal(folder, with(270, {"x", std::numeric_limits<float>::quiet_NaN()})),
             Contains("score of token 270"));
  CHECK_THAT(message_of([&] { read_llama2c_tokenizer(folder / "none.bin"); }),
             Contains("does not exist"));
  CHECK_THAT(message_of([&] { read_llama2c_tokenizer(folder.path()); }), Contains("is no file"));
}

TEST_CASE("A llama2.c file with flipped bits is refused or gives every text back") {
  const TempFolder folder;
  const std::string whole = file_of(small_pieces());
  Rng rng(5);
  for (int i = 0; i < 500; ++i) {
    std::string flipped = whole;
    for (int bit = 0; bit < 3; ++bit) {
      const auto at = static_cast<std::size_t>(rng.below(static_cast<i64>(whole.size())));
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << rng.below(8)));
    }
    const std::string path = folder.write("flipped.bin", flipped);
    std::unique_ptr<Tokenizer> tokenizer;
    if (message_of([&] { tokenizer = read_llama2c_tokenizer(path); }).empty()) {
      check_round_trip(*tokenizer, "abc aabbcc <s> 123 \xC3\xA9\xFF");
    }
  }
}

TEST_CASE("A llama2.c tokenizer's hash depends on its file") {
  const TempFolder folder;
  const auto tokenizer = small_tokenizer(folder);
  std::vector<Piece> other = small_pieces();
  other.back().score = -5;
  CHECK(tokenizer->sha() == small_tokenizer(folder)->sha());
  CHECK(tokenizer->sha() !=
        read_llama2c_tokenizer(folder.write("other.bin", file_of(other)))->sha());
}

}  // namespace
}  // namespace longreach::datasets
