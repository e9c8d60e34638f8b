// Tests of attention/block_topk.cpp: streams whose choice is known by hand.
#include "tests/attention/blocks.h"

namespace longreach::attention {
namespace {

constexpr i64 kBlock = 3, kTokens = 29;  // the last token lies in block 9, with another before it

std::string text(i64 value) { return std::to_string(value); }

std::unique_ptr<Backend> make(i64 top, i64 local, i64 sinks, const Shape& shape,
                              const std::string& summary = "mean") {
  return make_backend("block_topk",
                      {{"block", text(kBlock)},
                       {"top", text(top)},
                       {"local_blocks", text(local)},
                       {"sink_blocks", text(sinks)},
                       {"summary", summary},
                       {"rope", "none"}},
                      shape);
}

using Blocks = std::set<i64>;

}  // namespace

TEST_CASE("With as many blocks to choose as there are, block top-k is full attention") {
  const Shape shape{4, 2, 8};
  const std::string summary = GENERATE("mean", "bounds"), cache = GENERATE("f32", "f16");
  const auto full = make_backend("full", {{"cache", cache}}, shape);
  const auto blocks = make_backend(
      "block_topk", {{"block", "5"}, {"top", "30"}, {"summary", summary}, {"cache", cache}}, shape);
  const Problem problem(*full, 2, 160, Rng(42)), same(*blocks, 2, 160, Rng(42));
  const Tensor expected = outputs(*full, problem);
  CHECK(relative_error(outputs(*blocks, problem).flat(), expected.flat()) < 1e-6);
  CHECK(relative_error(gradients(*blocks, same).k.flat(), gradients(*full, problem).k.flat()) <
        1e-5);
  const auto fewer = make_backend("block_topk", {{"block", "5"}, {"top", "20"}}, shape);
  CHECK(relative_error(outputs(*fewer, problem).flat(), expected.flat()) > 1e-2);
}

TEST_CASE("A far block that stands out is seen, no other far block has any influence") {
  const i64 local = GENERATE(0, 1, 2), sinks = GENERATE(0, 1, 2), step = GENERATE(0, 1, 7);
  const auto backend = make(1, local, sinks, {1, 1, 2});
  Problem problem = blank_keys(*backend, kTokens);
  plant(problem, 4 * kBlock, kBlock, {1, 0});
  ask(problem, 0, {1, 0});
  Blocks expected{4, 9};
  for (i64 n = 0; n < sinks; ++n) expected.insert(n);
  for (i64 n = 1; n <= local; ++n) expected.insert(9 - n);
  CAPTURE(local, sinks, step);
  CHECK(influential_blocks(*backend, problem, kBlock, 0, step) == expected);
}

TEST_CASE("A planted key's value is what a query finds") {
  const auto backend = make(1, 1, 1, {1, 1, 2});
  Problem problem = blank_keys(*backend, kTokens);
  plant(problem, 13, 1, {30, 0});
  ask(problem, 0, {5, 0});
  const Tensor out = outputs(*backend, problem);
  const auto found = out.view<4>().row(0, kTokens - 1, 0);
  const auto value = problem.v.view<4>().row(0, 13, 0);
  // The planted score is 106, the others' are 0.
  for (std::size_t i = 0; i < 2; ++i) CHECK(found[i] == Approx(value[i]));
}

TEST_CASE("Of blocks that all look alike the earlier ones are seen") {
  const std::string summary = GENERATE("mean", "bounds");
  const auto backend = make(2, 1, 1, {1, 1, 2}, summary);
  const Problem problem = blank_keys(*backend, kTokens);
  CHECK(influential_blocks(*backend, problem, kBlock) == Blocks{0, 1, 2, 8, 9});
}

TEST_CASE("Bounds see one key that stands out of a block whose mean does not") {
  const auto by_mean = make(1, 0, 0, {1, 1, 2}, "mean");
  const auto by_bounds = make(1, 0, 0, {1, 1, 2}, "bounds");
  Problem problem = blank_keys(*by_mean, kTokens);
  plant(problem, 2 * kBlock, kBlock, {0.1F, 0});
  plant(problem, 5 * kBlock, 1, {3, 0});
  plant(problem, 5 * kBlock + 1, 1, {-3, 0});
  for (const float sign : {1.0F, -1.0F}) {
    ask(problem, 0, {sign, 0});
    CHECK(influential_blocks(*by_bounds, problem, kBlock) == Blocks{5, 9});
  }
  ask(problem, 0, {1, 0});
  CHECK(influential_blocks(*by_mean, problem, kBlock) == Blocks{2, 9});
}

TEST_CASE("The heads of a group share the choice of their scores' sum") {
  const auto backend = make(1, 0, 0, {2, 1, 2});
  Problem problem = blank_keys(*backend, kTokens);
  plant(problem, 2 * kBlock, kBlock, {3, -1});
  plant(problem, 5 * kBlock, kBlock, {0, 1});
  // Alone the first would choose block 2, with 3 to 0, and the second block 5, with 1 to -1.
  ask(problem, 0, {1, 0});
  ask(problem, 1, {0, 1});
  CHECK(influential_blocks(*backend, problem, kBlock, 0) == Blocks{2, 9});
  CHECK(influential_blocks(*backend, problem, kBlock, 1) == Blocks{2, 9});
}

TEST_CASE("Key/value heads choose each for themselves") {
  const auto backend = make(1, 0, 0, {2, 2, 2});
  Problem problem = blank_keys(*backend, kTokens);
  plant(problem, 2 * kBlock, kBlock, {1, 0});  // of the first; the second finds all alike
  ask(problem, 0, {1, 0});
  ask(problem, 1, {1, 0});
  CHECK(influential_blocks(*backend, problem, kBlock, 0) == Blocks{2, 9});
  CHECK(influential_blocks(*backend, problem, kBlock, 1) == Blocks{});
  CHECK(influential_blocks(*backend, problem, kBlock, 1, 0, 1) == Blocks{0, 9});
}

TEST_CASE("Keys that were not chosen get no gradient, though their score was near") {
  const auto backend = make(1, 0, 0, {1, 1, 2});
  Problem problem = blank_keys(*backend, kTokens);
  plant(problem, 4 * kBlock, kBlock, {1, 0});
  plant(problem, 6 * kBlock, kBlock, {0.99F, 0});
  ask(problem, 0, {1, 0});
  set_all(problem.d_out, 0);
  for (float& x : problem.d_out.view<4>().row(0, kTokens - 1, 0)) x = 1;
  const Gradients found = gradients(*backend, problem);
  for (i64 t = 0; t < kTokens; ++t) {
    CAPTURE(t);
    const bool seen = t / kBlock == 4 || t / kBlock == 9;
    CHECK((largest(found.v.view<4>().row(0, t, 0)) > 0) == seen);
    CHECK((largest(found.k.view<4>().row(0, t, 0)) > 0) == seen);
  }
}

TEST_CASE("A choice among thousands of rows is that of one row") {
  // Runs of queries gather the rows of each block: decoded one by one there is nothing to gather.
  const Shape shape{4, 2, 16};
  const auto backend = make_backend("block_topk", {{"block", "8"}, {"top", "3"}}, shape);
  const Problem problem(*backend, 1, 1500, Rng(43));
  const std::vector<i64> ones(1500, 1);
  const Pass single = run(*backend, problem, ones, false);
  CHECK(relative_error(outputs(*backend, problem).flat(), single.out.flat()) < 1e-5);
  CHECK(single.state.activity == backend->cost(0, 1500).activity);
}

TEST_CASE("A token scores whole blocks, its own up to itself, and summaries where some must lose") {
  const auto backend = make_backend(
      "block_topk", {{"block", "2"}, {"top", "1"}, {"local_blocks", "1"}, {"sink_blocks", "0"}},
      {4, 2, 8});
  // Pairs 1 + 2, 3 + 4, 5 + 6, and again 5 + 6: two blocks before the own one. Block 3's tokens
  // have two blocks compete for one place.
  CHECK(backend->cost(0, 8).activity == Activity{8, 32, 0, 0, 4, 0});
}

TEST_CASE("Block top-k keeps all keys and values, and a summary for each complete block") {
  const Shape shape{4, 2, 8};
  const tests::Settings block{{"block", "16"}};
  // Two heads of 8 floats; 100 tokens are six complete blocks.
  CHECK(make_backend("block_topk", block, shape)->state_bytes(100) == 2 * 8 * 4 * (200 + 6));
  CHECK(make_backend("block_topk", {{"block", "16"}, {"summary", "bounds"}}, shape)
            ->state_bytes(100) == 2 * 8 * 4 * (200 + 12));
  CHECK(make_backend("block_topk", {{"block", "16"}, {"cache", "f16"}}, shape)->state_bytes(100) ==
        2 * 8 * (2 * 200 + 4 * 6));
}

}  // namespace longreach::attention
