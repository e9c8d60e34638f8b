// The sections of a configuration, each read from its own list.
#include "harness/config_sections.h"

#include <algorithm>

#include "core/error.h"
#include "datasets/dataset.h"
#include "harness/state_budget.h"
#include "harness/zip.h"
#include "metrics/metric.h"

namespace longreach::harness {
namespace {

using attention::AttentionRegistry;
using datasets::DatasetRegistry;
using metrics::MetricRegistry;
using Context = YamlFields::Context;

constexpr std::string_view kMix = "mix";

/// Calls `read(entry, path)` for each entry of a list.
template <class Read>
void each_entry(const YAML::Node& list, std::string_view key, const Source& source,
                Problems& problems, const Read& read) {
  if (!list.IsDefined()) return;
  if (!list.IsSequence()) {
    problems.add(fmt::format("{}: expected a list", source.place(list, std::string(key))));
    return;
  }
  if (static_cast<double>(list.size()) > kMostEntries) {
    problems.add(fmt::format("{}: {} entries; at most {} are read",
                             source.place(list, std::string(key)), list.size(), kMostEntries));
    return;
  }
  for (std::size_t i = 0; i < list.size(); ++i) read(list[i], fmt::format("{}[{}]", key, i));
}

/// Reads the parameters of a registered thing. Unknown types become a problem and no component.
template <class Registry>
std::optional<Component> read_component(std::string_view kind, const std::string& type,
                                        YamlFields& reader, const std::string& where,
                                        Problems& problems) {
  const auto& entries = Registry::instance().entries();
  const auto found = entries.find(type);
  if (found == entries.end()) {
    problems.add(fmt::format("{}: unknown {} '{}'{}", where, kind, type,
                             suggestion(type, Registry::instance().names())));
    return std::nullopt;
  }
  return Component{.type = type,
                   .params = read_canonical(reader, found->second.visit_defaults),
                   .where = where,
                   .plugin = found->second.plugin};
}

std::optional<Component> read_data(const YAML::Node& node, const std::string& path,
                                   const Context& context);

/// Reads "[{type: {params}}, type, ...]", the parts of a mix.
std::optional<Component> read_mix(const YAML::Node& list, const std::string& path,
                                  const Context& context) {
  const std::string where = context.source.place(list, path);
  if (!list.IsSequence() || list.size() == 0) {
    context.problems.add(fmt::format(
        "{}: expected a list of datasets, such as [{{passkey: {{}}}}, {{recall: {{}}}}]", where));
    return std::nullopt;
  }
  Component mix{.type = std::string(kMix), .params = {}, .where = where};
  each_entry(list, path, context.source, context.problems,
             [&](const YAML::Node& entry, const std::string& at) {
               const auto part = read_data(entry, at, context);
               if (part && part->parts.empty()) {
                 mix.parts.push_back(*part);
               } else if (part) {
                 context.problems.add(
                     fmt::format("{}: a mix within a mix; list its parts among the others",
                                 context.source.place(entry, at)));
               }
             });
  // Incomplete only beside a problem, which ends the reading.
  return mix.parts.empty() ? std::nullopt : std::optional(mix);
}

/// Reads "data: {type: {params}}", "data: type" or "data: {mix: [...]}".
std::optional<Component> read_data(const YAML::Node& node, const std::string& path,
                                   const Context& context) {
  const std::string where = context.source.place(node, path);
  if (!node.IsDefined()) return std::nullopt;
  std::string type;
  YAML::Node params(YAML::NodeType::Map);
  if (node.IsScalar()) {
    type = node.Scalar();
  } else if (node.IsMap() && node.size() == 1 && node.begin()->first.IsScalar()) {
    type = node.begin()->first.Scalar();
    params.reset(node.begin()->second);
  } else {
    context.problems.add(fmt::format(
        "{}: expected one dataset with its parameters, such as {{text: {{path: book.txt}}}}",
        where));
    return std::nullopt;
  }
  const std::string inner = join_path(path, type);
  if (type == kMix) return read_mix(params, inner, context);
  YamlFields reader(params, inner, context);
  auto component = read_component<DatasetRegistry>(
      "dataset", type, reader, context.source.place(node, inner), context.problems);
  if (component) reader.finish();
  return component;
}

void read_training(const YAML::Node& node, const std::string& path, i64 default_seed,
                   const Context& context, ModelChoice& model) {
  Training training;
  if (model.import) training.from = StartFrom::imported;
  training.seeds = {default_seed};
  training.lr = {training.params.lr};
  YamlFields reader(node, path, context);
  const std::optional<Component> data =
      read_data(reader.claim("data"), join_path(path, "data"), context);
  training.fields(reader);
  reader.claim("lr");  // a list of its own, not a sweep: lr is a column of the records
  training.params.fields(reader);
  reader.finish();
  if (data) {
    training.data = *data;
  } else if (!node.IsNull() && node.IsMap() && !node["data"].IsDefined()) {
    context.problems.add(fmt::format("{}: needs data, such as data: {{text: {{path: book.txt}}}}",
                                     context.source.place(node, path)));
  }
  if (training.shortest == 0) training.shortest = training.length;
  if (training.shortest > training.length) {
    context.problems.add(fmt::format("{}: shortest ({}) is longer than length ({})",
                                     context.source.place(node, path), training.shortest,
                                     training.length));
  }
  model.training = training;
}

void read_import(const YAML::Node& node, const std::string& path, const Context& context,
                 ModelChoice& model) {
  if (!node.IsDefined()) return;
  ImportChoice& import = model.import.emplace();
  if (node.IsScalar()) {
    import.path = node.Scalar();
  } else {
    YamlFields reader(node, path, context);
    import_fields(reader, import);
    reader.finish();
  }
  if (import.path.empty()) {
    context.problems.add(fmt::format("{}: needs path, a llama2.c .bin file or a folder",
                                     context.source.place(node, path)));
  }
}

ModelChoice read_model(const YAML::Node& entry, const std::string& path, i64 default_seed,
                       const Context& context) {
  ModelChoice model;
  model.where = context.source.place(entry, path);
  YamlFields reader(entry, path, context);
  model_fields(reader, model);
  read_import(reader.claim("import"), join_path(path, "import"), context, model);
  const YAML::Node arch = reader.claim("arch");
  if (model.import && arch.IsDefined()) {
    context.problems.add(fmt::format("{}: an imported model has the architecture of its file",
                                     context.source.place(arch, join_path(path, "arch"))));
  }
  YamlFields architecture(arch, join_path(path, "arch"), context);
  architecture_fields(architecture, model);
  architecture.finish();
  const YAML::Node train = reader.claim("train");
  if (train.IsDefined() && !(train.IsScalar() && train.Scalar() == "none")) {
    read_training(train, join_path(path, "train"), default_seed, context, model);
  }
  reader.finish();
  if (model.name.empty()) context.problems.add(fmt::format("{}: needs a name", model.where));
  if (model.training && model.training->from == StartFrom::imported && !model.import) {
    context.problems.add(
        fmt::format("{}.train.from: imported, but the model has no import", model.where));
  }
  if (model.vocabulary == Vocabulary::task && !model.training) {
    context.problems.add(fmt::format(
        "{}: vocabulary: task takes its words from train.data, which is missing", model.where));
  }
  return model;
}

/// The one key of an entry besides `others`; a problem and "" when there is not exactly one.
std::string only_key(const YAML::Node& entry, const std::vector<std::string>& others,
                     std::string_view kind, const std::string& where, Problems& problems) {
  std::vector<std::string> keys;
  for (const auto& pair : entry) {
    if (!pair.first.IsScalar()) continue;
    const std::string& key = pair.first.Scalar();
    if (std::find(others.begin(), others.end(), key) == others.end()) keys.push_back(key);
  }
  if (keys.size() == 1) return keys[0];
  problems.add(fmt::format("{}: expected exactly one {}{}{}; found {}{}{}", where, kind,
                           others.empty() ? "" : " besides ", fmt::join(others, ", "), keys.size(),
                           keys.empty() ? "" : ": ", fmt::join(keys, ", ")));
  return "";
}

/// A backend's parameters; nothing and a problem when there is no such backend.
std::optional<Component> read_attention(const std::string& type, const YAML::Node& params,
                                        const std::string& path, const std::string& where,
                                        const Context& context) {
  YamlFields reader(params, path, context);
  auto component =
      read_component<AttentionRegistry>("backend", type, reader, where, context.problems);
  if (!component) return component;
  reader.finish();
  if (!params.IsMap() || !params["rope"].IsDefined() || !params["rope"].IsMap()) return component;
  for (const auto& pair : params["rope"]) component->rope_keys.push_back(pair.first.Scalar());
  return component;
}

/// Reads a list of backends, each {type: {params}} or only its type.
std::vector<Component> read_layers(const YAML::Node& list, const std::string& path,
                                   const Context& context) {
  std::vector<Component> layers;
  each_entry(list, path, context.source, context.problems,
             [&](const YAML::Node& layer, const std::string& at) {
               const std::string where = context.source.place(layer, at);
               if (!layer.IsMap() && !layer.IsScalar()) {
                 context.problems.add(
                     fmt::format("{}: expected a backend, or {{backend: {{...}}}}", where));
                 return;
               }
               const std::string type =
                   layer.IsScalar() ? layer.Scalar()
                                    : only_key(layer, {}, "backend", where, context.problems);
               if (type.empty()) return;
               const std::string inner = join_path(at, type);
               const auto component =
                   read_attention(type, layer.IsMap() ? layer[type] : YAML::Node(), inner,
                                  context.source.place(layer, inner), context);
               if (component) layers.push_back(*component);
             });
  if (layers.empty() && list.IsSequence() && list.size() == 0) {
    context.problems.add(fmt::format("{}: no layers", context.source.place(list, path)));
  }
  return layers;
}

BackendChoice read_backend(const YAML::Node& entry, const std::string& path,
                           const Context& context) {
  BackendChoice backend;
  const std::string where = backend.where = context.source.place(entry, path);
  YamlFields reader(entry, path, context);
  backend_fields(reader, backend);
  const std::string type =
      only_key(entry, {kEntryKeys.begin(), kEntryKeys.end()}, "backend", where, context.problems);
  if (backend.name.empty()) backend.name = type;
  if (type.empty()) return backend;
  const YAML::Node params = reader.claim(type);
  const std::string inner = join_path(path, type);
  if (type == "layers" || type == "pattern") {
    backend.stack = type == "layers" ? Stack::listed : Stack::pattern;
    backend.layers = read_layers(params, inner, context);
  } else if (const auto component = read_attention(type, params, inner,
                                                   context.source.place(params, inner), context)) {
    backend.layers.push_back(*component);
  }
  const bool given = params.IsMap() && params[backend.budget.solve].IsDefined();
  if (const std::string wrong = wrong_budget(backend, given); !wrong.empty()) {
    context.problems.add(fmt::format("{}{}", where, wrong));
  }
  return backend;
}

/// A list of backend names under `key`.
std::vector<std::string> read_names(const YAML::Node& node, const std::string& path,
                                    const Context& context) {
  std::vector<std::string> names;
  if (!node.IsDefined()) return names;
  if (node.IsScalar()) return {node.Scalar()};
  each_entry(
      node, path, context.source, context.problems,
      [&](const YAML::Node& item, const std::string& at) {
        if (item.IsScalar()) {
          names.push_back(item.Scalar());
        } else {
          context.problems.add(fmt::format("{}: expected a name", context.source.place(item, at)));
        }
      });
  return names;
}

TaskChoice read_task(const YAML::Node& entry, const std::string& path, const Context& context) {
  TaskChoice task;
  task.where = context.source.place(entry, path);
  std::string type;
  YAML::Node params(YAML::NodeType::Map);
  if (entry.IsScalar()) {
    type = entry.Scalar();
  } else {
    YamlFields reader(entry, path, context);
    task_fields(reader, task);
    if (!entry.IsMap()) return task;
    type = only_key(entry, {"name"}, "metric", task.where, context.problems);
    if (type.empty()) return task;
    params.reset(reader.claim(type));
  }
  if (task.name.empty()) task.name = type;
  const std::string inner = join_path(path, type);
  YamlFields values(params, inner, context);
  const YAML::Node model = values.claim("model");
  if (model.IsDefined() && !model.IsScalar()) {
    context.problems.add(fmt::format("{}: expected the name of a model",
                                     context.source.place(model, join_path(inner, "model"))));
  } else if (model.IsDefined()) {
    task.model = model.Scalar();
  }
  task.data = read_data(values.claim("data"), join_path(inner, "data"), context);
  task.backends = read_names(values.claim("backends"), join_path(inner, "backends"), context);
  task_metric_fields(values, task);
  values.claim("lengths");
  const auto metric =
      read_component<MetricRegistry>("metric", type, values, task.where, context.problems);
  if (metric) {
    values.finish();
    task.metric = *metric;
  }
  return task;
}

/// Names stand in tables, in lists on the command line, and before what a sweep adds to them.
void check_name(const std::string& name, const std::string& where, Problems& problems) {
  constexpr std::size_t kLongestName = 100;
  const auto forbidden = [](unsigned char c) {
    return c <= ' ' || c == ',' || c == '=' || c == 0x7F;
  };
  if (name.size() > kLongestName || std::ranges::any_of(name, forbidden)) {
    problems.add(
        fmt::format("{}: the name '{}' must have no space, comma or '=', and at most {} "
                    "bytes",
                    where, one_line(name), kLongestName));
  }
}

/// Reads an entry once for each combination of its sweeps.
template <class Choice, class Read>
void read_sweep(std::vector<Choice>& choices, const YAML::Node& entry, const std::string& path,
                const Source& source, Problems& problems, const Read& read) {
  const std::string where = source.place(entry, path);
  const auto before = static_cast<double>(choices.size());
  const Zips zips(entry, path, source, problems);
  Sweep sweep;
  do {
    zips.apply(sweep);
    Choice choice = read(Context{zips.source(), problems, &sweep});
    if (before + sweep.combinations() > kMostEntries) {
      problems.add(
          fmt::format("{}: sweeps that make {:.4g} entries of this list; at most {} are read",
                      where, before + sweep.combinations(), kMostEntries));
      return;
    }
    check_name(choice.name, where, problems);
    choice.name += sweep.suffix();
    choices.push_back(std::move(choice));
  } while (sweep.advance());
}

}  // namespace

std::vector<ModelChoice> read_models(const YAML::Node& list, i64 default_seed, const Source& source,
                                     Problems& problems) {
  std::vector<ModelChoice> models;
  each_entry(list, "models", source, problems, [&](const auto& entry, const auto& path) {
    read_sweep(models, entry, path, source, problems, [&](const Context& context) {
      return read_model(entry, path, default_seed, context);
    });
  });
  return models;
}

std::vector<BackendChoice> read_backends(const YAML::Node& list, const Source& source,
                                         Problems& problems) {
  std::vector<BackendChoice> backends;
  each_entry(list, "backends", source, problems, [&](const auto& entry, const auto& path) {
    read_sweep(backends, entry, path, source, problems,
               [&](const Context& context) { return read_backend(entry, path, context); });
  });
  return backends;
}

std::vector<TaskChoice> read_tasks(const YAML::Node& list, const Source& source,
                                   Problems& problems) {
  std::vector<TaskChoice> tasks;
  each_entry(list, "tasks", source, problems, [&](const auto& entry, const auto& path) {
    read_sweep(tasks, entry, path, source, problems,
               [&](const Context& context) { return read_task(entry, path, context); });
  });
  return tasks;
}

}  // namespace longreach::harness
