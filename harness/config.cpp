// An experiment, as read from a YAML file.
#include "harness/config.h"

#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "harness/config_sections.h"
#include "harness/validation.h"

namespace longreach::harness {
namespace {

struct Header {
  i64 version = 0, seed = 0;
  std::string name, output;
};

void apply_overrides(YAML::Node root, const Overrides& overrides, Source& source) {
  for (const std::string& set : overrides.set) apply_set(root, set, source);
  if (overrides.output) root["output"] = *overrides.output;
  if (overrides.seed) root["seed"] = *overrides.seed;
  if (overrides.seed) source.set_paths.insert("seed");
  if (overrides.lengths.empty()) return;
  YAML::Node lengths(YAML::NodeType::Sequence);
  for (const std::string& length : overrides.lengths) lengths.push_back(length);
  root["lengths"] = lengths;
  source.set_paths.insert("lengths");
  if (!root["tasks"].IsSequence()) return;
  for (YAML::Node task : root["tasks"]) {
    if (!task.IsMap()) continue;
    for (auto pair : task) {
      if (pair.second.IsMap()) pair.second.remove("lengths");
    }
  }
}

void check_header(const Header& header, const Source& source, Problems& problems) {
  if (header.version != 1) {
    problems.add(fmt::format("{}: needs version: 1 (found {}); this program reads no other",
                             source.file, header.version));
  }
  const auto plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
  };
  if (header.name.empty() || !std::all_of(header.name.begin(), header.name.end(), plain) ||
      header.name.starts_with('.')) {
    problems.add(fmt::format("{}: needs a name of letters, digits, '.', '_' and '-' (found '{}')",
                             source.file, header.name));
  }
}

}  // namespace

std::string BackendChoice::type() const {
  std::vector<std::string> types;
  for (const Component& layer : layers) {
    if (std::find(types.begin(), types.end(), layer.type) == types.end()) {
      types.push_back(layer.type);
    }
  }
  return fmt::format("{}", fmt::join(types, "+"));
}

std::string BackendChoice::params() const {
  if (layers.size() == 1) return layers[0].params;
  std::vector<std::string> each;
  for (const Component& layer : layers) {
    each.push_back(fmt::format("{{{}: {{{}}}}}", layer.type, layer.params));
  }
  return fmt::format("[{}]", fmt::join(each, ", "));
}

std::string BackendChoice::settings() const {
  if (heads == 0) return params();
  return fmt::format("heads: {}{}{}", heads, params().empty() ? "" : ", ", params());
}

const BackendChoice& Experiment::weights_of(const BackendChoice& backend) const {
  if (backend.weights_of.empty()) return backend;
  const auto found = std::ranges::find(backends, backend.weights_of, &BackendChoice::name);
  return found == backends.end() ? backend : *found;
}

const BackendChoice* Experiment::baseline() const {
  const auto found = std::ranges::find(backends, true, &BackendChoice::baseline);
  return found == backends.end() ? nullptr : &*found;
}

bool Experiment::pairs(const ModelChoice& model, const BackendChoice& backend) const {
  bool measured = false;
  for (const TaskChoice& task : tasks) {
    if (task.model != model.name) continue;
    measured = true;
    for (const BackendChoice& other : backends) {
      const bool same = &other == &backend || &weights_of(other) == &backend;
      if (same && task.uses(other)) return true;
    }
  }
  return !measured;
}

bool TaskChoice::uses(const BackendChoice& backend) const {
  return backends.empty() || std::any_of(backends.begin(), backends.end(), [&](const auto& wanted) {
           return named(backend.name, wanted);
         });
}

void VirtualRepetition::fields(Fields& f) {
  f("share", share, between(0, 1),
    "share of the samples in which one segment of filler counts many times over in a compressive "
    "memory, as in a far longer context; 0 = none");
  f("after", after, between(0, 1), "share of the steps before the first such sample");
  f("ramp", ramp, between(0, 1),
    "share of the steps over which the most times rise from 1 to `most`, by equal factors");
  f("most", most, between(1, 1e9, Unit::count),
    "most times; each sample's are log-uniform between 1 and these");
}

void Training::fields(Fields& f) {
  f("lr", lr, at_least(1e-12), "learning rates; each trains models of its own");
  f("seeds", seeds, at_least(0), "each trains models of its own; default: the experiment's seed");
  f("length", length, at_least(2, Unit::count), "longest training sample in tokens");
  f("shortest", shortest, at_least(0, Unit::count),
    "shortest training sample in tokens, lengths between being log-uniform; 0 = length");
  f("ramp", ramp, between(0, 1),
    "share of the steps over which the longest allowed rises from shortest to length");
  f("virtual_repetition", virtual_repetition, "");
  f("from", from, "drawn: weights as drawn for the seed; imported: those of the model's import");
  f("train_only", train_only, "all weights, or only the gates and whatever else backends add");
  f("gates_first", gates_first, between(0, 1),
    "share of the steps, from the first, in which only these learn");
  f("recompute", params.recompute, at_least(0, Unit::count),
    "tokens of a sample whose activations are held at once and computed twice; 0 = all, once");
  f("checkpoint", checkpoint, at_least(0, Unit::seconds),
    "seconds between checkpoints, from which a training that was cut off goes on");
  f("spike", spike, at_least(0),
    "nats by which a step's loss may exceed the median of the last 100 before training stops with "
    "that reason; 0 = any");
}

void StatisticsChoice::fields(Fields& f) {
  f("confidence", confidence, between(0.5, 0.9999), "level of the intervals");
  f("bootstrap", bootstrap, between(10, 1e7, Unit::count), "resamples");
  f("baseline", baseline, "the backend that others are compared with");
  f("correction", correction, "for several comparisons in one table");
  f("effective_threshold", effective_threshold, between(0, 1),
    "what a score must reach at a length, and at all shorter ones, for the effective length");
  f("effective_relative", effective_relative,
    "the threshold is a share of the score at the shortest length, not the score itself");
}

void Limits::fields(Fields& f) {
  f("memory", memory, at_least(0, Unit::bytes),
    "memory that one cell's process may have resident; 0 = 90% of the machine's or container's");
  f("time_per_cell", time_per_cell, at_least(0, Unit::seconds),
    "wall time of one cell; 0 = no limit");
  f("on_oom", on_oom, "after a cell runs out of memory or time: skip its longer lengths or go on");
}

std::string_view sweep_base(std::string_view name) { return name.substr(0, name.find(' ')); }

bool named(std::string_view name, std::string_view wanted) {
  return name == wanted || sweep_base(name) == wanted;
}

void visit_params(const std::string& canonical, const std::function<void(Fields&)>& visit,
                  const std::vector<std::pair<std::string, std::string>>& replaced) {
  YAML::Node node = YAML::Load(fmt::format("{{{}}}", canonical));
  for (const auto& [key, value] : replaced) node[key] = value;
  const Source source{.file = canonical, .set_paths = {}};
  Problems problems;
  YamlFields reader(node, "", {source, problems});
  visit(reader);
  reader.finish();
  problems.raise();
}

std::optional<std::string> param(const std::string& canonical, const std::string& key) {
  const YAML::Node node = YAML::Load(fmt::format("{{{}}}", canonical));
  const YAML::Node value = node[key];
  if (!value.IsDefined() || !value.IsScalar()) return std::nullopt;
  return value.Scalar();
}

Experiment read_experiment_text(const std::string& text, const std::string& file,
                                const Overrides& overrides) {
  Source source{.file = file, .set_paths = {}};
  Problems problems;
  YAML::Node root = parse_yaml(text, file);
  if (!root.IsMap()) throw error("{}: expected a mapping with version, name, models, ...", file);
  apply_overrides(root, overrides, source);

  Experiment experiment;
  experiment.file = file;
  experiment.written = text;
  YamlFields reader(root, "", {source, problems});
  Header header;
  reader("version", header.version, Range{}, "");
  reader("name", header.name, "");
  reader("seed", header.seed, at_least(0), "");
  reader("output", header.output, "");
  check_header(header, source, problems);
  experiment.name = header.name;
  experiment.seed = header.seed;
  experiment.output = header.output.empty() ? "runs/" + header.name : header.output;
  experiment.models = read_models(reader.claim("models"), header.seed, source, problems);
  experiment.backends = read_backends(reader.claim("backends"), source, problems);
  reader("lengths", experiment.lengths, at_least(1, Unit::count), "");
  experiment.tasks = read_tasks(reader.claim("tasks"), source, problems);
  reader("statistics", experiment.statistics, "");
  reader("limits", experiment.limits, "");
  reader.finish();
  if (!overrides.folder.empty()) experiment.folder = overrides.folder;
  problems.raise();

  for (std::string& problem : validate(experiment)) problems.add(std::move(problem));
  problems.raise();
  experiment.edited = YAML::Dump(root) + "\n";
  return experiment;
}

Experiment read_experiment(const std::string& file, const Overrides& overrides) {
  Overrides with_folder = overrides;
  if (with_folder.folder.empty()) {
    with_folder.folder = std::filesystem::absolute(file).parent_path().string();
  }
  return read_experiment_text(read_configuration_file(file), file, with_folder);
}

}  // namespace longreach::harness
