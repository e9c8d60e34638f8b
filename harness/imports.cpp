// Models that others trained, in an experiment.
#include "harness/imports.h"

#include <algorithm>
#include <filesystem>
#include <sys/stat.h>

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

/// A tokenizer as its model needs it: the model may have rows for more tokens than there are, as
/// embeddings are padded to round numbers, and these stand for no text; and it may know of further
/// tokens that end a document.
class ImportedTokenizer final : public datasets::Tokenizer {
 public:
  ImportedTokenizer(std::shared_ptr<const Tokenizer> own, const model::ImportedModel& headers)
      : own_(std::move(own)),
        vocabulary_(headers.architecture.vocabulary),
        endings_(own_->endings()) {
    for (const Token ending : headers.endings) {
      if (std::ranges::find(endings_, ending) == endings_.end()) endings_.push_back(ending);
    }
  }
  std::string name() const override { return own_->name(); }
  i64 vocabulary_size() const override { return vocabulary_; }
  std::vector<Token> encode(std::string_view text) const override { return own_->encode(text); }
  std::vector<Token> encode_document(std::string_view text) const override {
    return own_->encode_document(text);
  }
  std::string decode(std::span<const Token> tokens) const override {
    return own_->decode(texts_of(tokens));
  }
  std::string decode_document(std::span<const Token> tokens) const override {
    return own_->decode_document(texts_of(tokens));
  }
  std::vector<Token> opening() const override { return own_->opening(); }
  std::vector<Token> endings() const override { return endings_; }
  std::string sha() const override { return own_->sha(); }

 private:
  std::vector<Token> texts_of(std::span<const Token> tokens) const {
    std::vector<Token> texts;
    for (const Token token : tokens) {
      const bool padding = own_->vocabulary_size() <= token && token < vocabulary_;
      if (!padding) texts.push_back(token);
    }
    return texts;
  }

  std::shared_ptr<const Tokenizer> own_;
  i64 vocabulary_;
  std::vector<Token> endings_;
};

/// Which files they are and when they changed last; "" when one cannot be asked.
std::string stamp_of(const std::vector<std::string>& files) {
  std::string text;
  for (const std::string& path : files) {
    struct stat found {};
    if (stat(path.c_str(), &found) != 0) return "";
    text += fmt::format("{}:{} {} {}.{:09}; ", found.st_dev, found.st_ino, found.st_size,
                        found.st_mtim.tv_sec, found.st_mtim.tv_nsec);
  }
  return text;
}

std::shared_ptr<const datasets::Tokenizer> tokenizer_of(const ImportChoice& import,
                                                        const std::string& folder,
                                                        const std::string& where) {
  if (import.tokenizer == "bytes") return datasets::byte_tokenizer();
  if (!import.tokenizer.empty()) {
    return datasets::read_tokenizer(required_path(import.tokenizer, folder, where + ".tokenizer"));
  }
  std::error_code ignored;
  if (std::filesystem::is_directory(import.found, ignored))
    return datasets::read_tokenizer(import.found);
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
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) return path;
  const std::filesystem::path beside = std::filesystem::path(folder) / path;
  return !folder.empty() && std::filesystem::exists(beside, ignored) ? beside.string() : "";
}

void resolve_import(ModelChoice& model, const std::string& folder) {
  ImportChoice& import = *model.import;
  const std::string where = model.where + ".import";
  import.found = required_path(import.path, folder, where + ".path");
  import.headers = model::read_model_headers(import.found);
  const std::string stamp = stamp_of(import.headers.files);
  const bool known = !import.sha.empty() && !stamp.empty() && import.stamp == stamp;
  if (!known) import.sha = model::imported_sha(import.headers);
  import.stamp = stamp;
  model.architecture = import.headers.architecture;
  const auto tokenizer = tokenizer_of(import, folder, where);
  const i64 texts = tokenizer->vocabulary_size();
  import.made_tokenizer = std::make_shared<const ImportedTokenizer>(tokenizer, import.headers);
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
