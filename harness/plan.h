// The cells of an experiment: what is trained and what is measured, each named by a hash of every
// input that its result depends on.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "harness/config.h"

namespace longreach::harness {

enum class CellKind { train, measure };

struct Cell {
  std::string id;  ///< first 16 hex digits of the SHA-256 of all that its result depends on
  CellKind kind = CellKind::measure;
  std::size_t model = 0, backend = 0, task = 0;  ///< indices into the experiment; no task to train
  std::optional<i64> length;                     ///< tokens; nothing to train
  i64 seed = 0;                                  ///< of the weights
  std::optional<double> lr;                      ///< nothing for models that are not trained
  std::string trained;                           ///< the train cell whose weights it needs, or ""
};

/// What results depend on besides an experiment.
struct Surroundings {
  std::string build;    ///< what the last digits of results depend on
  std::string machine;  ///< what timings depend on as well: its fingerprint

  /// Of this program, here.
  static Surroundings here();
};

/// All cells, each after the one it needs, lengths ascending within a task. Timings and sizes
/// (depends_on_weights()) are measured for the first seed and learning rate only.
std::vector<Cell> make_plan(const Experiment&, const Surroundings& = Surroundings::here());

/// Which cells of a plan to run; empty lists mean all. Training needed by a chosen cell is
/// included.
struct Selection {
  std::vector<std::string> backends{}, tasks{}, models{};
};
/// Throws Error for a name that is not in the experiment.
std::vector<Cell> select(const Experiment&, const std::vector<Cell>& plan, const Selection&);

/// Whether it measures the machine (not depends_on_weights()).
bool is_timing(const Experiment&, const Cell&);

/// "reader window passkey 4k seed 1 lr 0.004", for people.
std::string label_of(const Experiment&, const Cell&);

}  // namespace longreach::harness
