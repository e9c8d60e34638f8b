// Models that others trained, in an experiment.
#include "harness/imports.h"

#include <algorithm>
#include <filesystem>

#include "attention/backend.h"
#include "core/error.h"
#include "harness/yaml_reader.h"

namespace longreach::harness {
namespace {

/// Throws Error when there is none.
std::string required_path(const std::string& path, const std::string& folder,
                          const std::string& where) {
  const std::string found = located_path(path, folder);
  if (!found.empty()) return found;
  throw error("{}: '{}': no such file or folder, neither in the current directory nor in {}", where,
              path, folder.empty() ? "the configuration's folder" : folder);
}

std::shared_ptr<const datasets::Tokenizer> tokenizer_of(const ImportChoice& import,
                                                        const std::string& folder,
                                                        const std::string& where) {
  if (import.tokenizer == "bytes") return datasets::byte_tokenizer();
  if (!import.tokenizer.empty()) {
    return datasets::read_tokenizer(required_path(import.tokenizer, folder, where + ".tokenizer"));
  }
  if (std::filesystem::is_directory(import.found)) return datasets::read_tokenizer(import.found);
  throw error("{}: needs tokenizer: a file that fits the model, such as tok512.bin, or bytes",
              where);
}

/// The parameters of a backend's rope that a model's own stand in for.
std::vector<std::pair<std::string, std::string>> positions_of(const ImportChoice& import,
                                                              const Component& layer) {
  const attention::ScaledRopeParams& rope = import.headers.rope;
  const auto written = [&](const char* key) {
    return std::ranges::find(layer.rope_keys, key) != layer.rope_keys.end();
  };
  std::vector<std::pair<std::string, std::string>> all{
      {"theta", fmt::format("{}", rope.theta)},
      {"pairing",
       std::string(EnumNames<attention::Pairing>::names[static_cast<std::size_t>(rope.pairing)])}};
  const i64 trained =
      rope.original_length > 0 ? rope.original_length : import.headers.context_length;
  const bool scaled = rope.scaling != attention::Scaling::none;
  if (trained > 0 && (scaled || written("scaling"))) {
    all.emplace_back("original_length", fmt::format("{}", trained));
  }
  if (scaled && !written("scaling")) {
    all.emplace_back(
        "scaling",
        std::string(EnumNames<attention::Scaling>::names[static_cast<std::size_t>(rope.scaling)]));
    all.emplace_back("factor", fmt::format("{}", rope.factor));
    all.emplace_back("low_frequency_factor", fmt::format("{}", rope.low_frequency_factor));
    all.emplace_back("high_frequency_factor", fmt::format("{}", rope.high_frequency_factor));
  }
  std::erase_if(all, [&](const auto& pair) { return written(pair.first.c_str()); });
  return all;
}

/// Throws Error when the backend cannot turn its keys as the model needs it.
void fit_positions(const ImportChoice& import, Component& layer) {
  YAML::Node params = YAML::Load(fmt::format("{{{}}}", layer.params));
  YAML::Node rope = params["rope"];
  if (!rope.IsDefined() || !rope.IsMap()) return;
  for (const auto& [key, value] : positions_of(import, layer)) {
    if (!rope[key].IsDefined()) {
      throw error("{}: '{}' has no rope.{}, which the imported model needs ({})", layer.where,
                  layer.type, key, value);
    }
    rope[key] = value;
  }
  const Source source{.file = layer.where, .set_paths = {}};
  Problems problems;
  YamlFields reader(params, "", {source, problems});
  const auto& entry = attention::AttentionRegistry::instance().find(layer.type);
  layer.params = read_canonical(reader, entry.visit_defaults);
  problems.raise();
}

}  // namespace

std::string located_path(const std::string& path, const std::string& folder) {
  if (std::filesystem::exists(path)) return path;
  const std::filesystem::path beside = std::filesystem::path(folder) / path;
  return !folder.empty() && std::filesystem::exists(beside) ? beside.string() : "";
}

void resolve_import(ModelChoice& model, const std::string& folder) {
  ImportChoice& import = *model.import;
  const std::string where = model.where + ".import";
  import.found = required_path(import.path, folder, where + ".path");
  import.headers = model::read_model_headers(import.found);
  import.sha = model::imported_sha(import.headers);
  import.made_tokenizer = tokenizer_of(import, folder, where);
  model.architecture = import.headers.architecture;
  const i64 texts = import.made_tokenizer->vocabulary_size();
  // Embeddings are often padded to a round number of rows; a tokenizer of more is another model's.
  if (texts > model.architecture.vocabulary) {
    throw error("{}: the tokenizer has {} tokens, the model {}: they do not belong together", where,
                texts, model.architecture.vocabulary);
  }
}

BackendChoice with_positions_of(const ModelChoice& model, const BackendChoice& backend) {
  BackendChoice fitted = backend;
  if (!model.import) return fitted;
  for (Component& layer : fitted.layers) fit_positions(*model.import, layer);
  return fitted;
}

}  // namespace longreach::harness
