// The metric contract: measurements of one model on one dataset at one context length.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/random.h"
#include "core/record.h"
#include "core/registry.h"
#include "datasets/dataset.h"
#include "metrics/work.h"
#include "model/transformer.h"

namespace longreach::metrics {

/// How intervals are made.
struct Statistics {
  double confidence = 0.95;
  i64 bootstrap = 2000;
};

/// What a metric may look at. Views: holds nothing.
struct Session {
  const model::Transformer& model;
  const datasets::Tokenizer& tokenizer;
  const datasets::Dataset* data;  ///< the task's data; nullptr when the task names none
  i64 context_length;             ///< this cell's
  std::span<const i64> lengths;   ///< all context lengths of the task, ascending
  Rng rng;                        ///< the task's own: the same for every backend
  Statistics statistics;
  i64 segment = 0;  ///< the backend's segment or window, 0 when it has none
  /// The same weights under the baseline backend, and that one's name; for metrics that need it.
  const model::Transformer* baseline = nullptr;
  std::string_view baseline_name = {};
};

class Metric {
 public:
  virtual ~Metric() = default;
  virtual i64 version() const = 0;  ///< raised when generation or scoring changes
  /// Throws Error when the task cannot be done at that length. Every value comes with its n and
  /// with an interval or, in ci_method, why it has none ("exact"): else the cell fails.
  virtual Findings measure(const Session&) const = 0;
  /// The registered dataset to use when the task names none; "" when the metric needs none.
  virtual std::string default_data() const { return ""; }
  /// Whether measure() looks at Session::baseline. Then a cell's backend must share its weights
  /// with the baseline.
  virtual bool needs_baseline() const { return false; }
  /// About what measure() makes the model do, for the plan's predictions; by default one reading of
  /// the context. Never throws for what measure() would refuse.
  virtual Work work(const Prospect&) const;
};

using MetricRegistry = Registry<Metric>;

}  // namespace longreach::metrics

namespace longreach {
template <>
metrics::MetricRegistry& metrics::MetricRegistry::instance();
}
