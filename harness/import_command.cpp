// `import`: looks into weights that others trained.
#include "harness/import_command.h"

#include <filesystem>
#include <fmt/ranges.h>
#include <yaml-cpp/yaml.h>

#include "core/error.h"
#include "harness/assemble.h"
#include "harness/imports.h"

namespace longreach::harness {
namespace {

std::string tokenizer_line(const datasets::Tokenizer& tokenizer) {
  std::string line = fmt::format("{}, {} tokens", tokenizer.name(), tokenizer.vocabulary_size());
  if (!tokenizer.opening().empty()) {
    line += fmt::format("; documents begin with {}", fmt::join(tokenizer.opening(), ", "));
  }
  if (!tokenizer.endings().empty()) {
    line += fmt::format("; they end at {}", fmt::join(tokenizer.endings(), " or "));
  }
  return line;
}

std::string context_line(const model::ImportedModel& headers) {
  return headers.context_length > 0 ? fmt::format("{} tokens", headers.context_length)
                                    : "the files do not say";
}

void print_line(std::ostream& out, std::string_view what, std::string_view text) {
  out << fmt::format("{:<14}{}\n", what, text);
}

void print_headers(const ImportChoice& import, std::ostream& out) {
  const model::ImportedModel& headers = import.headers;
  print_line(out, "format", headers.format);
  print_line(out, "architecture", canonical(headers.architecture));
  print_line(out, "vocabulary", fmt::format("{}", headers.architecture.vocabulary));
  print_line(out, "positions", canonical(headers.rope));
  print_line(out, "trained on", context_line(headers));
  if (headers.window > 0) {
    print_line(out, "window",
               fmt::format("{} tokens: trained with {{sliding_window: {{window: "
                           "{}}}}}",
                           headers.window, headers.window));
  }
  print_line(
      out, "tokenizer",
      import.made_tokenizer ? tokenizer_line(*import.made_tokenizer) : "not given (--tokenizer)");
  print_line(out, "content", import.sha);
}

/// The file's or folder's own name, as an experiment may name a model.
std::string name_of(const std::string& path) {
  const std::filesystem::path clean = (std::filesystem::path(path) / "").parent_path();
  std::string name = (clean.extension() == ".bin" ? clean.stem() : clean.filename()).string();
  for (char& c : name) {
    if (c == ' ' || c == ',' || c == '=') c = '-';
  }
  return name;
}

BackendChoice full_attention() {
  BackendChoice backend;
  backend.name = "full";
  backend.layers.push_back(
      {.type = "full",
       .params = canonical(attention::AttentionRegistry::instance().find("full").visit_defaults),
       .where = "full",
       .sha = {}});
  return backend;
}

}  // namespace

void import_command(const ImportRequest& request, std::ostream& out) {
  std::error_code ignored;
  const bool folder = std::filesystem::is_directory(request.path, ignored);
  ModelChoice choice{
      .name = name_of(request.path),
      .where = "import",
      .architecture = {},
      .import = ImportChoice{
          .path = request.path, .tokenizer = request.tokenizer, .found = request.path, .sha = {}}};
  ImportChoice& import = *choice.import;
  if (located_path(request.path, "").empty()) {
    throw error("{}: no such file or folder", request.path);
  }
  import.headers = model::read_model_headers(request.path);
  if (!request.tokenizer.empty() || folder) {
    try {
      resolve_import(choice, "");
    } catch (const Error& problem) {
      if (!request.tokenizer.empty()) throw;
      out << fmt::format("no tokenizer: {}\n", problem.what());
    }
  }
  if (import.sha.empty()) import.sha = model::imported_sha(import.headers);
  choice.architecture = import.headers.architecture;
  print_headers(import, out);
  const model::Transformer model = make_model(choice, full_attention(), 0);
  print_line(out, "weights", fmt::format("{}, all finite", model.weights().size()));

  YAML::Emitter entry;
  entry << YAML::Flow << YAML::BeginMap << YAML::Key << "name" << YAML::Value << choice.name
        << YAML::Key << "import" << YAML::Value << YAML::BeginMap << YAML::Key << "path"
        << YAML::Value << request.path;
  if (!request.tokenizer.empty()) entry << YAML::Key << "tokenizer" << request.tokenizer;
  entry << YAML::EndMap << YAML::EndMap;
  out << fmt::format("\nmodels:\n  - {}\n", entry.c_str());
}

}  // namespace longreach::harness
