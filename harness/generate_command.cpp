// `generate`: continues a text.
#include "harness/generate_command.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <new>
#include <sstream>

#include "core/error.h"
#include "harness/assemble.h"
#include "harness/cell.h"
#include "harness/cli.h"
#include "harness/imports.h"
#include "harness/interrupt.h"
#include "harness/yaml_reader.h"
#include "model/checkpoint.h"

namespace longreach::harness {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// An experiment of one imported model under one backend.
Experiment experiment_of(const GenerateRequest& request) {
  YAML::Node model, backend = parse_yaml(request.backend, "--backend"), root;
  model["name"] = "model";
  model["import"]["path"] = request.import;
  if (!request.tokenizer.empty()) model["import"]["tokenizer"] = request.tokenizer;
  if (backend.IsScalar()) {
    YAML::Node named;
    named[backend.Scalar()] = YAML::Node(YAML::NodeType::Map);
    backend = named;
  } else if (!backend.IsMap()) {
    throw error("--backend {}: expected a name, or a mapping such as {{infini: {{segment: 16}}}}",
                request.backend);
  }
  root["version"] = 1;
  root["name"] = "generate";
  root["models"].push_back(model);
  root["backends"].push_back(backend);
  YAML::Emitter text;
  text << root;
  return read_experiment_text(text.c_str(), "--import", {});
}

/// The only choice of that name, or the only one there is.
template <class Choice>
std::size_t chosen(const std::vector<Choice>& choices, const std::vector<std::string>& wanted,
                   std::string_view flag) {
  std::vector<std::string> names;
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    names.push_back(choices[i].name);
    if (wanted.empty() || (wanted.size() == 1 && named(choices[i].name, wanted[0]))) {
      found.push_back(i);
    }
  }
  if (found.size() == 1) return found[0];
  throw error("{}: name one of {}", flag, fmt::join(names, ", "));
}

/// Of the first seed and learning rate; "" for a model that is not trained.
std::string trained_weights(const Experiment& experiment, std::size_t model, std::size_t backend) {
  if (!experiment.models[model].training) return "";
  const std::string& name = experiment.backends[backend].name;
  for (const Cell& cell : make_plan(experiment)) {
    if (cell.model != model || cell.backend != backend) continue;
    const std::string path =
        weights_path(experiment.output, cell.kind == CellKind::train ? cell.id : cell.trained);
    if (std::filesystem::exists(path)) return path;
    throw error("{}: not there: model '{}' has not been trained with {} yet; longreach train {}",
                path, experiment.models[model].name, name, experiment.file);
  }
  throw error("{}: no task uses model '{}' with {}, so it is not trained", experiment.file,
              experiment.models[model].name, name);
}

std::string prompt_of(const GenerateRequest& request) {
  if (request.prompt_file.empty()) return request.prompt;
  if (request.prompt_file == "-") {
    return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
  }
  std::ifstream in(request.prompt_file, std::ios::binary);
  std::ostringstream text;
  if (!std::filesystem::is_directory(request.prompt_file)) text << in.rdbuf();
  if (!in.is_open() || in.bad() || std::filesystem::is_directory(request.prompt_file)) {
    throw error("--prompt-file {}: cannot be read", request.prompt_file);
  }
  return text.str();
}

/// Turns tokens into text as they come. The first of a document loses the space that its tokenizer
/// puts before it.
class Printer {
 public:
  Printer(const datasets::Tokenizer& tokenizer, std::vector<Token> prompt, std::ostream& out)
      : tokenizer_(tokenizer), tokens_(std::move(prompt)), out_(out) {
    const std::string text = tokenizer_.decode_document(tokens_);
    begun_ = !text.empty();
    out_ << text << std::flush;
  }
  void add(Token token) {
    tokens_.push_back(token);
    const std::string text =
        begun_ ? tokenizer_.decode({&token, 1}) : tokenizer_.decode_document(tokens_);
    begun_ = begun_ || !text.empty();
    out_ << text << std::flush;
  }

 private:
  const datasets::Tokenizer& tokenizer_;
  std::vector<Token> tokens_;
  std::ostream& out_;
  bool begun_;  ///< whether any text stands there
};

/// Throws Error when there is not the memory.
model::Generator generator_of(const model::Transformer& model, std::span<const Token> prompt,
                              const GenerateRequest& request, std::vector<Token> endings) {
  try {
    return {model, prompt, request.tokens, request.sampling, std::move(endings)};
  } catch (const std::bad_alloc&) {
    const i64 capacity = std::ssize(prompt) + request.tokens;
    throw error("--tokens {}: the state would need {} bytes, which are not free; give fewer",
                request.tokens, model.state_bytes(capacity));
  }
}

/// Refuses what no model can be drawn with.
void check_request(const GenerateRequest& request) {
  if (request.import.empty() && request.run.config.empty()) {
    throw error("generate: needs an experiment, or --import with weights that others trained");
  }
  if (!request.import.empty() && !request.run.config.empty()) {
    throw error("--import {}: comes instead of an experiment ({}), not with it", request.import,
                request.run.config);
  }
  for (const double value : {request.sampling.temperature, request.sampling.top_p}) {
    if (!std::isfinite(value)) throw error("--temperature, --top-p: {} is no number", value);
  }
  if (!request.import.empty() && located_path(request.import, "").empty()) {
    throw error("--import {}: no such file or folder", request.import);
  }
  std::error_code ignored;
  const bool folder = std::filesystem::is_directory(request.import, ignored);
  if (!request.import.empty() && !folder && request.tokenizer.empty()) {
    throw error("--tokenizer: is needed: a file that fits {}, such as tok512.bin, or bytes",
                request.import);
  }
}

}  // namespace

int generate_command(const GenerateRequest& request, std::ostream& out, std::ostream& notes) {
  check_request(request);
  const Experiment experiment = request.import.empty()
                                    ? read_experiment(request.run.config, request.run.overrides)
                                    : experiment_of(request);
  const std::size_t m = chosen(experiment.models, request.run.selection.models, "--models");
  const std::size_t b = chosen(experiment.backends, request.run.selection.backends, "--backends");
  const ModelChoice& choice = experiment.models[m];
  const auto tokenizer = make_tokenizer(choice);
  const std::vector<Token> prompt = tokenizer->encode_document(prompt_of(request));
  if (prompt.empty()) {
    throw error("--prompt: the tokenizer '{}' has no token that opens a document; give some text",
                tokenizer->name());
  }
  model::Transformer model = make_model(choice, experiment.backends[b], experiment.seed);
  const std::string trained = trained_weights(experiment, m, b);
  if (!trained.empty()) model::load_checkpoint(model, trained);
  Printer printer(*tokenizer, prompt, out);
  const Clock::time_point start = Clock::now();
  model::Generator generator = generator_of(model, prompt, request, tokenizer->endings());
  const double reading = seconds_since(start);
  catch_interrupts();  // until here there is nothing to finish
  const Clock::time_point read = Clock::now();
  i64 count = 0;
  bool ended = false;
  while (count < request.tokens && interrupt_requested() == 0 && out) {
    const std::optional<Token> token = generator.next();
    ended = !token;
    if (ended) break;
    printer.add(*token);
    ++count;
  }
  const double writing = seconds_since(read);
  out << std::endl;
  const i64 capacity = std::ssize(prompt) + request.tokens;
  notes << fmt::format(
      "{} tokens in {:.3g} s ({:.4g} a second) after {} read in {:.3g} s; state {} bytes with room "
      "for {} tokens; {}\n",
      count, writing, static_cast<double>(count) / writing, prompt.size(), reading,
      model.state_bytes(capacity), capacity,
      ended                     ? "the document ended"
      : count == request.tokens ? "--tokens reached"
      : out                     ? "interrupted"
                                : "nobody reads on");
  return ended || count == request.tokens || !out ? kExitOk : kExitInterrupted;
}

}  // namespace longreach::harness
