// What layers did against what they declare, summed over all calls of a model.
#include "model/activity_account.h"

#include <catch2/catch.hpp>

#include "model/scoring.h"
#include "tests/model/models.h"

using namespace longreach;
using namespace longreach::model;
using attention::Activity;

namespace {

/// Reads a stream in one chunk, in several, and a token at a time.
void read(const Transformer& model, i64 whole, i64 chunk, i64 decoded) {
  const i64 vocabulary = model.architecture().vocabulary;
  const std::vector<Token> stream = random_tokens(whole + decoded, vocabulary, 3);
  const View<const Token, 2> all(stream.data(), {1, whole + decoded});
  StreamState state = model.initial_state(1, whole + decoded);
  prefill(model, all.slice(1, 0, whole), state, chunk);
  for (i64 t = whole; t < whole + decoded; ++t) {
    model.forward(all.slice(1, t, 1), state, View<float, 3>(nullptr, {1, 0, vocabulary}), nullptr);
  }
}

}  // namespace

TEST_CASE("Every backend does what it declares beyond 2048 tokens, in chunks and decoding") {
  for (const std::string& name : backend_names()) {
    CAPTURE(name);
    const Transformer model = make_model(plain(), name);
    read(model, 2500, 700, 9);
    CHECK(model.activity().mismatch() == "");
    for (std::size_t layer = 0; layer < 2; ++layer) {
      const LayerActivity sum = model.activity().layers()[layer];
      CHECK(sum.did == sum.declared);
      CHECK(sum.did == model.backends()[layer]->cost(0, 2509).activity);
    }
  }
}

TEST_CASE("Every backend does what it declares in training, and again where it recomputes") {
  for (const std::string& name : backend_names()) {
    CAPTURE(name);
    const Transformer model = make_model(grouped(), name);
    const Batch batch = random_batch(2, 24, 11, 5);
    Floats grad(model.weights().size());
    batch_loss(model, batch, grad);
    CHECK(model.activity().mismatch() == "");
    CHECK(model.activity().layers()[1].did == model.backends()[1]->cost(0, 24).activity);
    // Chunks of 7: the first three, 21 tokens, are read once for their states and once with a tape.
    batch_loss(model, batch, grad, 7);
    CHECK(model.activity().mismatch() == "");
    CHECK(model.activity().layers()[1].did.tokens == 24 + 21 + 24);
  }
}

TEST_CASE("A copy of a model counts with it, and a model of the same backends does not") {
  const Transformer model = make_model(plain(), "full"), other = make_model(plain(), "full");
  Transformer copy = model;
  read(copy, 4, 4, 0);
  CHECK(model.activity().layers()[0].did.tokens == 4);
  CHECK(other.activity().layers()[0].did.tokens == 0);
  copy = other;
  copy.count_with(model);
  read(copy, 3, 3, 0);
  CHECK(model.activity().layers()[0].did.tokens == 7);
}

TEST_CASE("What differs is told by layer, counter and the first call, however the rest went") {
  ActivityAccount account(2);
  const Activity honest{.tokens = 4, .keys_scored = 10}, more{.tokens = 4, .keys_scored = 12},
      less{.tokens = 4, .keys_scored = 8};
  account.add(0, 4, {{honest, honest}, {honest, honest}});
  CHECK(account.mismatch() == "");
  account.add(4, 4, {{honest, honest}, {more, honest}});
  account.add(8, 4, {{honest, honest}, {more, honest}});
  // 10 + 12 + 12 pairs where 3 x 10 were declared.
  CHECK(account.mismatch() ==
        "layer 1 did 34 keys scored where it declared 30; first in the call for tokens 4 to 7");
  ActivityAccount even(1);
  even.add(0, 4, {{more, honest}});
  even.add(4, 4, {{less, honest}});
  CHECK_THAT(even.mismatch(), Catch::Matchers::StartsWith("layer 0 did other than it declared"));
}
