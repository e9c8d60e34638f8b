// The config.json of LlamaForCausalLM and its relatives (github.com/huggingface/transformers,
// models/{llama,mistral,qwen2}/configuration_*.py and modeling_rope_utils.py).
#include "model/huggingface_config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "core/error.h"
#include "model/import_sources.h"
#include "model/json_text.h"

namespace longreach::model {
namespace {

constexpr int kDepth = 16;  // quantization and generation settings may nest a little

/// The members of one object; null counts as absent.
class Settings {
 public:
  /// `where` begins messages about a member: "PATH: ", "PATH: rope_scaling.".
  Settings(const Json& json, std::string where) : json_(json), where_(std::move(where)) {}

  const Json* find(const char* key) const {
    const auto found = json_.find(key);
    return found == json_.end() || found->is_null() ? nullptr : &*found;
  }
  const Json& all() const { return json_; }
  const std::string& where() const { return where_; }

  std::optional<i64> whole(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    const bool beyond = value->is_number_unsigned() &&
                        value->get<std::uint64_t>() > std::numeric_limits<i64>::max();
    if (!value->is_number_integer() || beyond) wrong(key, "a whole number");
    return value->get<i64>();
  }
  std::optional<double> number(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_number()) wrong(key, "a number");
    return value->get<double>();
  }
  bool flag(const char* key, bool otherwise) const {
    const Json* value = find(key);
    if (value == nullptr) return otherwise;
    if (!value->is_boolean()) wrong(key, "true or false");
    return value->get<bool>();
  }
  std::optional<std::string> text(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_string()) wrong(key, "text");
    return value->get<std::string>();
  }
  std::optional<Settings> group(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_object()) wrong(key, "an object");
    return Settings(*value, where_ + key + ".");
  }
  /// Of something that must be there.
  template <class T>
  T needed(const char* key, const std::optional<T>& value) const {
    if (!value) throw error("{}{} is missing", where_, key);
    return *value;
  }
  /// Of a size or count.
  i64 positive(const char* key) const {
    const i64 value = needed(key, whole(key));
    if (value < 1) throw error("{}{} is {}; at least 1 is needed", where_, key, value);
    return value;
  }
  std::optional<i64> positive_if_there(const char* key) const {
    return find(key) == nullptr ? std::nullopt : std::optional(positive(key));
  }
  [[noreturn]] void wrong(const char* key, const char* wanted) const {
    throw error("{}{} is {}; it must be {}", where_, key, json_.at(key).dump().substr(0, 80),
                wanted);
  }

 private:
  const Json& json_;
  std::string where_;
};

struct Family {
  const char* model_type;
  const char* architecture;
  bool qkv_bias;
};
constexpr std::array<Family, 3> kFamilies{{{"llama", "LlamaForCausalLM", false},
                                           {"mistral", "MistralForCausalLM", false},
                                           {"qwen2", "Qwen2ForCausalLM", true}}};

const Family& family_of(const Settings& config) {
  std::string architecture;
  if (const Json* list = config.find("architectures")) {
    if (!list->is_array() || list->size() != 1 || !list->front().is_string()) {
      config.wrong("architectures", "a list of one name");
    }
    architecture = list->front().get<std::string>();
  }
  const std::string type = config.text("model_type").value_or("");
  for (const Family& family : kFamilies) {
    const bool is_type = type == family.model_type, is_named = architecture == family.architecture;
    if ((is_type || type.empty()) && (is_named || architecture.empty()) && is_type + is_named > 0) {
      return family;
    }
  }
  throw error(
      "{}architectures is '{}' and model_type '{}'; LlamaForCausalLM with llama, "
      "MistralForCausalLM "
      "with mistral and Qwen2ForCausalLM with qwen2 can be imported",
      config.where(), architecture, type);
}

/// What Transformer does not do, if the settings ask for it.
void refuse_what_is_not_done(const Settings& config, const Family& family) {
  const std::string activation = config.text("hidden_act").value_or("silu");
  if (activation != "silu") {
    throw error("{}hidden_act is {}; only silu can be imported", config.where(), activation);
  }
  if (!family.qkv_bias && config.flag("attention_bias", false)) {
    throw error("{}attention_bias: a bias on the output projection too cannot be imported",
                config.where());
  }
  if (config.flag("mlp_bias", false)) {
    throw error("{}mlp_bias: biases inside the MLP cannot be imported", config.where());
  }
  if (config.number("partial_rotary_factor").value_or(1) != 1) {
    throw error("{}partial_rotary_factor: only whole heads can be turned", config.where());
  }
  if (config.find("quantization_config") != nullptr) {
    throw error(
        "{}quantization_config: quantised weights cannot be imported; F32, F16 and BF16 can",
        config.where());
  }
}

/// Refuses members of a rope's settings that its type does not know: what they would change is
/// not known either.
void refuse_unknown(const Settings& rope, const std::string& type, std::vector<std::string> known) {
  for (const char* common : {"rope_type", "type", "rope_theta", "partial_rotary_factor"}) {
    known.emplace_back(common);
  }
  for (const auto& [key, value] : rope.all().items()) {
    if (std::ranges::find(known, key) != known.end() || value.is_null()) continue;
    throw error("{}{}: not known for type {}; known: {}", rope.where(), key, type,
                fmt::join(known, ", "));
  }
}

/// Refuses a number that is not what our rotation has built in.
void require_default(const Settings& rope, const char* key, double built_in) {
  const double value = rope.number(key).value_or(built_in);
  if (std::abs(value - built_in) <= 1e-6) return;
  throw error("{}{} is {}; only {} can be imported", rope.where(), key, value, built_in);
}

void read_yarn(const Settings& rope, i64 context_length, attention::ScaledRopeParams& params) {
  refuse_unknown(rope, "yarn",
                 {"factor", "original_max_position_embeddings", "beta_fast", "beta_slow",
                  "attention_factor", "truncate", "finetuned"});
  params.scaling = attention::Scaling::yarn;
  params.factor = rope.needed("factor", rope.number("factor"));
  params.original_length =
      rope.positive_if_there("original_max_position_embeddings").value_or(context_length);
  require_default(rope, "beta_fast", 32);
  require_default(rope, "beta_slow", 1);
  require_default(rope, "attention_factor", 0.1 * std::log(std::max(params.factor, 1.0)) + 1);
  if (!rope.flag("truncate", true)) {
    throw error("{}truncate: a ramp between whole pairs alone can be imported", rope.where());
  }
}

void read_llama3(const Settings& rope, attention::ScaledRopeParams& params) {
  refuse_unknown(
      rope, "llama3",
      {"factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"});
  params.scaling = attention::Scaling::llama3;
  params.factor = rope.needed("factor", rope.number("factor"));
  params.low_frequency_factor = rope.needed("low_freq_factor", rope.number("low_freq_factor"));
  params.high_frequency_factor = rope.needed("high_freq_factor", rope.number("high_freq_factor"));
  params.original_length = rope.positive("original_max_position_embeddings");
}

/// The rope's settings, which older files keep under another name than newer ones.
std::optional<Settings> rope_settings(const Settings& config) {
  const std::optional<Settings> older = config.group("rope_scaling");
  const std::optional<Settings> newer = config.group("rope_parameters");
  if (older && newer && older->all() != newer->all()) {
    throw error("{}rope_scaling and rope_parameters contradict each other", config.where());
  }
  return newer ? newer : older;
}

std::string rope_type(const Settings& rope) {
  const std::optional<std::string> newer = rope.text("rope_type"), older = rope.text("type");
  if (newer && older && *newer != *older) {
    throw error("{}rope_type is {} and type is {}", rope.where(), *newer, *older);
  }
  return newer ? *newer : older.value_or("default");
}

attention::ScaledRopeParams read_rope(const Settings& config, i64 context_length) {
  attention::ScaledRopeParams params;
  params.pairing = attention::Pairing::half;
  const std::optional<double> theta = config.number("rope_theta");
  params.theta = theta.value_or(10000);
  const std::optional<Settings> rope = rope_settings(config);
  if (!rope) return params;
  params.theta = rope->number("rope_theta").value_or(params.theta);
  if (theta && *theta != params.theta) {
    throw error("{}rope_theta is {}, and {} beside it", rope->where(), params.theta, *theta);
  }
  require_default(*rope, "partial_rotary_factor", 1);
  const std::string type = rope_type(*rope);
  if (type == "default") {
    refuse_unknown(*rope, type, {});
  } else if (type == "linear") {
    refuse_unknown(*rope, type, {"factor"});
    params.scaling = attention::Scaling::linear;
    params.factor = rope->needed("factor", rope->number("factor"));
  } else if (type == "yarn") {
    read_yarn(*rope, context_length, params);
  } else if (type == "llama3") {
    read_llama3(*rope, params);
  } else {
    throw error("{}rope_type is {}{}; default, linear, yarn and llama3 can be imported",
                rope->where(), type,
                type == "dynamic" ? ", whose frequencies change with the context's length" : "");
  }
  return params;
}

Architecture read_architecture(const Settings& config, const Family& family) {
  Architecture a;
  a.vocabulary = config.positive("vocab_size");
  if (a.vocabulary > std::numeric_limits<Token>::max()) {
    throw error("{}vocab_size is {}; tokens are numbers of 32 bits", config.where(), a.vocabulary);
  }
  a.layers = config.positive("num_hidden_layers");
  a.width = config.positive("hidden_size");
  a.heads = config.positive("num_attention_heads");
  a.kv_heads = config.positive_if_there("num_key_value_heads").value_or(a.heads);
  a.head_dim = config.positive_if_there("head_dim").value_or(0);
  a.hidden = config.positive("intermediate_size");
  a.token_shift = 1;
  a.tied = config.flag("tie_word_embeddings", false);
  a.norm_epsilon = config.needed("rms_norm_eps", config.number("rms_norm_eps"));
  a.qkv_bias = family.qkv_bias;
  return a;
}

/// Mistral's window is on where it is given, Qwen2's where it is switched on too.
i64 read_window(const Settings& config, const Family& family) {
  const bool on =
      std::string_view(family.model_type) == "mistral" || config.flag("use_sliding_window", false);
  return on ? config.positive_if_there("sliding_window").value_or(0) : 0;
}

std::vector<Token> read_endings(const Settings& config, i64 vocabulary) {
  const Json* value = config.find("eos_token_id");
  if (value == nullptr) return {};
  std::vector<Token> endings;
  const std::vector<Json> one{*value};
  for (const Json& id : value->is_array() ? value->get_ref<const Json::array_t&>() : one) {
    if (!id.is_number_unsigned() ||
        id.get<std::uint64_t>() >= static_cast<std::uint64_t>(vocabulary)) {
      config.wrong("eos_token_id", "a token of the vocabulary, or a list of them");
    }
    endings.push_back(id.get<Token>());
  }
  return endings;
}

}  // namespace

ImportedModel parse_huggingface_config(std::string_view text, const std::string& path) {
  const Json json = parse_object(text, path + ": the configuration", kDepth);
  const Settings config(json, path + ": ");
  const Family& family = family_of(config);
  refuse_what_is_not_done(config, family);
  ImportedModel model;
  model.format = fmt::format("Hugging Face {}", family.model_type);
  model.architecture = checked(read_architecture(config, family), path);
  model.context_length = config.positive_if_there("max_position_embeddings").value_or(0);
  model.rope = read_rope(config, model.context_length);
  require_ranges([&](Fields& fields) { model.rope.fields(fields); }, path + ": rope");
  try {
    attention::Rope(std::optional(model.rope), model.architecture.head_dim);
  } catch (const Error& misfit) {
    throw error("{}: {}", path, misfit.what());
  }
  model.window = read_window(config, family);
  model.endings = read_endings(config, model.architecture.vocabulary);
  return model;
}

}  // namespace longreach::model
