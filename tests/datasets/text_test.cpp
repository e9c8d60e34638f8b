// Tests datasets/text.cpp.
#include "datasets/text.h"

#include <catch2/catch.hpp>
#include <set>

#include "core/error.h"
#include "core/sha256.h"
#include "tests/datasets/files.h"
#include "tests/datasets/settings.h"

namespace longreach::datasets {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;

/// Bytes whose neighbours tell where they are: any 3 bytes of it occur once in 65536.
std::string counted(i64 bytes, unsigned char mark = 0) {
  std::string text;
  for (i64 i = 0; static_cast<i64>(text.size()) < bytes; ++i) {
    text += {static_cast<char>(mark), static_cast<char>(i >> 8), static_cast<char>(i)};
  }
  text.resize(static_cast<std::size_t>(bytes));
  return text;
}

const std::unique_ptr<Tokenizer> bytes = byte_tokenizer();

std::string text_of(std::span<const Token> tokens) { return bytes->decode(tokens); }

TEST_CASE("A lone document keeps its end for testing") {
  const std::string text = counted(10000);
  const TextDataset data({text}, 0.05, *bytes, Rng(1));
  REQUIRE(data.documents(Split::train).size() == 1);
  REQUIRE(data.documents(Split::test).size() == 1);
  CHECK(text_of(data.documents(Split::train)[0]) == text.substr(0, 9500));
  CHECK(text_of(data.documents(Split::test)[0]) == text.substr(9500));
  CHECK(data.sha() == sha256(text));
  CHECK(data.description() ==
        "1 document, 10000 tokens; held out: the last part by position, "
        "500 tokens");
}

TEST_CASE("Several documents are held out whole, from the last one back to the share") {
  const std::vector<std::string> texts{"aaaa", "bb", "cc", "dd"};  // 10 tokens
  const auto held_out = [&](double share) {
    return TextDataset(texts, share, *bytes, Rng(1)).documents(Split::test).size();
  };
  CHECK(held_out(0) == 0);
  CHECK(held_out(0.05) == 1);  // at least one
  CHECK(held_out(0.39) == 1);  // dd and cc would be 4 of 10
  CHECK(held_out(0.4) == 2);
  CHECK(held_out(0.99) == 3);  // one stays for training
  CHECK(held_out(1) == 4);
  const TextDataset data(texts, 0.4, *bytes, Rng(1));
  CHECK(text_of(data.documents(Split::test)[0]) == "cc");
  CHECK(text_of(data.documents(Split::train)[1]) == "bb");
  CHECK_THAT(data.description(), Contains("the last 2 by document, 4 tokens"));
}

TEST_CASE("Held-out sample i ends at the same token at every length") {
  // Two held-out documents, so that numbers must not shift when the shorter one is used up.
  const std::vector<std::string> texts{counted(100), counted(3000, 1), counted(1700, 2)};
  const TextDataset data(texts, 0.99, *bytes, Rng(1));
  for (const i64 length : {2, 64, 511, 512, 513, 1500, 1701, 2990, 3000}) {
    // Ends at 3000 - 512 k and 1700 - 512 k with `length` tokens before them, counted plainly.
    i64 expected = 0;
    for (const i64 document : {3000, 1700}) {
      for (i64 end = document; end >= length; end -= 512) ++expected;
    }
    REQUIRE(data.size(Split::test, length) == expected);
    for (i64 i = 0; i < expected; ++i) {
      const std::vector<Token> longer = data.sample(Split::test, i, length).tokens;
      const std::vector<Token> shorter = data.sample(Split::test, i, 2).tokens;
      REQUIRE(static_cast<i64>(longer.size()) == length);
      CHECK(std::equal(shorter.begin(), shorter.end(), longer.end() - 2));
      const std::string window = text_of(longer);
      CHECK((texts[1].ends_with(window) || texts[1].find(window) != std::string::npos ||
             texts[2].find(window) != std::string::npos));
    }
  }
}

TEST_CASE("Held-out targets are all different and the last ends with its document") {
  const std::string text = counted(4000);
  const TextDataset data({text}, 1, *bytes, Rng(1));
  std::set<std::string> windows;
  const i64 count = data.size(Split::test, 16);
  CHECK(count == 8);  // ends at 4000, 3488, ..., 416
  for (i64 i = 0; i < count; ++i) {
    windows.insert(text_of(data.sample(Split::test, i, 16).tokens));
  }
  CHECK(static_cast<i64>(windows.size()) == count);
  CHECK(windows.contains(text.substr(4000 - 16)));
  CHECK(windows.contains(text.substr(416 - 16, 16)));
  CHECK_THROWS_WITH(data.sample(Split::test, count, 16), Contains("there are 8"));
}

TEST_CASE("Text answers are all tokens but the first") {
  const TextDataset data({counted(1000)}, 0.5, *bytes, Rng(1));
  for (const Split split : {Split::train, Split::test}) {
    const Sample sample = data.sample(split, 0, 100);
    CHECK(sample.last().answer.begin == 1);
    CHECK(sample.last().answer.length == 99);
    CHECK(sample.weights.empty());
    CHECK(sample.facts.empty());
  }
}

TEST_CASE("Training windows come from the training text, depend on seed and number alone") {
  const std::string text = counted(2000);
  const TextDataset data({text}, 0.25, *bytes, Rng(1)), other({text}, 0.25, *bytes, Rng(2));
  const std::string train = text.substr(0, 1500);
  std::set<std::string> windows;
  for (i64 i = 0; i < 200; ++i) {
    const std::string window = text_of(data.sample(Split::train, i, 30).tokens);
    CHECK(train.find(window) != std::string::npos);
    windows.insert(window);
  }
  CHECK(windows.size() > 180);  // 1471 places: 200 draws repeat 13 on average
  CHECK(data.sample(Split::train, 7, 30).tokens == data.sample(Split::train, 7, 30).tokens);
  CHECK(data.sample(Split::train, 7, 30).tokens != other.sample(Split::train, 7, 30).tokens);
}

TEST_CASE("Every training window is as likely as another, in whatever document") {
  // 1 + 3 windows of 2 tokens: "ab" | "cd", "de", "ef".
  const TextDataset data({"ab", "cdef", "z"}, 0.01, *bytes, Rng(3));
  CHECK(data.size(Split::train, 2) == 4);
  std::map<std::string, int> counts;
  for (i64 i = 0; i < 4000; ++i) ++counts[text_of(data.sample(Split::train, i, 2).tokens)];
  REQUIRE(counts.size() == 4);
  // Binomial(4000, 1/4): deviation 27; 5 of them either way.
  for (const auto& [window, count] : counts) CHECK(std::abs(count - 1000) < 137);
}

TEST_CASE("A length that no document has is refused with the longest that would do") {
  const TextDataset data({counted(1000)}, 0.1, *bytes, Rng(1));
  CHECK_THROWS_WITH(data.sample(Split::test, 0, 101), Contains("the longest has 100"));
  CHECK_THROWS_WITH(data.sample(Split::train, 0, 901), Contains("the longest has 900"));
  CHECK_THROWS_WITH(data.sample(Split::train, 0, 1), Contains("smallest length is 2"));
  CHECK(data.size(Split::test, 101) == 0);
  CHECK(data.size(Split::train, 901) == 0);
  const TextDataset no_test({counted(1000)}, 0, *bytes, Rng(1));
  CHECK(no_test.documents(Split::test).empty());
  CHECK_THROWS_WITH(no_test.sample(Split::test, 0, 2), Contains("no held-out document"));
}

TEST_CASE("A folder is a document a file by name, without hidden files and subfolders") {
  const TempFolder folder;
  folder.write("b.txt", "second");
  folder.write("a.txt", "first");
  folder.write(".hidden", "no");
  folder.write("empty", "");
  fs::create_directory(folder / "sub");
  CHECK(read_documents({folder.path()}) == std::vector<std::string>{"first", "second"});
}

TEST_CASE("JSON lines give a document a line, from the field named") {
  const TempFolder folder;
  const std::string path =
      folder.write("x.jsonl", "{\"text\": \"a\\nb\", \"id\": 1}\n\n{\"text\": \"\xc3\xa9\"}\r\n");
  CHECK(read_documents({path}) == std::vector<std::string>{"a\nb", "\xc3\xa9"});
  CHECK_THROWS_WITH(read_documents({path, 0.05, "txt"}),
                    Contains("x.jsonl:1: no text under 'txt'; did you mean 'text'?"));
  CHECK_THROWS_WITH(read_documents({path, 0.05, "id"}), Contains("no text under 'id'"));
  CHECK_THROWS_WITH(read_documents({folder.write("y.jsonl", "{\"text\": \"a\"}\n[1]\n")}),
                    Contains("y.jsonl:2"));
  CHECK_THROWS_WITH(read_documents({folder.write("z.jsonl", "{\"text\": ")}),
                    Contains("z.jsonl:1"));
}

TEST_CASE("A separator cuts a file into documents without the white space around them") {
  const TempFolder folder;
  const auto cut = [&](const std::string& text, const std::string& separator) {
    return read_documents({folder.write("x.txt", text), 0.05, "text", separator});
  };
  using Texts = std::vector<std::string>;
  CHECK(cut("\n a  b\n<|end|>\r\nc<|end|>", "<|end|>") == Texts{"a  b", "c"});
  CHECK(cut("<|end|><|end|> \t <|end|>a", "<|end|>") == Texts{"a"});
  CHECK(cut(" a<|end|>b\n", "") == Texts{" a<|end|>b\n"});
  CHECK(cut(" a<|end|>b\n", "<end>") == Texts{"a<|end|>b"});
  CHECK(cut("a\n\n\nb", "\n\n") == Texts{"a", "b"});
  CHECK(cut("aXXXb", "XX") == Texts{"a", "Xb"});  // the first place that fits
  CHECK_THROWS_WITH(cut("<|end|>\n<|end|>", "<|end|>"), Contains("holds no text"));
}

TEST_CASE("A separator beside a folder or JSON lines is refused") {
  const TempFolder folder;
  const std::string path = folder.write("x.jsonl", "{\"text\": \"a\"}\n");
  CHECK_THROWS_WITH(read_documents({path, 0.05, "text", "---"}), Contains("is a .jsonl file"));
  CHECK_THROWS_WITH(read_documents({folder.path(), 0.05, "text", "---"}), Contains("is a folder"));
}

TEST_CASE("Missing, empty and unreadable paths are named in the error") {
  const TempFolder folder;
  CHECK_THROWS_WITH(read_documents({""}), Contains("no path"));
  CHECK_THROWS_WITH(read_documents({folder / "none.txt"}), Contains("none.txt' does not exist"));
  CHECK_THROWS_WITH(read_documents({"/dev/zero"}), Contains("neither a file nor a folder"));
  CHECK_THROWS_WITH(read_documents({folder.write("e.txt", "")}), Contains("holds no text"));
  fs::create_directory(folder / "bare");
  CHECK_THROWS_WITH(read_documents({folder / "bare"}), Contains("holds no text"));
}

TEST_CASE("The content hash of several documents tells their borders apart") {
  const auto sha = [](const std::vector<std::string>& texts) {
    return TextDataset(texts, 0.5, *bytes, Rng(1)).sha();
  };
  CHECK(sha({"ab", "c"}) != sha({"a", "bc"}));
  CHECK(sha({"ab", "c"}) == sha256(sha256("ab") + "\n" + sha256("c") + "\n"));
}

TEST_CASE("The registered dataset reads its parameters") {
  const TempFolder folder;
  const std::string path = folder.write("x.txt", counted(1000));
  const auto data = make_dataset("text", {{"path", path}, {"held_out", "0.2"}}, *bytes, Rng(1));
  CHECK(data->documents(Split::test)[0].size() == 200);
  const std::string stories = folder.write("stories.txt", "one<|end|>two<|end|>three");
  const auto cut =
      make_dataset("text", {{"path", stories}, {"separator", "<|end|>"}}, *bytes, Rng(1));
  REQUIRE(cut->documents(Split::test).size() == 1);
  CHECK(text_of(cut->documents(Split::test)[0]) == "three");
}

}  // namespace
}  // namespace longreach::datasets
