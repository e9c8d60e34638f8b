// What the process of one cell is told.
#include "harness/job.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "attention/backend.h"
#include "core/error.h"
#include "datasets/dataset.h"
#include "harness/imports.h"
#include "metrics/metric.h"

namespace longreach::harness {
namespace {

using Json = nlohmann::json;

Json to_json(const Component& c) {
  Json parts = Json::array();
  for (const Component& part : c.parts) parts.push_back(to_json(part));
  return {{"type", c.type},           {"params", c.params}, {"where", c.where},
          {"version", c.version},     {"sha", c.sha},       {"rope_keys", c.rope_keys},
          {"parts", std::move(parts)}};
}

/// Its plugin is the one that this process loaded: another than planned with changes the cell's id.
template <class Registry>
Component component(const Json& json) {
  Component c{.type = json.at("type"),
              .params = json.at("params"),
              .where = json.at("where"),
              .version = json.at("version"),
              .sha = json.at("sha"),
              .plugin = {},
              .rope_keys = json.at("rope_keys"),
              .parts = {}};
  for (const Json& part : json.at("parts")) c.parts.push_back(component<Registry>(part));
  if (c.parts.empty()) c.plugin = Registry::instance().find(c.type).plugin;
  return c;
}

Json to_json(const BackendChoice& b) {
  Json layers = Json::array();
  for (const Component& layer : b.layers) layers.push_back(to_json(layer));
  return {{"name", b.name},
          {"where", b.where},
          {"layers", std::move(layers)},
          {"stack", static_cast<int>(b.stack)},
          {"baseline", b.baseline},
          {"weights_of", b.weights_of},
          {"longest", b.longest},
          {"heads", b.heads}};
}

/// Its budget of state has been turned into parameters.
BackendChoice backend(const Json& json) {
  BackendChoice b{.name = json.at("name"),
                  .where = json.at("where"),
                  .layers = {},
                  .stack = static_cast<Stack>(json.at("stack").get<int>()),
                  .baseline = json.at("baseline"),
                  .weights_of = json.at("weights_of"),
                  .longest = json.at("longest"),
                  .heads = json.at("heads"),
                  .budget = {}};
  for (const Json& layer : json.at("layers"))
    b.layers.push_back(component<attention::AttentionRegistry>(layer));
  return b;
}

Json to_json(const Training& t, const Cell& cell) {
  Training alone = t;
  alone.seeds = {cell.seed};
  alone.lr = {cell.lr.value_or(t.lr[0])};
  return {
      {"data", to_json(t.data)}, {"params", canonical(t.params)}, {"training", canonical(alone)}};
}

Training training(const Json& json) {
  Training t;
  t.data = component<datasets::DatasetRegistry>(json.at("data"));
  visit_params(json.at("params"), [&t](Fields& f) { t.params.fields(f); });
  visit_params(json.at("training"), [&t](Fields& f) { t.fields(f); });
  return t;
}

Json to_json(const ModelChoice& m, const Cell& cell) {
  Json json = {{"name", m.name},
               {"where", m.where},
               {"vocabulary", static_cast<int>(m.vocabulary)},
               {"tokens", m.architecture.vocabulary},
               {"architecture", canonical(m.architecture)}};
  if (m.import) {
    json["import"] = {{"path", m.import->path},
                      {"tokenizer", m.import->tokenizer},
                      {"sha", m.import->sha},
                      {"stamp", m.import->stamp}};
  }
  if (m.training) json["training"] = to_json(*m.training, cell);
  return json;
}

ModelChoice model_choice(const Json& json, const std::string& folder) {
  ModelChoice m;
  m.name = json.at("name");
  m.where = json.at("where");
  m.vocabulary = static_cast<Vocabulary>(json.at("vocabulary").get<int>());
  visit_params(json.at("architecture"), [&m](Fields& f) { m.architecture.fields(f); });
  m.architecture.vocabulary = json.at("tokens");
  if (json.contains("training")) m.training = training(json.at("training"));
  if (json.contains("import")) {
    const Json& import = json.at("import");
    m.import = ImportChoice{.path = import.at("path"), .tokenizer = import.at("tokenizer")};
    m.import->sha = import.at("sha");
    m.import->stamp = import.at("stamp");
    resolve_import(m, folder);
  }
  return m;
}

/// For the one backend: other names that it lists are not there to be looked up.
Json to_json(const TaskChoice& t, const BackendChoice& used) {
  Json json = {{"name", t.name},   {"where", t.where},     {"metric", to_json(t.metric)},
               {"model", t.model}, {"lengths", t.lengths}, {"backends", {used.name}}};
  if (t.data) json["data"] = to_json(*t.data);
  return json;
}

TaskChoice task(const Json& json) {
  TaskChoice t{.name = json.at("name"),
               .where = json.at("where"),
               .metric = component<metrics::MetricRegistry>(json.at("metric")),
               .data = {},
               .model = json.at("model"),
               .backends = json.at("backends"),
               .lengths = json.at("lengths")};
  if (json.contains("data")) t.data = component<datasets::DatasetRegistry>(json.at("data"));
  return t;
}

Experiment experiment_in(const Json& json) {
  Experiment e;
  e.name = json.at("name");
  e.output = json.at("output");
  e.seed = json.at("seed");
  e.file = json.at("file");
  e.folder = json.at("folder");
  visit_params(json.at("statistics"), [&e](Fields& f) { e.statistics.fields(f); });
  visit_params(json.at("limits"), [&e](Fields& f) { e.limits.fields(f); });
  e.models = {model_choice(json.at("model"), e.folder)};
  for (const Json& one : json.at("backends")) e.backends.push_back(backend(one));
  if (json.contains("task")) e.tasks = {task(json.at("task"))};
  return e;
}

}  // namespace

std::string job_text(const Experiment& experiment, const Cell& cell) {
  const BackendChoice& own = experiment.backends[cell.backend];
  const BackendChoice* baseline = experiment.baseline();
  Json backends = Json::array();
  for (const BackendChoice& one : experiment.backends) {
    const bool needed = &one == &own || &one == &experiment.weights_of(own) || &one == baseline ||
                        (baseline && &one == &experiment.weights_of(*baseline));
    if (needed) backends.push_back(to_json(one));
  }
  Json json = {{"cell", cell.id},
               {"name", experiment.name},
               {"output", experiment.output},
               {"seed", experiment.seed},
               {"file", experiment.file},
               {"folder", experiment.folder},
               {"statistics", canonical(experiment.statistics)},
               {"limits", canonical(experiment.limits)},
               {"model", to_json(experiment.models[cell.model], cell)},
               {"backends", std::move(backends)}};
  if (cell.kind == CellKind::measure) {
    json["task"] = to_json(experiment.tasks[cell.task], own);
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Job read_job(const std::string& text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("cell")) {
    throw error("no job for a cell; `longreach run` starts these processes");
  }
  const std::string id = json.at("cell");
  Job job{.experiment = experiment_in(json), .cell = {}};
  const std::vector<Cell> plan = make_plan(job.experiment);
  const auto found = std::ranges::find(plan, id, &Cell::id);
  if (found == plan.end()) {
    throw error("cell {}: what it depends on changed while the run went on; run again", id);
  }
  job.cell = *found;
  return job;
}

}  // namespace longreach::harness
