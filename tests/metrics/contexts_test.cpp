// Tests metrics/contexts.cpp.
#include "metrics/contexts.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>
#include <set>

#include "core/error.h"
#include "tests/metrics/models.h"

namespace longreach::metrics {
namespace {

using Catch::Matchers::Contains;

/// Tokens begin, begin + 1, ...
std::vector<Token> counting(Token begin, std::size_t count) {
  std::vector<Token> tokens(count);
  std::iota(tokens.begin(), tokens.end(), begin);
  return tokens;
}

TEST_CASE("A block's context is what lies far, what lies near, and the targets, in order") {
  const std::vector<Token> document = counting(0, 30);
  const ContextParts parts = context_parts({document}, {0, 25, 12, 4}, 3);
  // Thirteen tokens, 12 to 24: nine before the four targets.
  CHECK(tokens_before_targets({0, 25, 12, 4}) == 9);
  CHECK(joined({parts.far}) == counting(12, 6));
  CHECK(joined({parts.near}) == counting(18, 3));
  CHECK(joined({parts.targets}) == counting(21, 4));
  CHECK(joined({parts.far, parts.near, parts.targets}) == counting(12, 13));
}

TEST_CASE("Foreign tokens come from everywhere in other documents that are long enough") {
  const std::vector<Token> own = counting(0, 90), brief = counting(100, 4),
                           other = counting(200, 7);
  std::set<Token> starts;
  Rng rng(1);
  for (int i = 0; i < 200; ++i) {
    const auto tokens = foreign_tokens({own, brief, other}, {0, 40, 20, 4}, 5, rng, "here");
    CHECK(joined({tokens}) == counting(tokens.front(), 5));
    starts.insert(tokens.front());
  }
  CHECK(starts == std::set<Token>{200, 201, 202});
}

TEST_CASE("In a lone document foreign tokens keep their distance from the window where they can") {
  const std::vector<Token> own = counting(0, 60);
  // The window is tokens 20 to 30; five tokens away at least: 0 to 14 and 36 to 59.
  std::set<Token> starts;
  Rng rng(2);
  for (int i = 0; i < 2000; ++i) {
    starts.insert(foreign_tokens({own}, {0, 31, 10, 4}, 5, rng, "here").front());
  }
  std::set<Token> wanted;
  for (Token t = 0; t <= 10; ++t) wanted.insert(t);
  for (Token t = 36; t <= 55; ++t) wanted.insert(t);
  CHECK(starts == wanted);
  // No such place in 36 tokens with 20 asked for: beside the window then.
  CHECK(foreign_tokens({own}, {0, 31, 10, 4}, 20, rng, "here").front() <= 40);
  CHECK_THROWS_WITH(foreign_tokens({own}, {0, 31, 10, 4}, 30, rng, "here"),
                    Contains("here: document 0, tokens 27 to 30 have no other 30 tokens"));
}

TEST_CASE("Tails of rows of several lengths are scored in order") {
  std::vector<std::vector<double>> logits(8, std::vector<double>(8));
  logits[2][3] = 2;
  const model::Transformer model = table_model(logits);
  const std::vector<std::vector<Token>> rows{
      {2, 3, 3, 3}, {0, 2, 3, 1}, {2, 3, 2, 3, 2, 3}, {1, 2, 2}, {2, 3, 2}};
  const double flat = std::log(8.0), sure = std::log(7 + std::exp(2.0)) - 2,
               wrong = std::log(7 + std::exp(2.0));
  const std::vector<double> nats = tail_nats(model, rows, 2);
  const std::vector<double> wanted{2 * flat, sure + flat, flat + sure, flat + wrong, sure + flat};
  REQUIRE(nats.size() == 5);
  for (std::size_t i = 0; i < 5; ++i) CHECK(nats[i] == Approx(wanted[i]).epsilon(1e-5));
}

TEST_CASE("Contexts are as many as the tokens allow, one at least, or as many as wanted") {
  CHECK(contexts_within(0, 48, 1 << 20) == 48);
  CHECK(contexts_within(1000, 48, 100) == 10);
  CHECK(contexts_within(1099, 48, 100) == 10);
  CHECK(contexts_within(1000, 7, 100) == 7);
  CHECK(contexts_within(99, 48, 100) == 1);
}

TEST_CASE("Log-likelihoods are equal within what rounding makes of their tokens, and no further") {
  CHECK(preference(-10, -11, 4) == 1);
  CHECK(preference(-11, -10, 4) == 0);
  CHECK(preference(-10, -10, 4) == 0.5);
  // 1e-6 nats for a token, for a million of them a thousand times as much: not 1 nat.
  CHECK(preference(0.9e-6, 0, 1) == 0.5);
  CHECK(preference(1.1e-6, 0, 1) == 1);
  CHECK(preference(0, 0.9e-3, 1000000) == 0.5);
  CHECK(preference(0, 1.1e-3, 1000000) == 0);
}

}  // namespace
}  // namespace longreach::metrics
