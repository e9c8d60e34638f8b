// Hugging Face folders: written here in their variants, imported, and held against the float64
// definition; malformed ones are refused in words.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "core/memory_count.h"
#include "core/sha256.h"
#include "model/import.h"
#include "tests/model/checkpoints.h"
#include "tests/model/imported.h"

namespace longreach::model {
namespace {

using Json = nlohmann::json;

/// A folder with a small model of half pairing in it.
class Folder {
 public:
  explicit Folder(const std::string& family = "llama", bool tied = true,
                  const FolderForm& form = {}, const attention::ScaledRopeParams& rope = {})
      : source_(random_model(architecture(family, tied), rope, form.stored)),
        config_(hugging_face_config(source_.architecture(), family, rope.theta)) {
    write_hugging_face(source_, files_.path(), form);
    configure(Json::object());
  }

  /// Writes config.json changed as a JSON merge patch (RFC 7396) says.
  void configure(const Json& patch) const {
    Json config = config_;
    config.merge_patch(patch);
    write_bytes(files_.file("config.json"), config.dump());
  }
  std::string path() const { return files_.path().string(); }
  std::string file(const std::string& name) const { return files_.file(name); }
  const Transformer& source() const { return source_; }
  ImportedModel headers() const { return read_model_headers(path()); }
  std::string refusal() const {
    return message_of([&] { headers(); });
  }

  /// Writes model.safetensors again with its tensors changed.
  template <class Change>
  void rewrite(const Change& change) const {
    TensorFile tensors = read_safetensors(file("model.safetensors"));
    change(tensors.tensors);
    write_safetensors(file("model.safetensors"), tensors);
  }

 private:
  static Architecture architecture(const std::string& family, bool tied) {
    Architecture a = llama(tied);
    a.qkv_bias = family == "qwen2";
    a.norm_epsilon = 1e-3;  // so large that another would show
    return a;
  }

  TempFolder files_;
  Transformer source_;
  Json config_;
};

NamedTensor& named(std::vector<NamedTensor>& tensors, const std::string& name) {
  return *std::ranges::find(tensors, name, &NamedTensor::name);
}

TEST_CASE("a Hugging Face folder has the logits of its definition, of every dtype and in shards") {
  const std::string family = GENERATE("llama", "mistral", "qwen2");
  const bool tied = GENERATE(true, false);
  const Element stored = GENERATE(Element::f32, Element::f16, Element::bf16);
  const int shards = GENERATE(1, 3);
  const bool indexed = GENERATE(true, false);
  CAPTURE(family, tied, shards, indexed);
  const Folder folder(family, tied, {stored, shards, indexed});
  const ImportedModel headers = folder.headers();
  CHECK(headers.format == "Hugging Face " + family);
  CHECK(headers.rope.pairing == attention::Pairing::half);
  CHECK(headers.context_length == 64);
  CHECK(headers.window == 0);
  CHECK(headers.endings == std::vector<Token>{2});
  CHECK(headers.architecture.qkv_bias == (family == "qwen2"));
  CHECK(headers.files.size() ==
        static_cast<std::size_t>(1 + shards + (shards > 1 && indexed ? 1 : 0)));
  CHECK(headers.files.front() == folder.file("config.json"));
  check_imported_logits(folder.path(), folder.source());
}

TEST_CASE("a rope's settings are read from either place, and the logits are theirs") {
  struct Case {
    Json settings;
    attention::ScaledRopeParams rope;
  };
  using attention::Pairing, attention::Scaling;
  const Json llama3{{"rope_type", "llama3"},
                    {"factor", 8.0},
                    {"low_freq_factor", 1.0},
                    {"high_freq_factor", 4.0},
                    {"original_max_position_embeddings", 16}};
  const Json yarn{{"type", "yarn"},
                  {"factor", 4.0},
                  {"original_max_position_embeddings", 16},
                  {"beta_fast", 32}};
  const std::vector<Case> cases{
      {{{"rope_type", "default"}}, {{100, Pairing::half}}},
      {{{"type", "linear"}, {"factor", 2}}, {{100, Pairing::half}, Scaling::linear, 2}},
      {llama3, {{100, Pairing::half}, Scaling::llama3, 8, 16, 1, 4}},
      {yarn, {{100, Pairing::half}, Scaling::yarn, 4, 16}},
  };
  for (const Case& one : cases) {
    const Folder folder("llama", false, {}, one.rope);
    CAPTURE(one.settings.dump());
    folder.configure({{"rope_scaling", one.settings}});
    check_imported_logits(folder.path(), folder.source());
    Json newer = one.settings;
    newer["rope_theta"] = one.rope.theta;
    folder.configure({{"rope_theta", nullptr}, {"rope_parameters", newer}});
    check_imported_logits(folder.path(), folder.source());
  }
}

TEST_CASE("yarn without an original length takes the configuration's context") {
  const Folder folder;
  folder.configure({{"rope_scaling", {{"type", "yarn"}, {"factor", 4.0}}}});
  CHECK(folder.headers().rope.original_length == 64);
}

TEST_CASE("settings that may be absent have their families' values then") {
  const Folder folder;
  folder.configure({{"rope_theta", nullptr},
                    {"hidden_act", nullptr},
                    {"max_position_embeddings", nullptr},
                    {"eos_token_id", nullptr},
                    {"model_type", nullptr},
                    {"sliding_window", 8}});
  const ImportedModel headers = folder.headers();
  CHECK(headers.rope.theta == 10000);
  CHECK(headers.context_length == 0);
  CHECK(headers.endings.empty());
  CHECK(headers.window == 0);  // Llama knows of none
  folder.configure({{"eos_token_id", {3, 5}}, {"architectures", nullptr}, {"head_dim", 4}});
  CHECK(folder.headers().endings == std::vector<Token>{3, 5});
}

TEST_CASE("the window that a model was trained with is told") {
  const Folder mistral("mistral");
  mistral.configure({{"sliding_window", 8}});
  CHECK(mistral.headers().window == 8);
  mistral.configure({{"sliding_window", nullptr}});
  CHECK(mistral.headers().window == 0);
  const Folder qwen("qwen2");
  qwen.configure({{"sliding_window", 8}, {"use_sliding_window", false}});
  CHECK(qwen.headers().window == 0);
  qwen.configure({{"sliding_window", 8}, {"use_sliding_window", true}});
  CHECK(qwen.headers().window == 8);
}

TEST_CASE("a configuration that Transformer cannot follow is refused with the key and the reason") {
  const Folder folder;
  const Json scaled{{"rope_type", "yarn"}, {"factor", 4}, {"original_max_position_embeddings", 16}};
  const auto rope = [&](const Json& patch) {
    Json settings = scaled;
    settings.merge_patch(patch);
    return Json{{"rope_scaling", settings}};
  };
  const std::vector<std::pair<Json, std::string>> cases{
      {{{"architectures", {"Qwen3ForCausalLM"}}, {"model_type", "qwen3"}}, "'Qwen3ForCausalLM'"},
      {{{"architectures", {"MistralForCausalLM"}}}, "model_type 'llama'"},
      {{{"architectures", nullptr}, {"model_type", nullptr}}, "can be imported"},
      {{{"architectures", "LlamaForCausalLM"}}, "a list of one name"},
      {{{"model_type", 3}}, "model_type is 3; it must be text"},
      {{{"hidden_act", "gelu"}}, "hidden_act is gelu"},
      {{{"attention_bias", true}}, "attention_bias"},
      {{{"mlp_bias", true}}, "mlp_bias"},
      {{{"attention_bias", "no"}}, "true or false"},
      {{{"partial_rotary_factor", 0.5}}, "partial_rotary_factor"},
      {{{"quantization_config", {{"bits", 4}}}}, "quantization_config"},
      {{{"hidden_size", nullptr}}, "hidden_size is missing"},
      {{{"hidden_size", 0}}, "hidden_size is 0"},
      {{{"hidden_size", -16}}, "hidden_size is -16"},
      {{{"hidden_size", 16.5}}, "a whole number"},
      {{{"hidden_size", "16"}}, "a whole number"},
      {{{"hidden_size", 18446744073709551615U}}, "a whole number"},
      {{{"hidden_size", std::numeric_limits<i64>::max()}}, "width is 9223372036854775807"},
      {{{"intermediate_size", 2147483648}}, "hidden is 2147483648"},
      {{{"num_hidden_layers", 1000000000}}, "layers is 1000000000"},
      {{{"num_attention_heads", 3}}, "width 16 is no multiple of heads 3"},
      {{{"num_attention_heads", 1000000000000}}, "heads is 1000000000000"},
      {{{"num_key_value_heads", 3}}, "multiple"},
      {{{"num_key_value_heads", 0}}, "num_key_value_heads is 0"},
      {{{"head_dim", 5}}, "even"},
      {{{"vocab_size", 2147483648}}, "32 bits"},
      {{{"vocab_size", 2147483647}}, "has shape [19, 16], its configuration says [2147483647, 16]"},
      {{{"rms_norm_eps", nullptr}}, "rms_norm_eps is missing"},
      {{{"rms_norm_eps", -1}}, "norm_epsilon is -1"},
      {{{"rope_theta", 0.5}}, "theta is 0.5"},
      {{{"max_position_embeddings", -1}}, "max_position_embeddings is -1"},
      {{{"tie_word_embeddings", false}}, "'lm_head.weight' is missing"},
      {{{"num_hidden_layers", 3}}, "'model.layers.2.input_layernorm.weight' is missing"},
      {{{"num_hidden_layers", 1}}, "'model.layers.1.input_layernorm.weight' is none of"},
      {{{"num_key_value_heads", 1}}, "has shape [8, 16], its configuration says [4, 16]"},
      {{{"eos_token_id", 19}}, "a token of the vocabulary"},
      {{{"eos_token_id", -1}}, "a token of the vocabulary"},
      {{{"eos_token_id", {2, "3"}}}, "a token of the vocabulary"},
      {{{"rope_scaling", "yarn"}}, "an object"},
      {rope({{"rope_type", "dynamic"}}), "dynamic, whose frequencies change"},
      {rope({{"rope_type", "longrope"}}), "rope_type is longrope"},
      {rope({{"type", "linear"}}), "rope_type is yarn and type is linear"},
      {rope({{"rope_type", "linear"}}), "original_max_position_embeddings: not known for type"},
      {rope({{"rope_type", "llama3"}}), "low_freq_factor is missing"},
      {rope({{"rope_type", "llama3"}, {"low_freq_factor", 4}, {"high_freq_factor", 4}}),
       "low_frequency_factor: 4 is not below"},
      {rope({{"factor", nullptr}}), "factor is missing"},
      {rope({{"factor", 0.5}}), "factor is 0.5"},
      {rope({{"beta_fast", 16}}), "beta_fast is 16; only 32"},
      {rope({{"beta_slow", 2}}), "beta_slow is 2; only 1"},
      {rope({{"attention_factor", 1.0}}), "attention_factor is 1"},
      {rope({{"truncate", false}}), "truncate"},
      {rope({{"mscale", 1.0}}), "mscale: not known"},
      {rope({{"original_max_position_embeddings", 0}}), "at least 1"},
      {rope({{"rope_theta", 5.0}}), "rope_theta is 5, and 10000 beside it"},
      {{{"rope_scaling", {{"type", "linear"}, {"factor", 2}}},
        {"rope_parameters", {{"rope_type", "linear"}, {"factor", 3}}}},
       "contradict"},
  };
  for (const auto& [patch, reason] : cases) {
    folder.configure(patch);
    INFO(patch.dump());
    CHECK_THAT(folder.refusal(), Catch::StartsWith(folder.path()) && Catch::Contains(reason));
  }
}

TEST_CASE("a configuration that is no JSON object is refused") {
  const Folder folder;
  const std::string deep(100, '[');
  for (const auto& [text, reason] : std::vector<std::pair<std::string, std::string>>{
           {"", "not valid JSON"},
           {"{", "not valid JSON"},
           {"[]", "no JSON object"},
           {"{\"a\":" + deep, "nests too deep"},
           {"{\"a\": 1e999}", "not valid JSON"},
           {"{\"a\": \"\xff\"}", "not valid JSON"},
           {R"({"model_type": "llama", "model_type": "llama"})", "names 'model_type' twice"}}) {
    write_bytes(folder.file("config.json"), text);
    INFO(text);
    CHECK_THAT(folder.refusal(),
               Catch::StartsWith(folder.file("config.json")) && Catch::Contains(reason));
  }
}

TEST_CASE("buffers and a tied model's output matrix are passed over, other tensors are refused") {
  const Folder folder;
  const auto add = [&](const std::string& name, std::vector<i64> shape) {
    folder.rewrite([&](auto& tensors) { tensors.push_back({name, Tensor(std::move(shape))}); });
  };
  add("model.layers.0.self_attn.rotary_emb.inv_freq", {2});
  add("lm_head.weight", {19, 16});
  check_imported_logits(folder.path(), folder.source());
  add("model.layers.0.self_attn.q_proj.bais", {16});
  CHECK_THAT(folder.refusal(),
             Catch::StartsWith(folder.file("model.safetensors")) &&
                 Catch::Contains("'model.layers.0.self_attn.q_proj.bais' is none of") &&
                 Catch::Contains("did you mean 'model.layers.0.self_attn.q_proj.weight'?"));
}

TEST_CASE("a bias that the family has not is refused, and one that it has must be there") {
  const Folder llama;
  llama.rewrite([](auto& tensors) {
    tensors.push_back({"model.layers.0.self_attn.q_proj.bias", Tensor({16})});
  });
  CHECK_THAT(llama.refusal(), Catch::Contains("'model.layers.0.self_attn.q_proj.bias' is none of"));
  const Folder qwen("qwen2");
  qwen.rewrite([](auto& tensors) {
    std::erase_if(tensors, [](const NamedTensor& t) { return t.name.ends_with("k_proj.bias"); });
  });
  CHECK_THAT(qwen.refusal(), Catch::Contains("'model.layers.0.self_attn.k_proj.bias' is missing"));
}

TEST_CASE("a weight that is not finite is refused with its tensor and place") {
  const Element stored = GENERATE(Element::f32, Element::bf16);
  const Folder folder("llama", true, {stored});
  folder.rewrite([](auto& tensors) {
    named(tensors, "model.layers.1.mlp.up_proj.weight").tensor.flat()[7] = std::nanf("");
  });
  Transformer model = blank_model(folder.headers().architecture, folder.headers().rope);
  CHECK_THAT(message_of([&] { import_weights(folder.path(), model); }),
             Catch::StartsWith(folder.file("model.safetensors")) &&
                 Catch::Contains("'model.layers.1.mlp.up_proj.weight'") &&
                 Catch::Contains("value 7 is"));
}

TEST_CASE("an index is held to the files, and leads to none outside its folder") {
  const Folder folder("llama", true, {Element::f32, 2, true});
  const std::string path = folder.file("model.safetensors.index.json");
  const std::string first = "model-00001-of-00002.safetensors";
  const auto map = [&](const std::string& tensor, const Json& file) {
    return Json{{"weight_map", {{tensor, file}}}}.dump();
  };
  const std::string deep = std::string(R"({"weight_map":)") + std::string(50, '[');
  for (const auto& [text, reason] : std::vector<std::pair<std::string, std::string>>{
           {"{}", "weight_map is no object"},
           {"{", "not valid JSON"},
           {deep, "nests too deep"},
           {map("a", 3), "is no text"},
           {map("a", "../model.safetensors"), "'../model.safetensors'"},
           {map("a", folder.file(first)), "only .safetensors files beside it"},
           {map("a", ".."), "'..'"},
           {map("a", ""), "''"},
           {map("a", "config.json"), "'config.json'"},
           {map("a", "none.safetensors"), "No such file"},
           {map("a", first), "tensor 'a' is missing"},
           {map("model.embed_tokens.weight", first), "is missing"}}) {
    write_bytes(path, text);
    INFO(text);
    CHECK_THAT(folder.refusal(), Catch::StartsWith(folder.path()) && Catch::Contains(reason));
  }
}

TEST_CASE("shards without an index must be all there and hold no tensor twice") {
  const Folder folder("llama", true, {Element::f32, 3, false});
  const auto shard = [&](int k, int n) {
    return folder.file(fmt::format("model-{:05}-of-{:05}.safetensors", k, n));
  };
  std::filesystem::copy_file(shard(1, 3), shard(1, 2));
  CHECK_THAT(folder.refusal(), Catch::Contains("files, others of"));
  std::filesystem::remove(shard(1, 2));
  std::filesystem::copy_file(shard(1, 3), shard(2, 3),
                             std::filesystem::copy_options::overwrite_existing);
  CHECK_THAT(folder.refusal(),
             Catch::StartsWith(shard(2, 3)) && Catch::Contains("is in") && Catch::Contains("too"));
  std::filesystem::remove(shard(2, 3));
  CHECK_THAT(folder.refusal(), Catch::Contains("'model-00002-of-00003.safetensors' is missing"));
  std::filesystem::remove(shard(1, 3));
  std::filesystem::remove(shard(3, 3));
  CHECK_THAT(folder.refusal(), Catch::Contains("holds no model.safetensors"));
  std::filesystem::remove(folder.file("config.json"));
  CHECK_THAT(folder.refusal(), Catch::Contains("config.json: cannot be opened"));
}

TEST_CASE("the digest of a folder is that of its files one after the other") {
  const Folder folder("llama", true, {Element::f32, 2, true});
  const ImportedModel headers = folder.headers();
  std::string all;
  for (const std::string& path : headers.files) {
    std::ifstream in(path, std::ios::binary);
    all += std::string(std::istreambuf_iterator<char>(in), {});
  }
  CHECK(imported_sha(headers) == sha256(all));
}

TEST_CASE("importing holds no second copy of the weights") {
  // 2.9 million weights: 5.8 MB in the file, 11.6 MB in the model.
  const Architecture a{.vocabulary = 4000,
                       .layers = 2,
                       .width = 256,
                       .heads = 4,
                       .hidden = 704,
                       .token_shift = 1,
                       .tied = true};
  const TempFolder folder;
  {
    const Transformer source = random_model(a, {});
    write_hugging_face(source, folder.path(), {Element::bf16});
    write_bytes(folder.file("config.json"),
                hugging_face_config(source.architecture(), "llama", 10000).dump());
  }
  MemoryCount::restart();
  const i64 before = MemoryCount::live();
  const ImportedModel headers = read_model_headers(folder.path().string());
  Transformer model = blank_model(headers.architecture, headers.rope);
  import_weights(folder.path().string(), model);
  const i64 weights = std::ssize(model.weights()) * static_cast<i64>(sizeof(float));
  CHECK(weights > 10'000'000);
  CHECK(MemoryCount::peak() - before <= weights + 1'000'000);
}

}  // namespace
}  // namespace longreach::model
