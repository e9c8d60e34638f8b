// Tests metrics/probed_model.h.
#include "metrics/probed_model.h"

#include <catch2/catch.hpp>

#include "model/scoring.h"
#include "tests/metrics/models.h"
#include "tests/metrics/settings.h"

namespace longreach::metrics {
namespace {

/// Layers of infini and full with random weights, gates 0.25, -0.5, ...
model::Transformer mixed_model() {
  model::Architecture a;
  a.vocabulary = 50;
  a.layers = 2;
  a.width = 32;
  a.heads = 4;
  a.kv_heads = 2;
  const attention::Shape shape = a.resolved().attention_shape();
  const std::shared_ptr<const attention::Backend> infini =
      tests::make<attention::AttentionRegistry>("infini", {{"segment", "8"}}, shape);
  const std::shared_ptr<const attention::Backend> full =
      tests::make<attention::AttentionRegistry>("full", {}, shape);
  model::Transformer model(a, {full, infini}, Rng(3));
  float gate = 0.25F;
  for (float& beta : backend_weights(model, 1)) beta = gate, gate *= -2;
  return model;
}

std::vector<std::vector<double>> losses(const model::Transformer& model,
                                        const std::vector<Token>& tokens) {
  return model::tail_log_probabilities(model, {tokens.data(), {1, std::ssize(tokens)}}, 20);
}

const std::vector<Token> tokens = [] {
  std::vector<Token> all;
  Rng rng(4);
  for (int i = 0; i < 60; ++i) all.push_back(static_cast<Token>(rng.below(50)));
  return all;
}();

TEST_CASE("A probed model computes the same bits and shows every layer what it is given") {
  const model::Transformer model = mixed_model();
  std::vector<std::size_t> layers;
  i64 read = 0;
  const model::Transformer shown = probed(model, [&](const Given& given) {
    layers.push_back(given.layer);
    CHECK(&given.backend == model.backends()[given.layer].get());
    CHECK(given.weights.size() == (given.layer == 1 ? 4U : 0U));
    if (given.layer == 1) CHECK(given.weights[1] == -0.5F);
    CHECK(given.before.position == read);
    if (given.layer == 1) read += given.chunk.tokens();
  });
  CHECK(losses(shown, tokens) == losses(model, tokens));
  CHECK(read == 59);
  REQUIRE(layers.size() >= 2);
  for (std::size_t i = 0; i < layers.size(); ++i) CHECK(layers[i] == i % 2);
  CHECK(shown.state_bytes(100) == model.state_bytes(100));
  CHECK(shown.cost(0, 9).flops == model.cost(0, 9).flops);
}

TEST_CASE("A backend's weights are those of its layer, and can be set there") {
  model::Transformer model = mixed_model();
  CHECK(backend_weights(model, 0).empty());
  const auto gate =
      std::ranges::find(model.parameters(), "layers.1.attention.gate", &model::Parameter::name);
  REQUIRE(gate != model.parameters().end());
  CHECK(backend_weights(model, 1).data() == model.weights().data() + gate->offset);
  CHECK(backend_weights(model, 1).size() == 4);
}

TEST_CASE("Under other backends the weights are the same") {
  const model::Transformer model = mixed_model();
  Backends backends = model.backends();
  backends[0] = tests::make<attention::AttentionRegistry>("sliding_window", {{"window", "5"}},
                                                          backends[1]->shape());
  const model::Transformer other = under(model, backends);
  CHECK(std::ranges::equal(other.weights(), model.weights()));
  CHECK(losses(other, tokens) != losses(model, tokens));
}

}  // namespace
}  // namespace longreach::metrics
