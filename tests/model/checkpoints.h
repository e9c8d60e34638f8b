// Writes small models as the checkpoints of other programs, from those programs' descriptions.
#pragma once

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "attention/rope.h"
#include "core/half.h"
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

}  // namespace longreach::model
