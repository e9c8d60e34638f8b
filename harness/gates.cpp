// The gates of a model while it trains.
#include "harness/gates.h"

#include <cmath>
#include <fmt/format.h>

#include "core/error.h"
#include "harness/history.h"

namespace longreach::harness {

GateWatch::GateWatch(const model::Transformer& model) : model_(model) {
  for (i64 layer = 0; layer < model.architecture().layers; ++layer) {
    const std::string name = fmt::format("layers.{}.attention.gate", layer);
    for (const model::Parameter& parameter : model.parameters()) {
      if (parameter.name != name) continue;
      for (i64 head = 0; head < parameter.size; ++head) {
        gates_.push_back({layer, head, static_cast<std::size_t>(parameter.offset + head), {}});
      }
    }
  }
}

void GateWatch::record(i64 tokens) {
  tokens_.push_back(static_cast<double>(tokens));
  for (Gate& gate : gates_) {
    const double beta = static_cast<double>(model_.weights()[gate.at]);
    gate.values.push_back(1 / (1 + std::exp(-beta)));
  }
}

std::map<std::string, std::string> GateWatch::notes() const {
  std::vector<double> values;
  for (const Gate& gate : gates_) {
    values.insert(values.end(), gate.values.begin(), gate.values.end());
  }
  return {{"gate_tokens", numbers_text(tokens_)}, {"gates", numbers_text(values)}};
}

void GateWatch::restore(const std::map<std::string, std::string>& notes) {
  tokens_ = numbers_of(notes, "gate_tokens");
  const std::vector<double> values = numbers_of(notes, "gates");
  if (values.size() != tokens_.size() * gates_.size()) {
    throw error("note 'gates' holds {} numbers where {} are expected", values.size(),
                tokens_.size() * gates_.size());
  }
  auto from = values.begin();
  for (Gate& gate : gates_) {
    gate.values.assign(from, from + std::ssize(tokens_));
    from += std::ssize(tokens_);
  }
}

std::vector<Curve> GateWatch::curves() const {
  std::vector<Curve> curves;
  for (const Gate& gate : gates_) {
    curves.push_back({.cell_id = {},
                      .name = "training/gate",
                      .x_unit = "tokens",
                      .y_unit = "1",
                      .x = tokens_,
                      .y = gate.values,
                      .series = fmt::format("layer {} head {}", gate.layer, gate.head)});
  }
  return curves;
}

std::optional<Measurement> GateWatch::travel() const {
  if (gates_.empty() || tokens_.empty()) return std::nullopt;
  double sum = 0;
  for (const Gate& gate : gates_) sum += std::abs(gate.values.back() - gate.values.front());
  Measurement m;
  m.metric = "training/gate_travel";
  m.unit = "1";
  m.value = sum / static_cast<double>(gates_.size());
  m.n = static_cast<i64>(gates_.size());
  m.ci_method = "every gate of one run";
  return m;
}

}  // namespace longreach::harness
