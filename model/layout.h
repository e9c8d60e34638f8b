// Where each tensor of a model lies in its flat parameter vector, and how it starts.
#pragma once

#include <memory>
#include <vector>

#include "core/random.h"
#include "model/block.h"

namespace longreach::model {

struct Offsets {
  i64 embedding = 0;  ///< [vocabulary, width]
  std::vector<LayerOffsets> layers;
  i64 norm = 0;    ///< [width]
  i64 output = 0;  ///< [vocabulary, width]; the embedding's when tied
};

/// How a parameter starts: normally distributed when deviation > 0, else constant.
struct Start {
  double deviation = 0;
  float constant = 0;
};

struct ParameterPlan {
  std::vector<Parameter> parameters;  ///< in the order of their offsets, without gaps
  std::vector<Start> starts;          ///< one a parameter
  Offsets offsets;
  i64 size = 0;  ///< floats in all
};

/// The parameters of a resolved architecture whose layer l attends through backends[l].
ParameterPlan plan_parameters(
    const Architecture& architecture,
    const std::vector<std::shared_ptr<const attention::Backend>>& backends);

/// The start values that are not drawn, and 0 for those that are.
Floats constant_values(const ParameterPlan& plan);

/// Draws the others. Each tensor draws from a fork of `rng` by its own name, so that no tensor's
/// numbers depend on which others there are.
void draw_values(const ParameterPlan& plan, const Rng& rng, Floats& values);

}  // namespace longreach::model
