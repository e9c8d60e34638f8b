// An experiment, as read from a YAML file: models, backends, lengths, tasks and how to judge them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/fields.h"
#include "datasets/tokenizer.h"
#include "model/import.h"
#include "model/trainer.h"
#include "model/transformer.h"

namespace longreach::harness {

/// A registered thing and its parameters.
struct Component {
  std::string type;         ///< the registered name
  std::string params;       ///< canonical text, defaults filled in
  std::string where;        ///< for messages: "sweep.yaml:9 backends[1].infini"
  i64 version = 0;          ///< a dataset's or metric's, filled in by validation
  std::string sha;          ///< a dataset's content, filled in by validation
  std::string plugin = {};  ///< SHA-256 of the shared library `type` came from; "" = built in
  std::vector<std::string> rope_keys = {};  ///< the keys under `rope` that the file names
  std::vector<Component> parts = {};        ///< of a "mix" of datasets, which has no params
};

/// State that one stream of a model may take, and the parameter that is to fill it.
struct StateBudget {
  i64 bytes = 0;      ///< at the longest context measured; 0 = no budget
  std::string solve;  ///< an integer parameter of the backend, or "heads"
  // Filled in by validation:
  i64 value = 0;    ///< of that parameter
  i64 reached = 0;  ///< bytes with that value
  i64 length = 0;   ///< the context length, tokens
};

/// How a backend's components fill the layers of a model.
enum class Stack {
  plain,    ///< one component for all layers
  listed,   ///< one for each layer
  pattern,  ///< repeated over the layers
};

struct BackendChoice {
  std::string name, where;
  std::vector<Component> layers;
  Stack stack = Stack::plain;
  bool baseline = false;
  std::string weights_of;  ///< the backend whose trained weights it runs with; "" = its own
  i64 longest = 0;         ///< context length beyond which it is not measured; 0 = none
  i64 heads = 0;           ///< in place of the model's; 0 = the model's
  StateBudget budget;
  const Component& layer(i64 index) const {
    return layers[static_cast<std::size_t>(index) % layers.size()];
  }
  std::string type() const;      ///< "infini", or "infini+full" for several
  std::string params() const;    ///< canonical; of several, a list of {type: {...}}
  std::string settings() const;  ///< params(), after "heads: 2" when it sets the heads
};

/// Virtual repetition: one segment of filler counts many times over when a compressive memory is
/// written, so that short samples show training the memories of far longer contexts. The most times
/// rise from 1 to `most` by equal factors.
struct VirtualRepetition {
  double share = 0;     ///< of the samples; 0 = off
  double after = 0.25;  ///< share of the steps before the first
  double ramp = 0.5;    ///< share of the steps over which the most times rise
  double most = 65536;
  void fields(Fields&);
};

/// The longest context that is measured and the longest sample that is trained on, tokens. A sample
/// is drawn whole.
inline constexpr i64 kLongestContext = i64{1} << 30;
inline constexpr i64 kLongestSample = i64{1} << 24;

/// What a training begins with.
enum class StartFrom { drawn, imported };
/// What learns.
enum class TrainOnly {
  all,
  gates  ///< the backends' own weights
};

struct Training {
  Component data;
  model::TrainParams params;  ///< its lr is one of `lr`
  std::vector<double> lr;
  std::vector<i64> seeds;
  i64 length = 512;   ///< longest sample, tokens
  i64 shortest = 0;   ///< shortest sample, tokens; 0 = length
  double ramp = 0.5;  ///< share of the steps over which the longest allowed rises to `length`
  VirtualRepetition virtual_repetition;
  StartFrom from = StartFrom::drawn;
  TrainOnly train_only = TrainOnly::all;
  double gates_first = 0;  ///< share of the steps in which only the backends' own weights learn
  // What follows changes no result that is finished.
  double checkpoint = 30;  ///< seconds between checkpoints
  double spike = 3;        ///< nats that a loss may lie above the last steps' median; 0 = any
  void fields(Fields&);
};

enum class Vocabulary { bytes, task };

/// Weights that others trained.
struct ImportChoice {
  std::string path;       ///< as written: a llama2.c .bin file or a Hugging Face folder
  std::string tokenizer;  ///< as written: a file, a folder, or "bytes"; "" = that of the folder
  // Filled in by validation:
  std::string found, sha;  ///< where `path` was found; hash of its contents
  std::string stamp{};     ///< of the files when they were hashed: inode, size, time of change
  model::ImportedModel headers{};
  std::shared_ptr<const datasets::Tokenizer> made_tokenizer{};
};

struct ModelChoice {
  std::string name, where;
  model::Architecture
      architecture;  ///< as written; resolved and with a vocabulary after validation
  Vocabulary vocabulary = Vocabulary::bytes;
  std::optional<ImportChoice> import;  ///< in place of `arch`
  std::optional<Training> training;    ///< absent: the weights stay as drawn, or as imported
};

struct TaskChoice {
  std::string name, where;
  Component metric;
  std::optional<Component> data;
  std::string model;                  ///< "" in a file means the only one, or the first (timings)
  std::vector<std::string> backends;  ///< by full or sweep name; empty = all
  std::vector<i64> lengths;           ///< ascending
  bool uses(const BackendChoice&) const;
};

enum class Correction { holm, none };
enum class OnOom { skip_longer, keep_going };

struct StatisticsChoice {
  double confidence = 0.95;
  i64 bootstrap = 2000;
  std::string baseline;
  Correction correction = Correction::holm;
  double effective_threshold = 0.85;
  bool effective_relative = true;
  std::string where = {};  ///< the baseline's place, for messages
  void fields(Fields&);
};

struct Limits {
  i64 memory = 0;
  double time_per_cell = 0;
  double stall = 600;
  OnOom on_oom = OnOom::skip_longer;
  void fields(Fields&);
};

struct Experiment {
  std::string name, output;
  i64 seed = 0;
  std::vector<ModelChoice> models;
  std::vector<BackendChoice> backends;
  std::vector<i64> lengths;
  std::vector<TaskChoice> tasks;
  StatisticsChoice statistics;
  Limits limits;
  std::string file;     ///< as named
  std::string folder;   ///< of the file: where relative paths are looked for second
  std::string written;  ///< the file's bytes; `edited` when other files or variables belong to it
  /// The file with what it includes, the variables that it names, and --set, --seed, --lengths and
  /// --output applied, as YAML that stands alone.
  std::string edited;

  /// The backend that trains what `backend` runs with: itself, or an earlier one.
  const BackendChoice& weights_of(const BackendChoice& backend) const;
  /// The backend that differences are taken from; nullptr when none is marked.
  const BackendChoice* baseline() const;
  /// Whether there is anything to do for that model with that backend: a task measures the two
  /// together, or with another backend that has this one's weights; or no task measures the model.
  bool pairs(const ModelChoice&, const BackendChoice&) const;
};

/// What the command line changes in a configuration.
struct Overrides {
  std::vector<std::string> set;      ///< "path=value"
  std::vector<std::string> lengths;  ///< replaces the list, the tasks' own ones too
  std::optional<std::string> output, seed;
  std::string folder;  ///< replaces Experiment::folder; "" = the file's
};

/// The most cells that are planned.
inline constexpr double kMostCells = 1 << 20;

/// Reads and validates. Throws one Error of everything wrong with it, a line each.
Experiment read_experiment(const std::string& file, const Overrides&);

/// The same of YAML text; `file` is for messages.
Experiment read_experiment_text(const std::string& text, const std::string& file, const Overrides&);

/// "infini" for "infini update=delta": an entry's name before a sweep added to it.
std::string_view sweep_base(std::string_view name);

/// Whether `wanted` is the name or its base.
bool named(std::string_view name, std::string_view wanted);

/// Visits a struct with the values of a canonical text (Component::params), which it is known to
/// fit; keys in `replaced` get other values instead.
void visit_params(const std::string& canonical, const std::function<void(Fields&)>& visit,
                  const std::vector<std::pair<std::string, std::string>>& replaced = {});

/// One value of a canonical text at its top level, as text; nothing when absent.
std::optional<std::string> param(const std::string& canonical, const std::string& key);

}  // namespace longreach::harness

namespace longreach {
template <>
struct EnumNames<harness::Vocabulary> {
  static constexpr std::array<std::string_view, 2> names{"bytes", "task"};
};
template <>
struct EnumNames<harness::StartFrom> {
  static constexpr std::array<std::string_view, 2> names{"drawn", "imported"};
};
template <>
struct EnumNames<harness::TrainOnly> {
  static constexpr std::array<std::string_view, 2> names{"all", "gates"};
};
template <>
struct EnumNames<harness::Correction> {
  static constexpr std::array<std::string_view, 2> names{"holm", "none"};
};
template <>
struct EnumNames<harness::OnOom> {
  static constexpr std::array<std::string_view, 2> names{"skip_longer", "continue"};
};
}  // namespace longreach
