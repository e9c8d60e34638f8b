// Writes small models as the checkpoints of other programs, from those programs' descriptions.
#pragma once

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "attention/rope.h"
#include "core/half.h"
#include "model/safetensors.h"
#include "tests/model/models.h"

namespace longreach::model {

/// Grouped heads and sizes that differ from each other, so that no two tensors can be exchanged.
inline Architecture llama(bool tied) {
  return {.vocabulary = 19,
          .layers = 2,
          .width = 16,
          .heads = 4,
          .kv_heads = 2,
          .head_dim = 4,
          .hidden = 13,
          .token_shift = 1,
          .tied = tied};
}

inline std::shared_ptr<const attention::Backend> full_attention(
    const attention::ScaledRopeParams& rope, const attention::Shape& shape) {
  constexpr auto kScalings = EnumNames<attention::Scaling>::names;
  constexpr auto kPairings = EnumNames<attention::Pairing>::names;
  tests::SettingsReader reader(
      {{"rope.theta", fmt::format("{}", rope.theta)},
       {"rope.pairing", std::string(kPairings[static_cast<std::size_t>(rope.pairing)])},
       {"rope.scaling", std::string(kScalings[static_cast<std::size_t>(rope.scaling)])},
       {"rope.factor", fmt::format("{}", rope.factor)},
       {"rope.original_length", std::to_string(rope.original_length)},
       {"rope.low_frequency_factor", fmt::format("{}", rope.low_frequency_factor)},
       {"rope.high_frequency_factor", fmt::format("{}", rope.high_frequency_factor)}});
  return attention::AttentionRegistry::instance().find("full").make(reader, shape);
}

/// A model of full attention with blank weights.
inline Transformer blank_model(const Architecture& architecture,
                               const attention::ScaledRopeParams& rope) {
  const Architecture a = architecture.resolved();
  return Transformer(a, std::vector(static_cast<std::size_t>(a.layers),
                                    full_attention(rope, a.attention_shape())));
}

/// The same with random weights, no two alike, as `stored` can hold them.
inline Transformer random_model(const Architecture& architecture,
                                const attention::ScaledRopeParams& rope,
                                Element stored = Element::f32) {
  Transformer model = blank_model(architecture, rope);
  Rng rng(17);
  for (float& weight : model.weights()) weight += static_cast<float>(0.3 * rng.normal());
  if (stored != Element::f32) {
    Halves halves(model.weights().size());
    const i64 count = std::ssize(halves);
    narrow(model.weights().data(), stored, halves.data(), count);
    widen(halves.data(), stored, model.weights().data(), count);
  }
  return model;
}

inline std::span<const float> values_of(const Transformer& model, const std::string& name) {
  const auto found = std::ranges::find(model.parameters(), name, &Parameter::name);
  if (found == model.parameters().end()) throw std::runtime_error("no parameter " + name);
  return model.weights().subspan(static_cast<std::size_t>(found->offset),
                                 static_cast<std::size_t>(found->size));
}

template <class T>
void append(std::string& bytes, const T& value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

inline void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

/// A llama2.c checkpoint of version 0 or 1.
inline std::string llama2c_bytes(const Transformer& model, int version, std::int32_t context) {
  const Architecture& a = model.architecture();
  std::string bytes;
  if (version > 0) {
    append(bytes, std::uint32_t{0x616b3432});
    append(bytes, std::int32_t{version});
  }
  const i64 vocabulary = version == 0 && !a.tied ? -a.vocabulary : a.vocabulary;
  for (const i64 number : {a.width, a.hidden, a.layers, a.heads, a.kv_heads, vocabulary}) {
    append(bytes, static_cast<std::int32_t>(number));
  }
  append(bytes, context);
  if (version > 0) {
    append(bytes, static_cast<std::uint8_t>(a.tied));
    bytes.resize(256, '\0');
  }
  const auto one = [&](const std::string& name) {
    for (const float value : values_of(model, name)) append(bytes, value);
  };
  const auto each = [&](const std::string& name) {
    for (i64 layer = 0; layer < a.layers; ++layer) {
      one("layers." + std::to_string(layer) + "." + name);
    }
  };
  if (version == 0) one("embedding");
  each("attention_norm");
  if (version > 0) {
    each("mlp_norm");
    one("norm");
    one("embedding");
  }
  for (const char* name : {"query", "key", "value", "output"})
    each(std::string("attention.") + name);
  if (version == 0) each("mlp_norm");
  for (const char* name : {"mlp.gate", "mlp.down", "mlp.up"}) each(name);
  if (version == 0) {
    one("norm");
    for (i64 i = 0; i < context * a.head_dim; ++i) append(bytes, 7.0f);  // frequencies, not read
  }
  if (!a.tied) one("output");
  return bytes;
}

/// How a Hugging Face folder is written.
struct FolderForm {
  Element stored = Element::f32;
  int shards = 1;       ///< files; 1: model.safetensors
  bool indexed = true;  ///< with model.safetensors.index.json, of several
};

/// Our names in Hugging Face's words.
inline std::string hugging_face_name(std::string name) {
  if (name == "embedding") return "model.embed_tokens.weight";
  if (name == "norm") return "model.norm.weight";
  if (name == "output") return "lm_head.weight";
  const auto replace = [&](const std::string& ours, const std::string& theirs) {
    if (name.ends_with("." + ours)) name.replace(name.size() - ours.size(), ours.size(), theirs);
  };
  replace("attention_norm", "input_layernorm.weight");
  replace("mlp_norm", "post_attention_layernorm.weight");
  for (const char* part : {"query", "key", "value", "output"}) {
    const std::string ours = std::string("attention.") + part;
    replace(ours, std::string("self_attn.") + part[0] + "_proj.weight");  // output: o_proj
    replace(ours + "_bias", std::string("self_attn.") + part[0] + "_proj.bias");
  }
  for (const std::string part : {"gate", "up", "down"}) {
    replace("mlp." + part, "mlp." + part + "_proj.weight");
  }
  return "model." + name;
}

inline NamedTensor stored_tensor(const Transformer& model, const Parameter& parameter,
                                 Element stored) {
  Tensor tensor(parameter.shape, stored);
  const std::span<const float> values = values_of(model, parameter.name);
  if (stored == Element::f32) {
    std::ranges::copy(values, tensor.flat().begin());
  } else {
    narrow(values.data(), stored, tensor.halves().data(), parameter.size);
  }
  return {hugging_face_name(parameter.name), std::move(tensor)};
}

/// The config.json of a model of family "llama", "mistral" or "qwen2", with a rope of no scaling.
inline nlohmann::json hugging_face_config(const Architecture& a, const std::string& family,
                                          double theta) {
  const std::map<std::string, std::string> classes{{"llama", "LlamaForCausalLM"},
                                                   {"mistral", "MistralForCausalLM"},
                                                   {"qwen2", "Qwen2ForCausalLM"}};
  return {{"architectures", {classes.at(family)}},
          {"model_type", family},
          {"hidden_size", a.width},
          {"intermediate_size", a.hidden},
          {"num_hidden_layers", a.layers},
          {"num_attention_heads", a.heads},
          {"num_key_value_heads", a.kv_heads},
          {"vocab_size", a.vocabulary},
          {"rms_norm_eps", a.norm_epsilon},
          {"rope_theta", theta},
          {"max_position_embeddings", 64},
          {"hidden_act", "silu"},
          {"tie_word_embeddings", a.tied},
          {"eos_token_id", 2}};
}

/// Writes a model's tensors, the i-th into file i % shards. Its config.json is for the caller.
inline void write_hugging_face(const Transformer& model, const std::filesystem::path& folder,
                               const FolderForm& form = {}) {
  std::vector<TensorFile> files(static_cast<std::size_t>(form.shards));
  for (std::size_t i = 0; i < model.parameters().size(); ++i) {
    files[i % files.size()].tensors.push_back(
        stored_tensor(model, model.parameters()[i], form.stored));
  }
  nlohmann::json index{{"metadata", {{"total_size", 0}}}, {"weight_map", {}}};
  for (std::size_t k = 0; k < files.size(); ++k) {
    const std::string name =
        files.size() == 1 ? "model.safetensors"
                          : fmt::format("model-{:05}-of-{:05}.safetensors", k + 1, files.size());
    for (const NamedTensor& named : files[k].tensors) index["weight_map"][named.name] = name;
    write_safetensors((folder / name).string(), files[k]);
  }
  if (files.size() > 1 && form.indexed) {
    write_bytes((folder / "model.safetensors.index.json").string(), index.dump());
  }
}

}  // namespace longreach::model
