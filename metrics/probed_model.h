// Models that let what their layers are given be looked at.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "model/transformer.h"

namespace longreach::metrics {

using Backends = std::vector<std::shared_ptr<const attention::Backend>>;

/// What a layer is given: its number, its backend and that one's weights, and the chunk and the
/// state before it, good until the call returns.
struct Given {
  std::size_t layer;
  const attention::Backend& backend;
  std::span<const float> weights;
  const attention::Chunk& chunk;
  const attention::State& before;
};

/// The same model, bit for bit, which shows `look` what each layer's backend is given before each
/// forward(). One stream of calls at a time.
model::Transformer probed(const model::Transformer&, const std::function<void(const Given&)>& look);

/// The same weights under other backends, one for each layer and of the same weights.
model::Transformer under(const model::Transformer&, Backends);

/// Those of a layer's backend among the model's, in the order of its weights().
std::span<float> backend_weights(model::Transformer&, std::size_t layer);
std::span<const float> backend_weights(const model::Transformer&, std::size_t layer);

}  // namespace longreach::metrics
