// What cells will take before they run: tokens, FLOP, time and memory.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "core/record.h"
#include "harness/child.h"
#include "harness/pace.h"
#include "harness/plan.h"
#include "metrics/work.h"

namespace longreach::harness {

struct Prediction {
  double tokens = 0;    ///< that the model reads, over all its passes
  double flops = 0;     ///< of all passes, a training's backward ones counted as two forward ones
  double seconds = 0;   ///< of the cell's process, from its start to its end
  i64 bytes = 0;        ///< the most that it has resident
  i64 least_bytes = 0;  ///< of `bytes`, what the sizes of weights and states say for sure
};

/// What does not depend on models.
struct Overhead {
  double seconds = 0.05;  ///< of a process that is told a cell, plans it and ends
  i64 bytes = 0;          ///< that it has resident
  double peak = 0;        ///< FLOP/s of multiply-adds with as many threads as cells have
  bool timed = false;     ///< measured; what else predictions need may be timed then, too
};

/// Starts this program a few times to do what a cell's process does before and after the cell.
Overhead probe_overhead(const ChildCommand&);
/// Without starting or timing anything: for scripts, whose results do not depend on the moment.
Overhead assumed_overhead();

/// Predicts the cells of an experiment. What predictions have in common is worked out once: text is
/// read for each model that reads it, and a model is probed under each backend.
class Predictor {
 public:
  Predictor(const Experiment&, const Overhead&);
  ~Predictor();

  /// Predicts these cells, after probes of what they need that take about `seconds` together (0:
  /// none), and lets go of their data.
  void prepare(const std::vector<Cell>&, double seconds);

  Prediction of(const Cell&);

  /// Why the cell cannot run in so many bytes, with the longest length that does; "" when it can.
  std::string why_not(const Cell&, i64 limit);

 private:
  struct Subject;  // a model under a backend
  struct Source;   // a task's data as a model reads it
  void probe(const std::vector<Cell>&, double seconds);
  Subject& subject(const Cell&);
  Subject& baseline_of(const Cell&);
  const Source& source(const Cell&);
  const metrics::Work& work(const Cell&, i64 length);
  Prediction measured(const Cell&, i64 length);
  Prediction trained(const Cell&);

  const Experiment& experiment_;
  const Overhead overhead_;
  std::map<std::pair<std::size_t, std::size_t>, std::unique_ptr<Subject>> subjects_;
  std::map<std::pair<std::size_t, std::string>, std::unique_ptr<Source>> sources_;
  std::map<std::tuple<std::size_t, std::size_t, i64>, metrics::Work> works_;
  std::map<std::tuple<CellKind, std::size_t, std::size_t, std::size_t, i64>, Prediction>
      predictions_;
};

/// Seconds of each cell's process; none of one that cannot run in `limit` bytes.
std::vector<double> predicted_seconds(Predictor&, const std::vector<Cell>&, i64 limit);

/// Fills in the columns of what was predicted.
void tell_predicted(Predictor&, const Cell&, CellInfo&);

}  // namespace longreach::harness
