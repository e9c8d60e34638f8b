// The sections of a configuration, each read from its own list.
#pragma once

#include <vector>
#include <yaml-cpp/yaml.h>

#include "harness/config.h"
#include "harness/validation.h"
#include "harness/yaml_reader.h"

namespace longreach::harness {

/// What stands at the top of a configuration, but for its lists of entries.
struct Header {
  i64 version = 0, seed = 0;
  std::string name, output;
  std::vector<i64> lengths;
  StatisticsChoice statistics;
  Limits limits;
  void fields(Fields&);
};

/// The keys of entries that hold single values; what else they hold is read by hand.
void model_fields(Fields&, ModelChoice&);
void import_fields(Fields&, ImportChoice&);
void architecture_fields(Fields&, ModelChoice&);
void backend_fields(Fields&, BackendChoice&);
void task_fields(Fields&, TaskChoice&);         ///< beside the metric
void task_metric_fields(Fields&, TaskChoice&);  ///< among the metric's parameters

/// read_experiment_text() of that scope.
Experiment read_experiment_text(const std::string& text, const std::string& file, const Overrides&,
                                Scope);

/// Each reads a list (an undefined node is an empty one), adding what is wrong to the problems.
/// Sweeps inside an entry make several entries, their names telling the values.
std::vector<ModelChoice> read_models(const YAML::Node&, i64 default_seed, const Source&, Problems&);
std::vector<BackendChoice> read_backends(const YAML::Node&, const Source&, Problems&);
std::vector<TaskChoice> read_tasks(const YAML::Node&, const Source&, Problems&);

}  // namespace longreach::harness
