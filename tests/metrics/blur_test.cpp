// Tests metrics/blur.cpp against the moments of feature maps.
#include <catch2/catch.hpp>
#include <cmath>

#include "core/error.h"
#include "tests/metrics/models.h"
#include "tests/metrics/settings.h"
#include "tests/settings.h"

namespace longreach::metrics {
namespace {

const std::unique_ptr<datasets::Tokenizer> bytes = datasets::byte_tokenizer();

/// One layer of one head of size 16.
model::Transformer model_with(const std::string& type, tests::Settings settings) {
  model::Architecture architecture;
  architecture.layers = 1;
  architecture.width = 16;
  architecture.heads = 1;
  architecture.vocabulary = 256;
  architecture = architecture.resolved();
  return model::Transformer(architecture,
                            {tests::make<attention::AttentionRegistry>(
                                type, std::move(settings), architecture.attention_shape())},
                            Rng(1));
}

double blur(const std::string& type, tests::Settings settings, i64 length) {
  const model::Transformer model = model_with(type, std::move(settings));
  return *find(make_metric("blur")->measure(session(model, *bytes, length)),
               "blur/match_over_random")
              .value;
}

TEST_CASE("A linear memory is as blurred as the moments of its feature map say") {
  // E[s(x)^2] / E[s(x)]^2 of a unit normal x: sums over elements keep the ratio.
  for (const char* backend : {"infini", "linear"}) {
    INFO(backend);
    CHECK(blur(backend, {}, 256) == Approx(1.462).epsilon(0.03));
    CHECK(blur(backend, {{"feature_map", "relu"}}, 256) == Approx(M_PI).epsilon(0.05));
    CHECK(blur(backend, {{"feature_map", "exp"}}, 256) == Approx(std::exp(1)).epsilon(0.15));
  }
}

TEST_CASE("Softmax attention is as sharp as its scores") {
  // exp(|k|^2 / 4) over the mean of exp(q . k / 4), with 16 numbers: some hundred times.
  CHECK(blur("full", {{"rope", "none"}}, 256) > 20);
}

TEST_CASE("Weights may be negative: the others count by their size") {
  // E[k . k] / E|q . k| = sqrt(D pi / 2), but for what fades on the way.
  CHECK(blur("retention", {{"rope", "none"}}, 256) ==
        Approx(std::sqrt(16 * M_PI / 2)).epsilon(0.06));
}

TEST_CASE("No blur is measured where nothing is read") {
  const model::Transformer window = model_with("sliding_window", {{"window", "16"}});
  CHECK_THROWS_WITH(make_metric("blur")->measure(session(window, *bytes, 256)),
                    Catch::Contains("nothing of the first half of 256 tokens"));
  CHECK_THROWS_WITH(make_metric("blur")->measure(session(window, *bytes, 31)),
                    Catch::Contains("give 32 or more"));
}

}  // namespace
}  // namespace longreach::metrics
