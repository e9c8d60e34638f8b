// `import`: looks into weights that others trained.
#include "harness/import_command.h"

#include <filesystem>
#include <fmt/ranges.h>

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

}  // namespace

void import_command(const ImportRequest& request, std::ostream& out) {
  ModelChoice choice{
      .name = std::filesystem::path(request.path).stem().string(),
      .where = "import",
      .architecture = {},
      .import = ImportChoice{
          .path = request.path, .tokenizer = request.tokenizer, .found = {}, .sha = {}}};
  const bool has_tokenizer =
      !request.tokenizer.empty() || std::filesystem::is_directory(request.path);
  if (!has_tokenizer) choice.import->tokenizer = "bytes";
  resolve_import(choice, "");
  const model::ImportedModel& headers = choice.import->headers;
  const auto line = [&out](std::string_view what, std::string_view text) {
    out << fmt::format("{:<14}{}\n", what, text);
  };
  line("format", headers.format);
  line("architecture", canonical(choice.architecture));
  line("vocabulary", fmt::format("{}", choice.architecture.vocabulary));
  line("positions", canonical(headers.rope));
  line("trained on", context_line(headers));
  line("tokenizer",
       has_tokenizer ? tokenizer_line(*choice.import->made_tokenizer) : "not given (--tokenizer)");
  line("content", choice.import->sha);

  BackendChoice backend;
  backend.name = "full";
  backend.layers.push_back(
      {.type = "full",
       .params = canonical(attention::AttentionRegistry::instance().find("full").visit_defaults),
       .where = "full",
       .sha = {}});
  const model::Transformer model = make_model(choice, backend, 0);
  line("weights", fmt::format("{}, all finite", model.weights().size()));
  out << fmt::format("\nmodels:\n  - {{name: {}, import: {{path: {}{}}}}}\n", choice.name,
                     request.path,
                     request.tokenizer.empty() ? "" : ", tokenizer: " + request.tokenizer);
}

}  // namespace longreach::harness
