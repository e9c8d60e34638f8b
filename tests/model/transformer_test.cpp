// The model's forward and backward against its definition in float64, for every backend.
#include "model/transformer.h"

#include <catch2/catch.hpp>
#include <limits>
#include <numeric>

#include "tests/model/models.h"
#include "tests/model/naive_transformer.h"

namespace longreach::model {
namespace {

/// Logits [B * T * vocabulary] of streams read in pieces of the given lengths.
Floats read_in_pieces(const Transformer& model, View<const Token, 2> tokens,
                      const std::vector<i64>& pieces) {
  const i64 batch = tokens.extent(0), count = tokens.extent(1);
  const i64 vocabulary = model.architecture().vocabulary;
  Tensor all({batch, count, vocabulary});
  StreamState state = model.initial_state(batch, count);
  i64 first = 0;
  for (const i64 length : pieces) {
    Tensor logits({batch, length, vocabulary});
    model.forward(tokens.slice(1, first, length), state, logits.view<3>(), nullptr);
    for (i64 b = 0; b < batch; ++b) {
      for (i64 t = 0; t < length; ++t) {
        std::ranges::copy(logits.view<3>().row(b, t), all.view<3>().row(b, first + t).begin());
      }
    }
    first += length;
  }
  return {all.flat().begin(), all.flat().end()};
}

/// Gradient of sum(logits * cotangent), the streams read in pieces and walked back.
Floats gradient_in_pieces(const Transformer& model, View<const Token, 2> tokens,
                          const Tensor& cotangent, const std::vector<i64>& pieces) {
  const i64 batch = tokens.extent(0), vocabulary = model.architecture().vocabulary;
  StreamState state = model.initial_state(batch, tokens.extent(1));
  std::vector<ModelTape> tapes(pieces.size());
  i64 end = 0;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    Tensor logits({batch, pieces[i], vocabulary});
    model.forward(tokens.slice(1, end, pieces[i]), state, logits.view<3>(), &tapes[i]);
    end += pieces[i];
  }
  Floats grad(model.weights().size());
  StreamState d_state = state.zero_like();
  for (std::size_t i = pieces.size(); i-- > 0;) {
    end -= pieces[i];
    Tensor part({batch, pieces[i], vocabulary});
    for (i64 b = 0; b < batch; ++b) {
      for (i64 t = 0; t < pieces[i]; ++t) {
        std::ranges::copy(cotangent.view<3>().row(b, end + t), part.view<3>().row(b, t).begin());
      }
    }
    model.backward(tokens.slice(1, end, pieces[i]), tapes[i], std::as_const(part).view<3>(),
                   d_state, grad);
    CHECK(d_state.position == end);
  }
  return grad;
}

double largest(std::span<const float> values) {
  double most = 0;
  for (const float value : values) most = std::max(most, std::abs(static_cast<double>(value)));
  return most;
}

double largest_difference(std::span<const float> a, std::span<const float> b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    most = std::max(most, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  }
  return most;
}

/// Compares the gradient of a batch's loss with central differences of the float64 definition:
/// every backend weight and up to `each` entries of every other tensor.
void check_gradient(const Architecture& architecture, const std::string& backend, i64 each,
                    std::vector<float> repeats = {}) {
  Transformer model = make_model(architecture, backend);
  scatter_weights(model, 7);
  Batch batch = random_batch(2, 11, architecture.vocabulary, 3);
  batch.repeats = std::move(repeats);
  Floats grad(model.weights().size());
  const double loss = batch_loss(model, batch, grad);
  NaiveTransformer naive(model);
  CHECK(loss == Approx(naive.loss(batch)).epsilon(1e-5));
  Rng rng(5);
  for (const Parameter& parameter : model.parameters()) {
    const std::span<const float> own(grad.data() + parameter.offset,
                                     static_cast<std::size_t>(parameter.size));
    for (i64 i = 0; i < std::min(each, parameter.size); ++i) {
      const i64 entry = parameter.size <= each ? i : rng.below(parameter.size);
      double& weight = naive.weights[static_cast<std::size_t>(parameter.offset + entry)];
      const double at = weight, h = 1e-5;
      weight = at + h;
      const double above = naive.loss(batch);
      weight = at - h;
      const double below = naive.loss(batch);
      weight = at;
      const double expected = (above - below) / (2 * h);
      INFO(backend << " " << parameter.name << "[" << entry << "]");
      // float32 sums of a few dozen terms; the differences themselves are good to 1e-9.
      CHECK(static_cast<double>(own[static_cast<std::size_t>(entry)]) ==
            Approx(expected).epsilon(0).margin(1e-4 * largest(own) + 1e-7));
    }
  }
}

TEST_CASE("the gradient of every parameter matches central differences, grouped heads and shift") {
  for (const std::string& backend : backend_names()) check_gradient(grouped(), backend, 10);
}

TEST_CASE("the gradient of every parameter matches central differences, tied output and GELU") {
  for (const std::string& backend : backend_names()) check_gradient(plain(), backend, 10);
}

TEST_CASE("the gradient matches central differences with a two-way shift and a tied SwiGLU model") {
  Architecture a = grouped();
  a.token_shift = 2;
  a.tied = true;
  check_gradient(a, "full", 10);
}

TEST_CASE("the gradient of every parameter matches central differences with biases") {
  // gated_linear and compress_select have projections of their own beside, which have no bias.
  for (const char* backend : {"full", "infini", "gated_linear", "compress_select"}) {
    check_gradient(biased(), backend, 16);
  }
}

TEST_CASE("the gradient matches central differences where tokens count more than once") {
  std::vector<float> repeats(22);
  for (std::size_t i = 0; i < repeats.size(); ++i) repeats[i] = 1 + static_cast<float>(i % 5);
  check_gradient(grouped(), "infini", 10, repeats);
}

TEST_CASE("logits match the float64 definition") {
  for (const std::string& backend : backend_names()) {
    for (const Architecture& architecture : {grouped(), plain(), biased()}) {
      Transformer model = make_model(architecture, backend);
      scatter_weights(model, 9);
      const std::vector<Token> tokens = random_tokens(26, architecture.vocabulary, 4);
      const Floats logits = read_in_pieces(model, {tokens.data(), {2, 13}}, {13});
      const NaiveTransformer naive(model);
      std::size_t at = 0;
      for (i64 b = 0; b < 2; ++b) {
        for (const Doubles& row :
             naive.logits({tokens.begin() + b * 13, tokens.begin() + (b + 1) * 13})) {
          for (const double expected : row) {
            INFO(backend << " stream " << b << " value " << at);
            CHECK(static_cast<double>(logits[at++]) == Approx(expected).margin(5e-5));
          }
        }
      }
    }
  }
}

TEST_CASE("logits do not depend on how the stream is cut") {
  for (const std::string& backend : backend_names()) {
    Transformer model = make_model(grouped(), backend);
    scatter_weights(model, 11);
    const std::vector<Token> tokens = random_tokens(3 * 13, 11, 6);
    const View<const Token, 2> view(tokens.data(), {3, 13});
    const Floats whole = read_in_pieces(model, view, {13});
    for (const std::vector<i64>& pieces :
         {std::vector<i64>{5, 1, 1, 6}, {2, 2, 9}, std::vector<i64>(13, 1)}) {
      INFO(backend);
      CHECK(largest_difference(whole, read_in_pieces(model, view, pieces)) < 1e-5 * largest(whole));
    }
  }
}

TEST_CASE("gradients do not depend on how the stream is cut") {
  for (const std::string& backend : backend_names()) {
    Transformer model = make_model(grouped(), backend);
    scatter_weights(model, 12);
    const std::vector<Token> tokens = random_tokens(2 * 12, 11, 8);
    const View<const Token, 2> view(tokens.data(), {2, 12});
    Tensor cotangent({2, 12, 11});
    Rng rng(13);
    for (float& value : cotangent.flat()) value = static_cast<float>(rng.normal());
    const Floats whole = gradient_in_pieces(model, view, cotangent, {12});
    for (const std::vector<i64>& pieces :
         {std::vector<i64>{5, 7}, {1, 1, 4, 6}, std::vector<i64>(12, 1)}) {
      INFO(backend);
      CHECK(largest_difference(whole, gradient_in_pieces(model, view, cotangent, pieces)) <
            1e-4 * largest(whole));
    }
  }
}

TEST_CASE("the last logits alone equal the last of all logits") {
  const Transformer model = make_model(grouped(), "full");
  const std::vector<Token> tokens = random_tokens(2 * 9, 11, 14);
  const View<const Token, 2> view(tokens.data(), {2, 9});
  const Floats all = read_in_pieces(model, view, {9});
  Tensor last({2, 2, 11});
  StreamState state = model.initial_state(2, 9);
  model.forward(view, state, last.view<3>(), nullptr);
  for (i64 b = 0; b < 2; ++b) {
    const std::span<const float> expected(all.data() + (b * 9 + 7) * 11, 22);
    const std::span<const float> found(last.flat().data() + b * 22, 22);
    CHECK(largest_difference(expected, found) < 1e-6);
  }
  CHECK(state.position == 9);
}

TEST_CASE("common weights are equal whatever the backend") {
  const Transformer first = make_model(grouped(), backend_names().front(), 21);
  for (const std::string& backend : backend_names()) {
    const Transformer other = make_model(grouped(), backend, 21);
    i64 common = 0;
    for (const Parameter& a : first.parameters()) {
      const auto b = std::ranges::find(other.parameters(), a.name, &Parameter::name);
      if (b == other.parameters().end()) continue;
      INFO(backend << " " << a.name);
      CHECK(std::ranges::equal(first.weights().subspan(static_cast<std::size_t>(a.offset),
                                                       static_cast<std::size_t>(a.size)),
                               other.weights().subspan(static_cast<std::size_t>(b->offset),
                                                       static_cast<std::size_t>(b->size))));
      ++common;
    }
    // embedding, norm, output, and nine a layer: two norms, q, k, v, o, gate, up, down
    CHECK(common >= 3 + 2 * 9);
  }
}

TEST_CASE("matrices start with the deviation of their fan-in and scales with one") {
  Architecture a{.vocabulary = 300, .layers = 8, .width = 64, .heads = 4};
  const Transformer model = make_model(a, "full");
  const auto deviation = [&](const std::string& name) {
    const Parameter& p = *std::ranges::find(model.parameters(), name, &Parameter::name);
    double squares = 0;
    for (i64 i = p.offset; i < p.offset + p.size; ++i) {
      const double w = static_cast<double>(model.weights()[static_cast<std::size_t>(i)]);
      squares += w * w;
    }
    return std::sqrt(squares / static_cast<double>(p.size));
  };
  CHECK(deviation("layers.3.attention.query") == Approx(1 / 8.0).epsilon(0.05));
  // 16 residual branches: a quarter of 1 / sqrt(64)
  CHECK(deviation("layers.3.attention.output") == Approx(1 / 32.0).epsilon(0.05));
  CHECK(deviation("layers.0.mlp_norm") == 1.0);
}

TEST_CASE("without random numbers matrices and biases are zero and the rest starts as ever") {
  for (const std::string& backend : backend_names()) {
    const Transformer drawn = make_model(biased(), backend);
    const Transformer blank(biased(), drawn.backends());
    REQUIRE(blank.weights().size() == drawn.weights().size());
    for (const Parameter& p : drawn.parameters()) {
      INFO(backend << " " << p.name);
      const bool own = std::ranges::any_of(drawn.backends().front()->weights(),
                                           [&](const attention::WeightSpec& spec) {
                                             return p.name.ends_with("attention." + spec.name);
                                           });
      const bool matrix = !own && p.shape.size() == 2;
      for (i64 i = p.offset; i < p.offset + p.size; ++i) {
        const auto at = static_cast<std::size_t>(i);
        REQUIRE(blank.weights()[at] == (matrix ? 0.0f : drawn.weights()[at]));
        if (p.name.ends_with("query_bias")) REQUIRE(drawn.weights()[at] == 0.0f);
      }
    }
  }
}

TEST_CASE("parameters fill the flat vector without gaps, and only matrices decay") {
  for (const std::string& backend : backend_names()) {
    const Transformer model = make_model(grouped(), backend);
    i64 expected = 0;
    for (const Parameter& parameter : model.parameters()) {
      INFO(backend << " " << parameter.name);
      CHECK(parameter.offset == expected);
      CHECK(parameter.size == Tensor::count(parameter.shape));
      expected += parameter.size;
      if (parameter.name.find("norm") != std::string::npos || parameter.name == "embedding") {
        CHECK_FALSE(parameter.decays);
      }
      if (parameter.name.ends_with("query") || parameter.name == "output") {
        CHECK(parameter.decays);
      }
    }
    CHECK(expected == static_cast<i64>(model.weights().size()));
  }
}

TEST_CASE("a backend's own weights keep its learning-rate scale and its word on decay") {
  for (const std::string& backend : backend_names()) {
    const Transformer model = make_model(grouped(), backend);
    for (const attention::WeightSpec& spec : model.backends().front()->weights()) {
      const std::string name = "layers.1.attention." + spec.name;
      const auto parameter = std::ranges::find(model.parameters(), name, &Parameter::name);
      REQUIRE(parameter != model.parameters().end());
      CHECK(parameter->learning_rate_scale == spec.learning_rate_scale);
      CHECK(parameter->decays == spec.decays);
      CHECK(model.weights()[static_cast<std::size_t>(parameter->offset)] == spec.initial);
    }
  }
}

TEST_CASE("a stream holds as many bytes as the formula says") {
  for (const std::string& backend : backend_names()) {
    const Transformer model = make_model(grouped(), backend);
    CHECK(model.initial_state(1, 20).bytes() == model.state_bytes(20));
    CHECK(model.initial_state(3, 20).bytes() == 3 * model.state_bytes(20));
  }
}

TEST_CASE("cost counts two operations a weight and token beside the attention's own") {
  const Transformer model = make_model(plain(), "full");
  const attention::Cost mechanism = model.backends().front()->cost(5, 3);
  const attention::Cost cost = model.cost(5, 3);
  // a layer: q, k, v, o of 8 x 8 and up, down of 12 x 8; the tied output 9 x 8
  const double weights = 2 * (4 * 64 + 2 * 96) + 72;
  CHECK(cost.flops == Approx(2 * mechanism.flops + 3 * 2 * weights));
  CHECK(cost.activity.keys_scored == 2 * mechanism.activity.keys_scored);
  // and one a bias: 3 x 8 a layer
  Architecture with_bias = plain();
  with_bias.qkv_bias = true;
  CHECK(make_model(with_bias, "full").cost(5, 3).flops == Approx(cost.flops + 3 * 2 * 24));
}

TEST_CASE("a token outside the vocabulary is an error that leaves the stream alone") {
  const Transformer model = make_model(grouped(), "full");
  StreamState state = model.initial_state(1, 4);
  Tensor logits({1, 2, 11});
  for (const Token bad : {Token{11}, Token{-1}}) {
    const std::vector<Token> tokens{3, bad};
    const std::string message = message_of([&] {
      model.forward({tokens.data(), {1, 2}}, state, logits.view<3>(), nullptr);
    });
    CHECK_THAT(message, Catch::Contains("token " + std::to_string(bad)) &&
                            Catch::Contains("position 1") && Catch::Contains("11"));
    CHECK(state.position == 0);
  }
}

TEST_CASE("a logit that is not finite is an error that names its place") {
  Transformer model = make_model(grouped(), "full");
  const Parameter& output = *std::ranges::find(model.parameters(), "output", &Parameter::name);
  for (const float bad : {std::numeric_limits<float>::infinity(), std::nanf("")}) {
    model.weights()[static_cast<std::size_t>(output.offset)] = bad;
    StreamState state = model.initial_state(1, 4);
    Tensor logits({1, 2, 11});
    const std::vector<Token> tokens{3, 4};
    CHECK_THAT(message_of([&] {
                 model.forward({tokens.data(), {1, 2}}, state, logits.view<3>(), nullptr);
               }),
               Catch::Contains("not finite") && Catch::Contains("position 0"));
  }
}

TEST_CASE("an architecture whose numbers do not fit together is refused") {
  const auto refusal = [](Architecture a) { return message_of([&] { a.resolved(); }); };
  CHECK_THAT(refusal({.width = 30, .heads = 4}), Catch::Contains("width 30"));
  CHECK_THAT(refusal({.heads = 4, .kv_heads = 3}), Catch::Contains("multiple"));
  CHECK_THAT(refusal({.width = 12, .heads = 4}), Catch::Contains("even"));
  CHECK_THAT(refusal({.token_shift = 4}), Catch::Contains("token_shift"));
  CHECK_THAT(refusal({.layers = 0}), Catch::Contains("layers"));
}

TEST_CASE("zeros in an architecture become the documented defaults") {
  const Architecture swiglu = Architecture{.width = 64, .heads = 4}.resolved();
  CHECK(swiglu.kv_heads == 4);
  CHECK(swiglu.head_dim == 16);
  CHECK(swiglu.hidden == 176);  // 8/3 of 64 is 170.7
  const Architecture gelu = Architecture{.width = 64, .heads = 4, .mlp = Mlp::gelu}.resolved();
  CHECK(gelu.hidden == 256);
}

}  // namespace
}  // namespace longreach::model
