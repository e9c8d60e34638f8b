// The models of probed_model.h.
#include "metrics/probed_model.h"

#include <algorithm>
#include <fmt/format.h>

#include "core/error.h"

namespace longreach::metrics {
namespace {

using attention::Backend;
using attention::Chunk;
using attention::State;

/// Another backend in all things, which shows what comes in.
class Probe final : public Backend {
 public:
  Probe(std::size_t layer, std::shared_ptr<const Backend> inner,
        std::function<void(const Given&)> look)
      : layer_(layer), inner_(std::move(inner)), look_(std::move(look)) {}

  const attention::Shape& shape() const override { return inner_->shape(); }
  std::vector<attention::WeightSpec> weights() const override { return inner_->weights(); }
  std::vector<attention::ProjectionSpec> projections() const override {
    return inner_->projections();
  }
  State initial_state(i64 batch, i64 capacity) const override {
    return inner_->initial_state(batch, capacity);
  }
  i64 state_bytes(i64 capacity) const override { return inner_->state_bytes(capacity); }
  bool appends() const override { return inner_->appends(); }
  std::vector<std::string> statistics() const override { return inner_->statistics(); }
  double state_rounding() const override { return inner_->state_rounding(); }
  void forward(std::span<const float> weights, const Chunk& in, State& state, View<float, 4> out,
               attention::Tape* tape) const override {
    look_({layer_, *inner_, weights, in, state});
    inner_->forward(weights, in, state, out, tape);
  }
  void backward(std::span<const float> weights, const Chunk& in, const attention::Tape& tape,
                View<const float, 4> d_out, State& d_state, const attention::ChunkGrad& grad,
                std::span<float> d_weights) const override {
    inner_->backward(weights, in, tape, d_out, d_state, grad, d_weights);
  }
  attention::Cost cost(i64 position, i64 tokens) const override {
    return inner_->cost(position, tokens);
  }
  std::vector<double> reference(std::span<const double> weights,
                                const attention::ReferenceStream& in) const override {
    return inner_->reference(weights, in);
  }
  std::vector<attention::Observation> inspect(std::span<const float> weights, const Chunk& in,
                                              const State& before) const override {
    return inner_->inspect(weights, in, before);
  }
  std::vector<attention::KnockOut> knock_outs(std::span<const float> weights) const override {
    return inner_->knock_outs(weights);
  }

 private:
  std::size_t layer_;
  std::shared_ptr<const Backend> inner_;
  std::function<void(const Given&)> look_;
};

/// Where they begin in the model's weights, and how many they are.
std::pair<std::size_t, std::size_t> place_of(const model::Transformer& model, std::size_t layer) {
  std::size_t begin = 0, size = 0;
  for (const attention::WeightSpec& spec : model.backends()[layer]->weights()) {
    const std::string name = fmt::format("layers.{}.attention.{}", layer, spec.name);
    const auto found = std::ranges::find(model.parameters(), name, &model::Parameter::name);
    check(found != model.parameters().end(), "a backend's weights are the model's");
    if (size == 0) begin = static_cast<std::size_t>(found->offset);
    check(begin + size == static_cast<std::size_t>(found->offset), "they follow each other");
    size += static_cast<std::size_t>(found->size);
  }
  return {begin, size};
}

}  // namespace

model::Transformer probed(const model::Transformer& model,
                          const std::function<void(const Given&)>& look) {
  Backends probes;
  for (const auto& backend : model.backends()) {
    probes.push_back(std::make_shared<Probe>(probes.size(), backend, look));
  }
  model::Transformer watched = under(model, std::move(probes));
  watched.count_with(model);  // it does the model's own work
  return watched;
}

model::Transformer under(const model::Transformer& model, Backends backends) {
  model::Transformer other(model.architecture(), std::move(backends));
  check(other.weights().size() == model.weights().size(), "backends of the same weights");
  std::ranges::copy(model.weights(), other.weights().begin());
  return other;
}

std::span<float> backend_weights(model::Transformer& model, std::size_t layer) {
  const auto [begin, size] = place_of(model, layer);
  return model.weights().subspan(begin, size);
}

std::span<const float> backend_weights(const model::Transformer& model, std::size_t layer) {
  const auto [begin, size] = place_of(model, layer);
  return model.weights().subspan(begin, size);
}

}  // namespace longreach::metrics
