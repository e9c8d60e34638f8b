// Makes what a configuration names.
#include "harness/assemble.h"

#include <algorithm>
#include <filesystem>
#include <numeric>

#include "core/error.h"
#include "core/units.h"
#include "datasets/mixture.h"
#include "harness/imports.h"

namespace longreach::harness {
namespace {

/// The parameters to replace so that a relative path is found.
std::vector<std::pair<std::string, std::string>> located(const Component& component,
                                                         const std::string& folder) {
  const std::optional<std::string> path = param(component.params, "path");
  if (!path || path->empty() || std::filesystem::exists(*path)) return {};
  const std::string found = located_path(*path, folder);
  if (!found.empty()) return {{"path", found}};
  throw error(
      "{}.path: {}: no such file, neither in the current directory nor in {} "
      "(scripts/get-corpora fetches the corpora that the examples use)",
      component.where, *path, folder.empty() ? "the configuration's folder" : folder);
}

/// A parameter that counts tokens; nothing when there is none of that name.
std::optional<i64> count_param(const Component& component, const char* key) {
  const std::optional<std::string> text = param(component.params, key);
  return text ? parse_integer(*text, Unit::count) : std::nullopt;
}

/// Runs `make`, putting the component's place before what it throws.
template <class Make>
auto at(const Component& component, const Make& make) {
  try {
    return make();
  } catch (const Error& failure) {
    const std::string message = failure.what();
    if (message.starts_with(component.where)) throw;
    throw error("{}: {}", component.where, message);
  }
}

}  // namespace

std::shared_ptr<const datasets::Tokenizer> make_tokenizer(const ModelChoice& model) {
  if (model.import) return model.import->made_tokenizer;
  if (model.vocabulary == Vocabulary::bytes) return datasets::byte_tokenizer();
  const Component& data = model.training->data;
  std::vector<std::string> words;
  for (const Component& part : data.parts.empty() ? std::vector{data} : data.parts) {
    const std::vector<std::string> own = datasets::task_vocabulary(part.type);
    if (own.empty()) {
      throw error("{}.arch.vocabulary: the dataset '{}' has no words of its own; use bytes",
                  model.where, part.type);
    }
    for (const std::string& word : own) {
      if (std::ranges::find(words, word) == words.end()) words.push_back(word);
    }
  }
  return datasets::word_tokenizer(std::move(words));
}

std::unique_ptr<datasets::Dataset> make_dataset(const Component& component,
                                                const std::string& folder,
                                                const datasets::Tokenizer& tokenizer,
                                                const Rng& rng) {
  if (!component.parts.empty()) {
    std::vector<datasets::MixturePart> parts;
    for (const Component& part : component.parts) {
      const Rng own = rng.fork("part").fork(std::ssize(parts));
      parts.push_back({part.type, make_dataset(part, folder, tokenizer, own)});
    }
    return datasets::mixture(std::move(parts), rng.fork("order"));
  }
  return at(component, [&] {
    const auto& entry = datasets::DatasetRegistry::instance().find(component.type);
    std::unique_ptr<datasets::Dataset> dataset;
    visit_params(
        component.params, [&](Fields& reader) { dataset = entry.make(reader, tokenizer, rng); },
        located(component, folder));
    return dataset;
  });
}

std::unique_ptr<metrics::Metric> make_metric(const Component& component) {
  return at(component, [&] {
    const auto& entry = metrics::MetricRegistry::instance().find(component.type);
    std::unique_ptr<metrics::Metric> metric;
    visit_params(component.params, [&](Fields& reader) { metric = entry.make(reader); });
    return metric;
  });
}

model::Architecture architecture_of(const ModelChoice& model, const BackendChoice& backend) {
  model::Architecture a = model.architecture;
  if (backend.heads == 0) return a;
  const auto refuse = [&](std::string_view why) {
    return error("{}.heads: {} for model '{}': {}", backend.where, backend.heads, model.name, why);
  };
  if (model.import) throw refuse("its weights are imported, and fit its own heads only");
  if (a.kv_heads != a.heads) {
    throw refuse(
        fmt::format("it has {} key/value heads for {} query heads; only where they are as "
                    "many can a backend set both",
                    a.kv_heads, a.heads));
  }
  if (a.head_dim * a.heads != a.width) {
    throw refuse(
        fmt::format("its head_dim {} is not width / heads, which a backend's heads divide "
                    "anew; leave either out",
                    a.head_dim));
  }
  a.heads = a.kv_heads = backend.heads;
  a.head_dim = 0;
  try {
    return a.resolved();
  } catch (const Error& failure) {
    throw refuse(failure.what());
  }
}

std::vector<std::shared_ptr<const attention::Backend>> make_backends(const ModelChoice& model,
                                                                     const BackendChoice& written) {
  const BackendChoice choice = with_positions_of(model, written);
  const model::Architecture architecture = architecture_of(model, choice);
  if (choice.stack == Stack::listed && std::ssize(choice.layers) != architecture.layers) {
    throw error("{}.layers: lists {} for the {} layers of model '{}'; pattern: [...] repeats",
                choice.where, choice.layers.size(), architecture.layers, model.name);
  }
  const attention::Shape shape = architecture.attention_shape();
  std::vector<std::shared_ptr<const attention::Backend>> made;
  for (const Component& component : choice.layers) {
    made.push_back(at(component, [&] {
      attention::validate(shape);
      const auto& entry = attention::AttentionRegistry::instance().find(component.type);
      std::shared_ptr<const attention::Backend> backend;
      visit_params(component.params, [&](Fields& reader) { backend = entry.make(reader, shape); });
      return backend;
    }));
  }
  std::vector<std::shared_ptr<const attention::Backend>> layers;
  for (i64 layer = 0; layer < architecture.layers; ++layer) {
    layers.push_back(made[static_cast<std::size_t>(layer) % made.size()]);
  }
  return layers;
}

bool starts_imported(const ModelChoice& model) {
  return model.import && (!model.training || model.training->from == StartFrom::imported);
}

model::Transformer make_model(const ModelChoice& model, const BackendChoice& backend, i64 seed) {
  if (starts_imported(model)) {
    model::Transformer made(architecture_of(model, backend), make_backends(model, backend));
    model::import_weights(model.import->found, made);
    return made;
  }
  return model::Transformer(architecture_of(model, backend), make_backends(model, backend),
                            Rng(static_cast<std::uint64_t>(seed)).fork("model"));
}

i64 segment_of(const BackendChoice& backend) {
  for (const Component& layer : backend.layers) {
    for (const char* key : {"segment", "window"}) {
      if (const auto tokens = count_param(layer, key)) return *tokens;
    }
  }
  return 0;
}

i64 memory_segment_of(const BackendChoice& backend) {
  i64 common = 0;
  for (const Component& layer : backend.layers) {
    const auto segment = count_param(layer, "segment");
    if (segment) common = common == 0 ? *segment : std::lcm(common, *segment);
  }
  return common;
}

}  // namespace longreach::harness
