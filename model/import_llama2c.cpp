// llama2.c checkpoints (github.com/karpathy/llama2.c, export.py: legacy_export, version1_export).
#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "core/error.h"
#include "model/import_sources.h"

namespace longreach::model {
namespace {

constexpr std::int32_t kMagic = 0x616b3432;  // "ak42"
constexpr std::size_t kNumbers = 7;          // dim, hidden_dim, n_layers, n_heads, n_kv_heads,
                                             // vocab_size, seq_len
constexpr std::size_t kVersion1Header = 256;

struct Header {
  int version = 0;
  std::size_t size = 0;  ///< bytes before the weights
  Architecture architecture;
  i64 context_length = 0;
};

std::int32_t number_at(std::span<const std::byte> bytes, std::size_t index) {
  std::int32_t number = 0;
  std::memcpy(&number, bytes.data() + index * sizeof(number), sizeof(number));
  return number;
}

/// Reads the seven numbers that begin at number `first`; a negative vocabulary says untied.
Header read_numbers_at(std::span<const std::byte> bytes, std::size_t first,
                       const std::string& path) {
  constexpr std::array<const char*, kNumbers> kNames{
      "dim", "hidden_dim", "n_layers", "n_heads", "n_kv_heads", "vocab_size", "seq_len"};
  std::array<i64, kNumbers> n{};
  for (std::size_t i = 0; i < kNumbers; ++i) {
    n[i] = number_at(bytes, first + i);
    const i64 size = kNames[i] == std::string_view("vocab_size") ? std::abs(n[i]) : n[i];
    if (size < 1) throw error("{}: {} is {}; at least 1 is needed", path, kNames[i], n[i]);
  }
  Header header;
  header.architecture = {.vocabulary = std::abs(n[5]),
                         .layers = n[2],
                         .width = n[0],
                         .heads = n[3],
                         .kv_heads = n[4],
                         .hidden = n[1],
                         .token_shift = 1,
                         .tied = n[5] > 0};
  header.context_length = n[6];
  return header;
}

Header read_version0(std::span<const std::byte> bytes, const std::string& path) {
  constexpr std::size_t kSize = kNumbers * sizeof(std::int32_t);
  if (bytes.size() < kSize) throw error("{}: too short for a llama2.c checkpoint", path);
  Header header = read_numbers_at(bytes, 0, path);
  header.size = kSize;
  return header;
}

Header read_version1(std::span<const std::byte> bytes, const std::string& path) {
  if (bytes.size() < kVersion1Header) {
    throw error("{}: too short for the header of a llama2.c v1 checkpoint", path);
  }
  Header header = read_numbers_at(bytes, 2, path);
  if (!header.architecture.tied)
    throw error("{}: vocab_size is negative, which v1 knows not", path);
  const std::span<const std::byte> rest =
      bytes.first(kVersion1Header).subspan((2 + kNumbers) * sizeof(std::int32_t));
  const int shared = std::to_integer<int>(rest[0]);
  if (shared > 1) throw error("{}: the shared classifier flag is {}; 0 or 1 will do", path, shared);
  if (std::ranges::any_of(rest.subspan(1), [](std::byte b) { return b != std::byte{0}; })) {
    throw error("{}: the header of a llama2.c v1 checkpoint ends in zeros; this one does not",
                path);
  }
  header.architecture.tied = shared == 1;
  header.version = 1;
  header.size = kVersion1Header;
  return header;
}

Header read_header(std::span<const std::byte> bytes, const std::string& path) {
  if (bytes.size() < 2 * sizeof(std::int32_t) || number_at(bytes, 0) != kMagic) {
    return read_version0(bytes, path);
  }
  const std::int32_t version = number_at(bytes, 1);
  if (version == 1) return read_version1(bytes, path);
  throw error("{}: llama2.c checkpoint of version {}{}; versions 0 and 1 are read", path, version,
              version == 2 ? " (int8)" : "");
}

/// Tensors that lie one after the other: of one name for all layers, or a single one.
struct Run {
  const char* name;       ///< llama2.c's
  const char* parameter;  ///< ours, behind "layers.N." if there is one a layer; nullptr: not wanted
  bool in_layers;
  std::vector<i64> shape;
};

std::vector<Run> runs(const Header& header) {
  const Architecture& a = header.architecture;
  const i64 w = a.width, queries = a.heads * a.head_dim, keys = a.kv_heads * a.head_dim;
  const Run embedding{"token_embedding_table", "embedding", false, {a.vocabulary, w}};
  const Run attention_norm{"rms_att_weight", "attention_norm", true, {w}};
  const Run mlp_norm{"rms_ffn_weight", "mlp_norm", true, {w}};
  const Run norm{"rms_final_weight", "norm", false, {w}};
  const std::vector<Run> attention{{"wq", "attention.query", true, {queries, w}},
                                   {"wk", "attention.key", true, {keys, w}},
                                   {"wv", "attention.value", true, {keys, w}},
                                   {"wo", "attention.output", true, {w, queries}}};
  const std::vector<Run> mlp{{"w1", "mlp.gate", true, {a.hidden, w}},
                             {"w2", "mlp.down", true, {w, a.hidden}},
                             {"w3", "mlp.up", true, {a.hidden, w}}};
  std::vector<Run> out;
  const auto add = [&](const std::vector<Run>& more) {
    out.insert(out.end(), more.begin(), more.end());
  };
  if (header.version == 0) {
    add({embedding, attention_norm});
    add(attention);
    add({mlp_norm});
    add(mlp);
    // Rotary frequencies, real and imaginary, which follow from the positions.
    add({norm, {"freq_cis", nullptr, false, {header.context_length, a.head_dim}}});
  } else {
    add({attention_norm, mlp_norm, norm, embedding});
    add(attention);
    add(mlp);
  }
  if (!a.tied) add({{"wcls", "output", false, {a.vocabulary, w}}});
  return out;
}

/// Bytes of the file; the architecture's ranges keep this far from overflow.
i64 file_size(const Header& header, const std::vector<Run>& all) {
  i64 floats = 0;
  for (const Run& run : all) {
    floats += Tensor::count(run.shape) * (run.in_layers ? header.architecture.layers : 1);
  }
  return static_cast<i64>(header.size) + floats * bytes_of(Dtype::f32);
}

std::vector<ImportSource> sources(const MappedFile& file, const Header& header,
                                  const std::vector<Run>& all) {
  std::vector<ImportSource> out;
  std::size_t at = header.size;
  for (const Run& run : all) {
    const auto bytes = static_cast<std::size_t>(Tensor::count(run.shape) * bytes_of(Dtype::f32));
    for (i64 layer = 0; layer < (run.in_layers ? header.architecture.layers : 1); ++layer) {
      const std::span<const std::byte> own = file.bytes().subspan(at, bytes);
      at += bytes;
      if (run.parameter == nullptr) continue;
      const std::string name =
          run.in_layers ? fmt::format("{} of layer {}", run.name, layer) : run.name;
      const std::string parameter =
          run.in_layers ? fmt::format("layers.{}.{}", layer, run.parameter) : run.parameter;
      out.push_back({parameter, file.path(), {name, run.shape, Dtype::f32, own}});
    }
  }
  return out;
}

}  // namespace

ImportedFiles open_llama2c(const std::string& path) {
  MappedFile file(path);
  Header header = read_header(file.bytes(), path);
  header.architecture = checked(header.architecture, path);
  const std::vector<Run> all = runs(header);
  const i64 expected = file_size(header, all), found = std::ssize(file.bytes());
  if (found != expected) {
    throw error(
        "{}: a llama2.c v{} checkpoint of its header's numbers has {} bytes, this has {}: {}", path,
        header.version, expected, found, found < expected ? "truncated?" : "another format?");
  }
  ImportedFiles out;
  out.sources = sources(file, header, all);
  out.headers.format = fmt::format("llama2.c v{}", header.version);
  out.headers.architecture = header.architecture;
  out.headers.rope.pairing = attention::Pairing::interleaved;
  out.headers.context_length = header.context_length;
  out.headers.files = {path};
  out.mapped.push_back(std::move(file));
  return out;
}

}  // namespace longreach::model
