// llama2.c checkpoints: written here, imported, and held against the float64 definition; a real one
// tells its story; malformed ones are refused in words.
#include <catch2/catch.hpp>
#include <cstring>
#include <limits>

#include "core/sha256.h"
#include "model/generate.h"
#include "model/import.h"
#include "tests/model/checkpoints.h"
#include "tests/model/imported.h"
#include "tests/test_data.h"

namespace longreach::model {
namespace {

attention::ScaledRopeParams interleaved() {
  attention::ScaledRopeParams rope;
  rope.pairing = attention::Pairing::interleaved;
  return rope;
}

std::string refusal(const std::string& path) {
  return message_of([&] { read_model_headers(path); });
}

/// Number `index` of the bytes replaced.
std::string with_number(std::string bytes, std::size_t index, std::int32_t number) {
  std::memcpy(bytes.data() + index * sizeof(number), &number, sizeof(number));
  return bytes;
}

TEST_CASE(
    "a llama2.c checkpoint has the logits of its definition, in both versions and tied or not") {
  const TempFolder folder;
  const std::string path = folder.file("model.bin");
  const int version = GENERATE(0, 1);
  const bool tied = GENERATE(true, false);
  const Transformer source = random_model(llama(tied), interleaved());
  write_bytes(path, llama2c_bytes(source, version, 32));
  const ImportedModel headers = read_model_headers(path);
  CAPTURE(version, tied);
  CHECK(headers.format == (version == 0 ? "llama2.c v0" : "llama2.c v1"));
  CHECK(headers.rope.pairing == attention::Pairing::interleaved);
  CHECK(headers.rope.theta == 10000);
  CHECK(headers.rope.scaling == attention::Scaling::none);
  CHECK(headers.context_length == 32);
  CHECK(headers.window == 0);
  CHECK(headers.endings.empty());
  CHECK(headers.files == std::vector{path});
  CHECK(headers.architecture.tied == tied);
  check_imported_logits(path, source);
}

TEST_CASE("a malformed llama2.c checkpoint is refused with the file's name and the reason") {
  const TempFolder folder;
  const std::string path = folder.file("model.bin");
  const std::string v0 = llama2c_bytes(random_model(llama(true), interleaved()), 0, 32);
  const std::string v1 = llama2c_bytes(random_model(llama(true), interleaved()), 1, 32);
  constexpr std::int32_t kMost = std::numeric_limits<std::int32_t>::max(), kLeast = -kMost - 1;
  std::string flag = v1, padding = v1, untied = v1;
  flag[36] = 2;
  padding[255] = 1;
  untied[36] = 0;
  const std::vector<std::pair<std::string, std::string>> files{
      {"", "too short"},
      {v0.substr(0, 27), "too short"},
      {v0.substr(0, v0.size() - 1), "truncated?"},
      {v0.substr(0, 28), "truncated?"},
      {v0 + "x", "another format?"},
      {with_number(v0, 0, 0), "dim is 0"},
      {with_number(v0, 1, -13), "hidden_dim is -13"},
      {with_number(v0, 2, 0), "n_layers is 0"},
      {with_number(v0, 3, -4), "n_heads is -4"},
      {with_number(v0, 4, 0), "n_kv_heads is 0"},
      {with_number(v0, 5, 0), "vocab_size is 0"},
      {with_number(v0, 6, -1), "seq_len is -1"},
      {with_number(v0, 5, -19), "truncated?"},  // untied wants an output matrix
      {with_number(v0, 5, kMost), "truncated?"},
      {with_number(v0, 5, kLeast), "truncated?"},
      {with_number(v0, 6, kMost), "truncated?"},
      {with_number(v0, 0, kMost), "width is 2147483647"},
      {with_number(v0, 1, kMost), "hidden is 2147483647"},
      {with_number(v0, 2, kMost), "layers is 2147483647"},
      {with_number(v0, 3, kMost), "heads is 2147483647"},
      {with_number(v0, 3, 3), "width 16 is no multiple of heads 3"},
      {with_number(v0, 3, 16), "even"},
      {with_number(v0, 4, 3), "multiple"},
      {v1.substr(0, 255), "too short"},
      {v1.substr(0, 256), "truncated?"},
      {v1 + "x", "another format?"},
      {with_number(v1, 1, 2), "version 2 (int8)"},
      {with_number(v1, 1, 3), "version 3"},
      {with_number(v1, 1, kLeast), "version -2147483648"},
      {with_number(v1, 7, -19), "vocab_size is negative"},
      {flag, "flag is 2"},
      {padding, "ends in zeros"},
      {untied, "truncated?"},
  };
  for (const auto& [bytes, reason] : files) {
    write_bytes(path, bytes);
    INFO(reason << " of " << bytes.size() << " bytes");
    CHECK_THAT(refusal(path), Catch::StartsWith(path) && Catch::Contains(reason));
  }
}

TEST_CASE("a weight of a llama2.c checkpoint that is not finite is refused with its place") {
  const TempFolder folder;
  const std::string path = folder.file("model.bin");
  Transformer source = random_model(llama(true), interleaved());
  const auto at = values_of(source, "layers.1.mlp.up").data() - source.weights().data() + 5;
  source.weights()[static_cast<std::size_t>(at)] = std::numeric_limits<float>::infinity();
  write_bytes(path, llama2c_bytes(source, 0, 32));
  Transformer model = blank_model(llama(true), interleaved());
  CHECK_THAT(message_of([&] { import_weights(path, model); }),
             Catch::StartsWith(path) && Catch::Contains("'w3 of layer 1'") &&
                 Catch::Contains("value 5 is inf"));
}

TEST_CASE("weights go into a model of the checkpoint's architecture alone") {
  const TempFolder folder;
  const std::string path = folder.file("model.bin");
  write_bytes(path, llama2c_bytes(random_model(llama(true), interleaved()), 0, 32));
  Architecture other = llama(true);
  SECTION("another size of the MLP") { other.hidden = 14; }
  SECTION("another vocabulary") { other.vocabulary = 20; }
  SECTION("a token shift") { other.token_shift = 2; }
  Transformer model = blank_model(other, interleaved());
  CHECK_THAT(message_of([&] { import_weights(path, model); }),
             Catch::StartsWith(path) && Catch::Contains("vocabulary: 19") &&
                 Catch::Contains("hidden: 13") && Catch::Contains("the model is"));
}

TEST_CASE("what a backend adds of its own stays as it is when weights are imported") {
  const TempFolder folder;
  const std::string path = folder.file("model.bin");
  const Transformer source = random_model(llama(true), interleaved());
  write_bytes(path, llama2c_bytes(source, 1, 32));
  for (const std::string& backend : backend_names()) {
    Transformer model = make_model(llama(true), backend);
    const Floats before(model.weights().begin(), model.weights().end());
    import_weights(path, model);
    for (const Parameter& p : model.parameters()) {
      INFO(backend << " " << p.name);
      const auto known = std::ranges::find(source.parameters(), p.name, &Parameter::name);
      const auto first = static_cast<std::size_t>(p.offset),
                 size = static_cast<std::size_t>(p.size);
      const auto now = std::span<const float>(model.weights()).subspan(first, size);
      const auto expected = known == source.parameters().end()
                                ? std::span<const float>(before).subspan(first, size)
                                : values_of(source, p.name);
      CHECK(std::ranges::equal(now, expected));
    }
  }
}

TEST_CASE("a file that is missing, a pipe, or a lone safetensors file is refused") {
  const TempFolder folder;
  CHECK_THAT(refusal(folder.file("none.bin")), Catch::Contains("No such file"));
  CHECK_THAT(refusal("/dev/null"), Catch::Contains("no regular file"));
  write_bytes(folder.file("model.safetensors"), "");
  CHECK_THAT(refusal(folder.file("model.safetensors")), Catch::Contains("config.json"));
}

TEST_CASE("the digest of a checkpoint is that of its bytes") {
  const TempFolder folder;
  const std::string path = folder.file("model.bin");
  const std::string bytes = llama2c_bytes(random_model(llama(true), interleaved()), 0, 32);
  write_bytes(path, bytes);
  CHECK(imported_sha(read_model_headers(path)) == sha256(bytes));
}

/// Text of tokens under a llama2.c tokenizer file: an int32, then score, length and bytes each.
std::string decoded(const std::string& path, const std::vector<Token>& tokens) {
  std::ifstream in(path, std::ios::binary);
  std::int32_t longest = 0, length = 0;
  float score = 0;
  in.read(reinterpret_cast<char*>(&longest), sizeof(longest));
  std::vector<std::string> pieces;
  while (in.read(reinterpret_cast<char*>(&score), sizeof(score)) &&
         in.read(reinterpret_cast<char*>(&length), sizeof(length))) {
    pieces.emplace_back(static_cast<std::size_t>(length), '\0');
    in.read(pieces.back().data(), length);
  }
  std::string text;
  for (const Token token : tokens) text += pieces.at(static_cast<std::size_t>(token));
  return text;
}

TEST_CASE("stories260K is what its header says and tells of Lily") {
  const auto path = tests::test_data("stories260K.bin");
  const auto tokenizer = tests::test_data("tok512.bin");
  if (!path || !tokenizer) return;
  const ImportedModel headers = read_model_headers(*path);
  CHECK_THAT(imported_sha(headers), Catch::StartsWith("b0a507e7"));
  CHECK(headers.format == "llama2.c v0");
  CHECK(headers.context_length == 512);
  const Architecture& a = headers.architecture;
  CHECK(a.layers == 5);
  CHECK(a.width == 64);
  CHECK(a.hidden == 172);
  CHECK(a.heads == 8);
  CHECK(a.kv_heads == 4);
  CHECK(a.vocabulary == 512);
  CHECK(a.tied);
  Transformer model = blank_model(a, headers.rope);
  import_weights(*path, model);
  const Token opening = 1;  // BOS
  const std::vector<Token> story = generate_greedy(model, {&opening, {1, 1}}, 60).front();
  // A word begins with its space; run.c leaves the first one out.
  CHECK_THAT(
      decoded(*tokenizer, story),
      Catch::StartsWith(" Once upon a time, there was a little girl named Lily. She loved to "
                        "play outside in the park. One day, she saw a big, red ball."));
}

}  // namespace
}  // namespace longreach::model
