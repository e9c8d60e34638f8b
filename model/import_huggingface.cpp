// Folders of config.json and safetensors files, whole or in shards, as Hugging Face's transformers
// saves them.
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "core/error.h"
#include "model/huggingface_config.h"
#include "model/import_sources.h"
#include "model/json_text.h"

namespace longreach::model {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfig = "config.json";
constexpr const char* kWhole = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr const char* kHead = "lm_head.weight";
constexpr int kIndexDepth = 16;  // its metadata are anyone's

std::string_view text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

bool is_there(const fs::path& path) {
  std::error_code unknown;
  return fs::exists(path, unknown);
}

/// The safetensors files of a folder, by name.
struct Shards {
  std::vector<std::string> names;                 ///< sorted
  std::map<std::string, std::string> weight_map;  ///< the index's: a tensor's file
  bool indexed = false;
};

/// A file's name that an index gives: nothing that leads out of its folder.
void require_plain(const std::string& name, const std::string& index) {
  const bool plain = name.find('/') == std::string::npos && name.find('\0') == std::string::npos;
  if (plain && name.ends_with(".safetensors")) return;
  throw error("{}: names the file '{}'; only .safetensors files beside it are read", index, name);
}

Shards read_index(const std::string& path) {
  const MappedFile file(path);
  const Json index = parse_object(text_of(file), path + ": the index", kIndexDepth);
  const auto map = index.find("weight_map");
  if (map == index.end() || !map->is_object()) throw error("{}: weight_map is no object", path);
  Shards shards;
  shards.indexed = true;
  std::set<std::string> names;
  for (const auto& [tensor, name] : map->items()) {
    if (!name.is_string()) throw error("{}: the file of tensor '{}' is no text", path, tensor);
    shards.weight_map[tensor] = name.get<std::string>();
    if (names.insert(shards.weight_map[tensor]).second) {
      require_plain(shards.weight_map[tensor], path);
    }
  }
  shards.names.assign(names.begin(), names.end());
  return shards;
}

/// n of "model-0000k-of-0000n.safetensors".
std::optional<int> shard_count(const std::string& name) {
  constexpr std::size_t kFirst = 6, kSecond = 15, kDigits = 5;
  int k = 0, n = 0;
  if (name.size() != std::string_view("model-00001-of-00001.safetensors").size()) return {};
  std::from_chars(&name[kFirst], &name[kFirst] + kDigits, k);
  std::from_chars(&name[kSecond], &name[kSecond] + kDigits, n);
  if (name != fmt::format("model-{:05}-of-{:05}.safetensors", k, n) || k < 1 || k > n) return {};
  return n;
}

/// Shards without an index, which say themselves how many they are.
Shards list_shards(const std::string& folder) {
  std::set<std::string> names;
  int count = 0;
  std::error_code problem;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, problem)) {
    const std::string name = entry.path().filename().string();
    const std::optional<int> says = shard_count(name);
    if (!says) continue;
    if (count != 0 && *says != count) {
      throw error("{}: '{}' is of {} files, others of {}", folder, name, *says, count);
    }
    count = *says;
    names.insert(name);
  }
  if (problem) throw error("{}: cannot be listed: {}", folder, problem.message());
  if (names.empty()) {
    throw error("{}: holds no {}, {} or model-0000K-of-0000N.safetensors", folder, kWhole, kIndex);
  }
  for (int k = 1; k <= count; ++k) {
    const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", k, count);
    if (!names.contains(name)) throw error("{}: '{}' is missing", folder, name);
  }
  return {{names.begin(), names.end()}, {}, false};
}

Shards find_shards(const std::string& folder) {
  if (is_there(fs::path(folder) / kWhole)) return {{kWhole}, {}, false};
  const fs::path index = fs::path(folder) / kIndex;
  return is_there(index) ? read_index(index.string()) : list_shards(folder);
}

/// Tensors by their names in the files.
struct Located {
  std::string file;
  MappedTensor tensor;
};
using Tensors = std::map<std::string, Located>;

Tensors locate(std::vector<MappedTensors>& mapped) {
  Tensors tensors;
  for (MappedTensors& one : mapped) {
    for (MappedTensor& tensor : one.tensors) {
      const std::string name = tensor.name;
      const auto [at, is_new] = tensors.insert({name, {one.file.path(), std::move(tensor)}});
      if (!is_new) {
        throw error("{}: tensor '{}' is in {} too", one.file.path(), name, at->second.file);
      }
    }
  }
  return tensors;
}

void require_as_indexed(const Shards& shards, const Tensors& tensors, const std::string& folder) {
  for (const auto& [tensor, name] : shards.weight_map) {
    const auto found = tensors.find(tensor);
    const std::string file = (fs::path(folder) / name).string();
    if (found == tensors.end() || found->second.file != file) {
      throw error("{}: tensor '{}' is missing, which {} has in it", file, tensor, kIndex);
    }
  }
}

struct Expected {
  std::string name;       ///< Hugging Face's
  std::string parameter;  ///< ours
  std::vector<i64> shape;
};

std::vector<Expected> expected_tensors(const Architecture& a) {
  const i64 w = a.width, queries = a.heads * a.head_dim, keys = a.kv_heads * a.head_dim;
  std::vector<Expected> layer{
      {"input_layernorm.weight", "attention_norm", {w}},
      {"self_attn.q_proj.weight", "attention.query", {queries, w}},
      {"self_attn.k_proj.weight", "attention.key", {keys, w}},
      {"self_attn.v_proj.weight", "attention.value", {keys, w}},
      {"self_attn.o_proj.weight", "attention.output", {w, queries}},
      {"post_attention_layernorm.weight", "mlp_norm", {w}},
      {"mlp.gate_proj.weight", "mlp.gate", {a.hidden, w}},
      {"mlp.up_proj.weight", "mlp.up", {a.hidden, w}},
      {"mlp.down_proj.weight", "mlp.down", {w, a.hidden}},
  };
  if (a.qkv_bias) {
    layer.push_back({"self_attn.q_proj.bias", "attention.query_bias", {queries}});
    layer.push_back({"self_attn.k_proj.bias", "attention.key_bias", {keys}});
    layer.push_back({"self_attn.v_proj.bias", "attention.value_bias", {keys}});
  }
  std::vector<Expected> out{{"model.embed_tokens.weight", "embedding", {a.vocabulary, w}}};
  for (i64 i = 0; i < a.layers; ++i) {
    for (const Expected& one : layer) {
      out.push_back({fmt::format("model.layers.{}.{}", i, one.name),
                     fmt::format("layers.{}.{}", i, one.parameter), one.shape});
    }
  }
  out.push_back({"model.norm.weight", "norm", {w}});
  if (!a.tied) out.push_back({kHead, "output", {a.vocabulary, w}});
  return out;
}

/// What a file may hold beside the model's tensors: rotary frequencies, which follow from the
/// settings, and the output matrix of a tied model, which is its embedding.
bool is_ignored(const std::string& name, const Architecture& a) {
  return name.ends_with(".rotary_emb.inv_freq") || (a.tied && name == kHead);
}

void require_known(const Tensors& tensors, const std::vector<Expected>& expected,
                   const Architecture& a) {
  constexpr std::size_t kNearby = 200;  // the time to find a near name grows with its length
  std::set<std::string_view> known;
  for (const Expected& one : expected) known.insert(one.name);
  for (const auto& [name, located] : tensors) {
    if (known.contains(name) || is_ignored(name, a)) continue;
    const std::vector<std::string> names(known.begin(), known.end());
    const std::string near = name.size() <= kNearby ? nearest(name, names) : "";
    throw error("{}: tensor '{}' is none of this model's{}", located.file, name,
                near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
  }
}

std::vector<ImportSource> take(Tensors& tensors, const std::vector<Expected>& expected,
                               const std::string& folder) {
  std::vector<ImportSource> sources;
  for (const Expected& one : expected) {
    const auto found = tensors.find(one.name);
    if (found == tensors.end()) throw error("{}: tensor '{}' is missing", folder, one.name);
    Located& located = found->second;
    if (located.tensor.shape != one.shape) {
      throw error("{}: tensor '{}' has shape [{}], its configuration says [{}]", located.file,
                  one.name, fmt::join(located.tensor.shape, ", "), fmt::join(one.shape, ", "));
    }
    sources.push_back({one.parameter, located.file, std::move(located.tensor)});
  }
  return sources;
}

}  // namespace

ImportedFiles open_huggingface(const std::string& folder) {
  const std::string config = (fs::path(folder) / kConfig).string();
  ImportedFiles out;
  out.headers = parse_huggingface_config(text_of(MappedFile(config)), config);
  const Shards shards = find_shards(folder);
  out.headers.files.push_back(config);
  if (shards.indexed) out.headers.files.push_back((fs::path(folder) / kIndex).string());
  std::vector<MappedTensors> mapped;
  for (const std::string& name : shards.names) {
    mapped.push_back(map_safetensors((fs::path(folder) / name).string()));
    out.headers.files.push_back(mapped.back().file.path());
  }
  Tensors tensors = locate(mapped);
  const Architecture& architecture = out.headers.architecture;
  const std::vector<Expected> expected = expected_tensors(architecture);
  require_known(tensors, expected, architecture);
  require_as_indexed(shards, tensors, folder);
  out.sources = take(tensors, expected, folder);
  for (MappedTensors& one : mapped) out.mapped.push_back(std::move(one.file));
  return out;
}

}  // namespace longreach::model
