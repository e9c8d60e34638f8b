// Lists a model's parameters and draws their start values.
#include "model/layout.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace longreach::model {
namespace {

class Planner {
 public:
  explicit Planner(ParameterPlan& plan) : plan_(plan) {}

  /// [out, in], normal with deviation share / sqrt(in).
  i64 matrix(std::string name, i64 out, i64 in, bool decays = true, double share = 1) {
    return add({std::move(name), {out, in}, 0, 0, 1, decays},
               {share / std::sqrt(static_cast<double>(in)), 0});
  }
  i64 scale(std::string name, i64 width) {
    return add({std::move(name), {width}, 0, 0, 1, false}, {0, 1});
  }
  i64 bias(std::string name, i64 width) {
    return add({std::move(name), {width}, 0, 0, 1, false}, {0, 0});
  }
  i64 add(Parameter parameter, Start start) {
    const auto same = [&](const Parameter& other) { return other.name == parameter.name; };
    check(std::ranges::none_of(plan_.parameters, same), "two parameters of one name");
    parameter.offset = plan_.size;
    parameter.size = Tensor::count(parameter.shape);
    plan_.size += parameter.size;
    plan_.parameters.push_back(parameter);
    plan_.starts.push_back(start);
    return parameter.offset;
  }
  Parameter& last() { return plan_.parameters.back(); }
  i64 size() const { return plan_.size; }

 private:
  ParameterPlan& plan_;
};

LayerOffsets plan_layer(Planner& planner, const std::string& prefix, const Architecture& a,
                        const attention::Backend& backend) {
  // Sums of 2 * layers residual branches keep the size of one (GPT-2, Radford et al. 2019).
  const double residual = 1 / std::sqrt(2.0 * static_cast<double>(a.layers));
  const i64 queries = a.heads * a.head_dim, keys = a.kv_heads * a.head_dim;
  LayerOffsets at;
  at.attention_norm = planner.scale(prefix + "attention_norm", a.width);
  at.qkv = planner.matrix(prefix + "attention.query", queries, a.width);
  planner.matrix(prefix + "attention.key", keys, a.width);
  planner.matrix(prefix + "attention.value", keys, a.width);
  for (const attention::ProjectionSpec& spec : backend.projections()) {
    planner.matrix(prefix + "attention." + spec.name, spec.size, a.width);
    planner.last().of_backend = true;
  }
  if (a.qkv_bias) {
    at.qkv_bias = planner.bias(prefix + "attention.query_bias", queries);
    planner.bias(prefix + "attention.key_bias", keys);
    planner.bias(prefix + "attention.value_bias", keys);
  }
  at.attention_output =
      planner.matrix(prefix + "attention.output", a.width, queries, true, residual);
  at.backend = planner.size();
  for (const attention::WeightSpec& spec : backend.weights()) {
    planner.add({prefix + "attention." + spec.name, spec.shape, 0, 0, spec.learning_rate_scale,
                 spec.decays},
                {0, spec.initial});
    planner.last().of_backend = true;
  }
  at.backend_size = planner.size() - at.backend;
  at.mlp_norm = planner.scale(prefix + "mlp_norm", a.width);
  at.mlp_in = planner.size();
  if (a.mlp == Mlp::swiglu) planner.matrix(prefix + "mlp.gate", a.hidden, a.width);
  planner.matrix(prefix + "mlp.up", a.hidden, a.width);
  at.mlp_down = planner.matrix(prefix + "mlp.down", a.width, a.hidden, true, residual);
  return at;
}

}  // namespace

ParameterPlan plan_parameters(
    const Architecture& architecture,
    const std::vector<std::shared_ptr<const attention::Backend>>& backends) {
  ParameterPlan plan;
  Planner planner(plan);
  Offsets& at = plan.offsets;
  at.embedding = planner.matrix("embedding", architecture.vocabulary, architecture.width, false);
  for (std::size_t layer = 0; layer < backends.size(); ++layer) {
    at.layers.push_back(
        plan_layer(planner, fmt::format("layers.{}.", layer), architecture, *backends[layer]));
  }
  at.norm = planner.scale("norm", architecture.width);
  at.output = architecture.tied
                  ? at.embedding
                  : planner.matrix("output", architecture.vocabulary, architecture.width);
  return plan;
}

Floats constant_values(const ParameterPlan& plan) {
  Floats values(static_cast<std::size_t>(plan.size));
  for (std::size_t i = 0; i < plan.parameters.size(); ++i) {
    const Parameter& parameter = plan.parameters[i];
    if (plan.starts[i].deviation > 0 || plan.starts[i].constant == 0) continue;
    std::fill_n(values.data() + parameter.offset, parameter.size, plan.starts[i].constant);
  }
  return values;
}

void draw_values(const ParameterPlan& plan, const Rng& rng, Floats& values) {
  for (std::size_t i = 0; i < plan.parameters.size(); ++i) {
    const Parameter& parameter = plan.parameters[i];
    const double deviation = plan.starts[i].deviation;
    if (!(deviation > 0)) continue;
    Rng own = rng.fork(parameter.name);
    std::generate_n(values.data() + parameter.offset, parameter.size,
                    [&] { return static_cast<float>(deviation * own.normal()); });
  }
}

}  // namespace longreach::model
