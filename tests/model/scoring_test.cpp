// Streamed log-probabilities.
#include "model/scoring.h"

#include <catch2/catch.hpp>

#include "tests/model/models.h"
#include "tests/model/naive_transformer.h"

namespace longreach::model {
namespace {

/// ln p of tokens[1..] by the float64 definition.
Doubles naive_log_probabilities(const Transformer& model, const std::vector<Token>& tokens) {
  const std::vector<Doubles> logits = NaiveTransformer(model).logits(tokens);
  Doubles out;
  for (std::size_t t = 1; t < tokens.size(); ++t) {
    out.push_back(NaiveTransformer::log_probability_of(logits[t - 1], tokens[t]));
  }
  return out;
}

TEST_CASE("tail log-probabilities match the definition for every tail and chunk") {
  for (const std::string& backend : backend_names()) {
    Transformer model = make_model(grouped(), backend);
    scatter_weights(model, 2);
    const std::vector<Token> tokens = random_tokens(2 * 14, 11, 3);
    for (const i64 tail : {0, 1, 5, 13}) {
      for (const i64 chunk : {1, 4, 512}) {
        const auto found =
            tail_log_probabilities(model, {tokens.data(), {2, 14}}, tail, nullptr, chunk);
        REQUIRE(found.size() == 2);
        for (i64 b = 0; b < 2; ++b) {
          const Doubles all = naive_log_probabilities(
              model, {tokens.begin() + b * 14, tokens.begin() + (b + 1) * 14});
          const Doubles expected(all.end() - tail, all.end());
          REQUIRE(found[static_cast<std::size_t>(b)].size() == expected.size());
          for (std::size_t i = 0; i < expected.size(); ++i) {
            INFO(backend << " tail " << tail << " chunk " << chunk << " at " << i);
            CHECK(found[static_cast<std::size_t>(b)][i] == Approx(expected[i]).margin(5e-5));
          }
        }
      }
    }
  }
}

TEST_CASE("endings scored from a shared context equal endings scored with it") {
  for (const std::string& backend : backend_names()) {
    Transformer model = make_model(grouped(), backend);
    scatter_weights(model, 4);
    const std::vector<Token> context = random_tokens(10, 11, 5);
    StreamState read = model.initial_state(1, 13);
    prefill(model, {context.data(), {1, 9}}, read, 4);
    for (const std::vector<Token>& ending : {std::vector<Token>{1, 2, 3}, {7, 7, 0}}) {
      std::vector<Token> whole = context;
      whole.insert(whole.end(), ending.begin(), ending.end());
      std::vector<Token> rest{context.back()};
      rest.insert(rest.end(), ending.begin(), ending.end());
      StreamState state = read;
      const auto forked = tail_log_probabilities(model, {rest.data(), {1, 4}}, 3, &state);
      const auto straight = tail_log_probabilities(model, {whole.data(), {1, 13}}, 3);
      INFO(backend);
      CHECK(state.position == 12);
      for (std::size_t i = 0; i < 3; ++i) {
        CHECK(forked[0][i] == Approx(straight[0][i]).margin(1e-5));
      }
    }
  }
}

TEST_CASE("a target outside the vocabulary is an error even where no logits follow it") {
  const Transformer model = make_model(grouped(), "full");
  const std::vector<Token> tokens{1, 2, 11};
  CHECK_THAT(message_of([&] {
               tail_log_probabilities(model, {tokens.data(), {1, 3}}, 1);
             }),
             Catch::Contains("token 11"));
}

}  // namespace
}  // namespace longreach::model
