// Tests metrics/streams.cpp.
#include "metrics/streams.h"

#include <catch2/catch.hpp>

#include "model/generate.h"
#include "model/scoring.h"
#include "tests/metrics/models.h"

namespace longreach::metrics {
namespace {

TEST_CASE("About 8192 tokens go side by side, and always one stream") {
  CHECK(streams_at_once(100) == 81);
  CHECK(streams_at_once(8192) == 1);
  CHECK(streams_at_once(100000) == 1);
}

TEST_CASE("Rows made of one or two parts lie dense behind each other") {
  const std::vector<Token> a{1, 2, 3}, b{4}, c{5, 6};
  TokenRows rows;
  rows.add(a);
  rows.add(b, c);
  const View<const Token, 2> view = rows.view();
  REQUIRE(view.extent(0) == 2);
  REQUIRE(view.extent(1) == 3);
  CHECK(view(0, 2) == 3);
  CHECK(view(1, 0) == 4);
  CHECK(view(1, 2) == 6);
}

TEST_CASE("Continuing from a copied state equals generating from the whole prompt") {
  const model::Transformer model = full_model(20);
  const std::vector<Token> prompts{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8};
  const View<const Token, 2> view(prompts.data(), {2, 6});
  model::StreamState prefilled = model.initial_state(2, 6 + 4);
  model::prefill(model, view.slice(1, 0, 5), prefilled);
  model::StreamState state = prefilled;
  const auto first = model::continue_greedily(model, state, {9, 8}, 4);
  CHECK(first == model::generate_greedy(model, view, 4));
  CHECK(state.position == 5 + 4);
  state = prefilled;
  CHECK(model::continue_greedily(model, state, {9, 8}, 4) == first);
}

}  // namespace
}  // namespace longreach::metrics
