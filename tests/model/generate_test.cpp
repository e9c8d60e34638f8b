// Greedy and sampled continuations.
#include "model/generate.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <set>

#include "tests/model/models.h"
#include "tests/model/naive_transformer.h"

namespace longreach::model {
namespace {

std::vector<Token> continuation(const Transformer& model, const std::vector<Token>& prompt,
                                i64 most, const Sampling& sampling,
                                const std::vector<Token>& endings = {}) {
  Generator generator(model, prompt, most, sampling, endings, 3);
  std::vector<Token> tokens;
  while (const std::optional<Token> token = generator.next()) tokens.push_back(*token);
  CHECK_FALSE(generator.next());
  return tokens;
}

/// ln of each probability.
std::vector<float> logits_of(const Doubles& probabilities) {
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  return logits;
}

/// How often each token comes up.
std::vector<i64> counts(const std::vector<float>& logits, const Sampling& sampling, i64 draws) {
  Rng rng(static_cast<std::uint64_t>(sampling.seed));
  std::vector<i64> found(logits.size());
  for (i64 i = 0; i < draws; ++i) {
    ++found[static_cast<std::size_t>(next_token(logits, sampling, rng))];
  }
  return found;
}

/// Those that come up in a thousand draws.
std::set<Token> drawn(const std::vector<float>& logits, double top_p) {
  const auto found = counts(logits, {.temperature = 1, .top_p = top_p, .seed = 3}, 1000);
  std::set<Token> tokens;
  for (std::size_t t = 0; t < found.size(); ++t) {
    if (found[t] > 0) tokens.insert(static_cast<Token>(t));
  }
  return tokens;
}

/// Pearson's sum of (found - expected)^2 / expected.
double chi_squared(const std::vector<i64>& found, const Doubles& probabilities, i64 draws) {
  double sum = 0;
  for (std::size_t t = 0; t < found.size(); ++t) {
    const double expected = probabilities[t] * static_cast<double>(draws);
    sum += std::pow(static_cast<double>(found[t]) - expected, 2) / expected;
  }
  return sum;
}

TEST_CASE("greedy continuation takes the most probable token each time") {
  for (const std::string& backend : backend_names()) {
    Transformer model = make_model(grouped(), backend);
    scatter_weights(model, 6);
    const std::vector<Token> prompts = random_tokens(3 * 7, 11, 7);
    const auto found = generate_greedy(model, {prompts.data(), {3, 7}}, 5, 3);
    REQUIRE(found.size() == 3);
    const NaiveTransformer naive(model);
    for (i64 b = 0; b < 3; ++b) {
      std::vector<Token> stream(prompts.begin() + b * 7, prompts.begin() + (b + 1) * 7);
      for (i64 step = 0; step < 5; ++step) {
        const Doubles last = naive.logits(stream).back();
        stream.push_back(static_cast<Token>(std::ranges::max_element(last) - last.begin()));
      }
      INFO(backend << " stream " << b);
      CHECK(found[static_cast<std::size_t>(b)] ==
            std::vector<Token>(stream.begin() + 7, stream.end()));
    }
  }
}

TEST_CASE("a continuation of no tokens is empty for each stream") {
  const Transformer model = make_model(grouped(), "full");
  const std::vector<Token> prompt{1, 2};
  CHECK(generate_greedy(model, {prompt.data(), {2, 1}}, 0) == std::vector<std::vector<Token>>(2));
}

TEST_CASE("temperature 0 and a top_p near 0 continue as the greedy continuation does") {
  for (const std::string& backend : backend_names()) {
    Transformer model = make_model(grouped(), backend);
    scatter_weights(model, 6);
    const std::vector<Token> prompt = random_tokens(7, 11, 7);
    const auto greedy = generate_greedy(model, {prompt.data(), {1, 7}}, 9).front();
    INFO(backend);
    CHECK(continuation(model, prompt, 9, {.temperature = 0, .top_p = 0.9, .seed = 5}) == greedy);
    CHECK(continuation(model, prompt, 9, {.temperature = 1, .top_p = 1e-9, .seed = 5}) == greedy);
    CHECK(continuation(model, prompt, 9, {.temperature = 1, .top_p = 0, .seed = 5}) == greedy);
  }
}

TEST_CASE("tokens are drawn as often as their probability says, at every temperature") {
  const Doubles probabilities{0.4, 0.05, 0.3, 0.05, 0.2};
  const i64 draws = 20000;
  for (const double temperature : {0.5, 1.0, 2.0}) {
    Doubles expected;
    double sum = 0;
    for (const double p : probabilities) expected.push_back(std::pow(p, 1 / temperature));
    for (const double p : expected) sum += p;
    for (double& p : expected) p /= sum;
    const Sampling sampling{.temperature = temperature, .seed = 20240};
    INFO("temperature " << temperature << " seed " << sampling.seed);
    // Above 23.5 one time in ten thousand with 4 degrees of freedom.
    CHECK(chi_squared(counts(logits_of(probabilities), sampling, draws), expected, draws) < 23.5);
  }
}

TEST_CASE("the kept tokens keep their proportions") {
  const i64 draws = 20000;
  const Sampling sampling{.temperature = 1, .top_p = 0.65, .seed = 11};
  const auto found = counts(logits_of({0.1, 0.3, 0.2, 0.4}), sampling, draws);
  INFO("seed " << sampling.seed);
  CHECK(found[0] == 0);
  CHECK(found[2] == 0);
  // 0.4 + 0.3 >= 0.65; above 15.2 one time in ten thousand with 1 degree of freedom.
  CHECK(chi_squared({found[1], found[3]}, {3.0 / 7, 4.0 / 7}, draws) < 15.2);
}

TEST_CASE("top_p keeps the fewest tokens whose probabilities reach it") {
  const auto logits = logits_of({0.1, 0.5, 0.15, 0.25});
  CHECK(drawn(logits, 0.45) == std::set<Token>{1});
  CHECK(drawn(logits, 0.55) == std::set<Token>{1, 3});        // 0.5 falls short, 0.75 does not
  CHECK(drawn(logits, 0.74) == std::set<Token>{1, 3});        // 0.75
  CHECK(drawn(logits, 0.76) == std::set<Token>{1, 2, 3});     // 0.75 falls short, 0.9 does not
  CHECK(drawn(logits, 0.95) == std::set<Token>{0, 1, 2, 3});  // 0.9 falls short
  CHECK(drawn(logits, 1) == std::set<Token>{0, 1, 2, 3});
}

TEST_CASE("of equally likely tokens top_p keeps the lowest, and a mass reached exactly is enough") {
  const std::vector<float> equal(8, 1.5F);
  CHECK(drawn(equal, 0.5) == std::set<Token>{0, 1, 2, 3});
  CHECK(drawn(equal, 0.51) == std::set<Token>{0, 1, 2, 3, 4});
  CHECK(drawn(equal, 0) == std::set<Token>{0});
}

TEST_CASE("equal seeds draw equal tokens and other seeds others, however the prompt is read") {
  Transformer model = make_model(grouped(), "full");
  scatter_weights(model, 8);
  const std::vector<Token> prompt = random_tokens(7, 11, 9);
  const Sampling sampling{.temperature = 1.5, .top_p = 0.95, .seed = 4};
  const auto once = continuation(model, prompt, 40, sampling);
  CHECK(once.size() == 40);
  CHECK(once == continuation(model, prompt, 40, sampling));
  CHECK(once != continuation(model, prompt, 40, {.temperature = 1.5, .top_p = 0.95, .seed = 5}));
  const auto shorter = continuation(model, prompt, 25, sampling);
  CHECK(shorter == std::vector<Token>(once.begin(), once.begin() + 25));
}

TEST_CASE("each token is drawn given all tokens before it") {
  Transformer model = make_model(grouped(), "full");
  scatter_weights(model, 8);
  const std::vector<Token> prompt = random_tokens(7, 11, 9);
  const Sampling sampling{.temperature = 0.8, .seed = 12};
  std::vector<Token> stream = prompt;
  Rng rng = Rng(12).fork("sampling");
  for (int i = 0; i < 12; ++i) {
    const Doubles last = NaiveTransformer(model).logits(stream).back();
    stream.push_back(next_token(std::vector<float>(last.begin(), last.end()), sampling, rng));
  }
  CHECK(continuation(model, prompt, 12, sampling) ==
        std::vector<Token>(stream.begin() + 7, stream.end()));
}

TEST_CASE("an ending stops the continuation and is not part of it") {
  Transformer model = make_model(grouped(), "full");
  scatter_weights(model, 8);
  const std::vector<Token> prompt = random_tokens(7, 11, 9);
  const Sampling sampling{.temperature = 1.5, .seed = 4};
  const auto whole = continuation(model, prompt, 30, sampling);
  const Token ending = whole[10];
  const auto first = std::ranges::find(whole, ending);
  CHECK(continuation(model, prompt, 30, sampling, {-5, ending}) ==
        std::vector<Token>(whole.begin(), first));
  CHECK(continuation(model, prompt, 0, sampling).empty());
}

}  // namespace
}  // namespace longreach::model
