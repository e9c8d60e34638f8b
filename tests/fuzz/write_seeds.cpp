// Writes sound inputs into the corpus that is given: tests/fuzz/corpus. Hostile ones lie beside
// them, written by hand or found.
#include <fstream>
#include <iostream>

#include "tests/fuzz/seeds.h"
#include "tests/fuzz/target.h"

namespace {

using namespace longreach;
using Json = nlohmann::json;

std::string bytes_of_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_llama2c(const std::string& folder) {
  for (const bool tied : {true, false}) {
    for (const int version : {0, 1}) {
      model::write_bytes(folder + fmt::format("/v{}_{}", version, tied ? "tied" : "untied"),
                         model::llama2c_bytes(fuzz::seed_model(tied), version, 2));
    }
  }
}

void write_safetensors(const std::string& folder) {
  const fuzz::Folder scratch;
  for (const Element stored : {Element::f32, Element::f16, Element::bf16}) {
    const std::string name(EnumNames<Element>::names[static_cast<std::size_t>(stored)]);
    model::write_hugging_face(fuzz::seed_model(true, stored), scratch.path(), {stored});
    model::write_bytes(folder + "/" + name, bytes_of_file(scratch.path() / "model.safetensors"));
  }
}

void write_huggingface(const std::string& folder) {
  const auto write = [&](const std::string& name, const Json& patch, const std::string& index) {
    Json config = fuzz::seed_settings();
    config.merge_patch(patch);
    model::write_bytes(folder + "/" + name, config.dump() + index);
  };
  const Json plain = Json::object();
  write("plain", plain, "");
  write("endings", {{"eos_token_id", {0, 1}}, {"sliding_window", 4}, {"head_dim", 2}}, "");
  const Json llama3{{"rope_type", "llama3"},
                    {"factor", 8.0},
                    {"low_freq_factor", 1.0},
                    {"high_freq_factor", 4.0},
                    {"original_max_position_embeddings", 16}};
  write("llama3", {{"rope_scaling", llama3}}, "");
  const Json yarn{{"rope_type", "yarn"},
                  {"factor", 4.0},
                  {"beta_fast", 32},
                  {"beta_slow", 1},
                  {"rope_theta", 10000},
                  {"truncate", true},
                  {"original_max_position_embeddings", 16}};
  write("yarn", {{"rope_theta", nullptr}, {"rope_parameters", yarn}}, "");
  Json index{{"metadata", {{"total_size", 8}}}, {"weight_map", plain}};
  const model::Transformer seed = fuzz::seed_model();
  for (const model::Parameter& parameter : seed.parameters()) {
    index["weight_map"][model::hugging_face_name(parameter.name)] = fuzz::kSeedShard;
  }
  write("indexed", plain, '\0' + index.dump());
  index["weight_map"]["model.norm.weight"] = "../" + std::string(fuzz::kSeedShard);
  write("hostile_index_leads_out", plain, '\0' + index.dump());
  write("hostile_layers_beyond", {{"num_hidden_layers", 1000000000}}, "");
  write("hostile_vocabulary_beyond", {{"vocab_size", 2147483647}}, "");
  write("hostile_sizes_beyond", {{"hidden_size", 65536}, {"intermediate_size", 1048576}}, "");
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::cerr << "usage: fuzz_seeds CORPUS\n";
    return 2;
  }
  const std::string corpus = arguments[1];
  write_llama2c(corpus + "/llama2c");
  write_safetensors(corpus + "/safetensors");
  write_huggingface(corpus + "/huggingface");
  return 0;
}
