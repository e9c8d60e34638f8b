// The smallest sound checkpoints: what fuzzing begins with.
#pragma once

#include "tests/model/checkpoints.h"

namespace longreach::fuzz {

inline constexpr const char* kSeedShard = "model-00001-of-00001.safetensors";

inline model::Architecture seed_architecture(bool tied = true) {
  return {.vocabulary = 2,
          .layers = 1,
          .width = 2,
          .heads = 1,
          .kv_heads = 1,
          .head_dim = 2,
          .hidden = 1,
          .token_shift = 1,
          .tied = tied};
}

inline model::Transformer seed_model(bool tied = true, Element stored = Element::f32) {
  return model::random_model(seed_architecture(tied), {}, stored);
}

inline nlohmann::json seed_settings() {
  nlohmann::json config = model::hugging_face_config(seed_architecture(), "llama", 10000);
  config["eos_token_id"] = 1;
  return config;
}

inline std::string seed_config() { return seed_settings().dump(); }

}  // namespace longreach::fuzz
