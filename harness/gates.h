// The gates of a model while it trains: where each head's stood, and how far it went.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/record.h"
#include "model/transformer.h"

namespace longreach::harness {

/// Watches the weights that backends call "gate", one a query head, before the sigmoid. The model
/// must outlive it.
class GateWatch {
 public:
  explicit GateWatch(const model::Transformer&);
  /// Notes where the gates stand after `tokens` tokens.
  void record(i64 tokens);
  /// As text to keep with a checkpoint, and back. Throws Error for those of another model.
  std::map<std::string, std::string> notes() const;
  void restore(const std::map<std::string, std::string>& notes);
  /// training/gate: sigmoid of each gate by tokens; its series is "layer 0 head 3".
  std::vector<Curve> curves() const;
  /// training/gate_travel: mean of |last - first| of what curves() shows; nothing without gates.
  std::optional<Measurement> travel() const;

 private:
  struct Gate {
    i64 layer, head;
    std::size_t at;  ///< in the model's weights
    std::vector<double> values;
  };
  const model::Transformer& model_;
  std::vector<double> tokens_;
  std::vector<Gate> gates_;
};

}  // namespace longreach::harness
