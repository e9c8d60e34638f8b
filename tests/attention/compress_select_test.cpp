// Tests of attention/compress_select.cpp: branches one at a time, and streams whose choice is known
// by hand.
#include "tests/attention/blocks.h"

namespace longreach::attention {
namespace {

enum Branch : i64 { kCompressed, kSelected, kWindow };

std::unique_ptr<Backend> make(tests::Settings settings, const Shape& shape) {
  return make_backend("compress_select", std::move(settings), shape);
}

/// Opens one gate for all tokens and heads, shuts the others (exp(200) is infinite: to 0), and sets
/// pools to the mean.
void open(Problem& problem, const Shape& shape, Branch branch) {
  set_all(problem.projected, 0);
  std::ranges::fill(problem.weights, 0.0F);
  for (i64 i = 0; i < 3 * shape.query_heads; ++i) {
    problem.weights[static_cast<std::size_t>(i)] =
        i / shape.query_heads == branch ? 200.0F : -200.0F;
  }
}

/// How far a problem's outputs are from those of another backend over the same streams.
double distance(const Backend& backend, const Problem& problem, const Backend& other) {
  Problem same(other, problem.batch, problem.tokens, Rng(1));
  same.q = problem.q;
  same.k = problem.k;
  same.v = problem.v;
  const Tensor found = outputs(backend, problem), expected = outputs(other, same);
  return relative_error(found.flat(), expected.flat());
}

using Blocks = std::set<i64>;

constexpr i64 kBlock = 3, kTokens = 29;  // the last token lies in block 9

}  // namespace

TEST_CASE("With the other gates shut, the window branch is a sliding window") {
  const Shape shape{4, 2, 8};
  const auto backend = make({{"block", "5"}, {"window", "7"}}, shape);
  const auto window = make_backend("sliding_window", {{"window", "7"}, {"sinks", "0"}}, shape);
  Problem problem(*backend, 2, 100, Rng(51));
  open(problem, shape, kWindow);
  CHECK(distance(*backend, problem, *window) < 1e-6);
}

TEST_CASE("With the other gates shut and nothing to lose, the selected branch is full attention") {
  const Shape shape{4, 2, 8};
  const auto backend = make({{"block", "5"}, {"top", "20"}}, shape);
  const auto full = make_backend("full", {}, shape);
  Problem problem(*backend, 2, 100, Rng(52));
  open(problem, shape, kSelected);
  CHECK(distance(*backend, problem, *full) < 1e-6);
}

TEST_CASE("Of one query head, the selected branch is block top-k by mean keys") {
  // Weights of a softmax order the blocks as their scores do.
  const Shape shape{2, 2, 8};
  const tests::Settings blocks{{"block", "5"}, {"top", "3"}};
  const auto backend = make(blocks, shape);
  const auto topk = make_backend("block_topk", blocks, shape);
  Problem problem(*backend, 2, 150, Rng(53));
  open(problem, shape, kSelected);
  CHECK(distance(*backend, problem, *topk) < 1e-5);
}

TEST_CASE("The compressed branch attends to means of the complete blocks before a token's own") {
  const Shape shape{1, 1, 2};
  const auto backend = make({{"block", "2"}, {"rope", "none"}}, shape);
  Problem problem = blank_keys(*backend, 7);
  open(problem, shape, kCompressed);
  // Scores are q . k / sqrt(2): of the blocks' mean keys 0, log 2 and 0.
  plant(problem, 2, 2, {std::log(2.0F), 0});
  ask(problem, 0, {std::sqrt(2.0F), 0});
  const Tensor out = outputs(*backend, problem);
  const auto mean = [&](i64 block, i64 i) {
    const auto v = problem.v.view<4>();
    return (v(0, 2 * block, 0, i) + v(0, 2 * block + 1, 0, i)) / 2;
  };
  for (i64 i = 0; i < 2; ++i) {
    const auto found = [&](i64 t) { return out.view<4>()(0, t, 0, i); };
    CHECK(found(0) == Approx(0).margin(1e-6));
    CHECK(found(1) == Approx(0).margin(1e-6));
    CHECK(found(2) == Approx(mean(0, i)));
    CHECK(found(4) == Approx((mean(0, i) + 2 * mean(1, i)) / 3));
    CHECK(found(6) == Approx((mean(0, i) + 2 * mean(1, i) + mean(2, i)) / 4));
  }
}

TEST_CASE("Pools that hold one place make a block's compressed key and value those of its token") {
  const Shape shape{2, 2, 4};
  const auto backend = make({{"block", "5"}}, shape);
  Problem problem(*backend, 1, 23, Rng(54));
  std::ranges::fill(problem.weights, 0.0F);
  const auto hold = [&](i64 pool, i64 head, i64 place) {
    problem.weights[static_cast<std::size_t>(3 * 2 + (pool * 2 + head) * 5 + place)] = 200;
  };
  hold(0, 0, 3);
  hold(0, 1, 1);
  hold(1, 0, 0);
  hold(1, 1, 4);
  const i64 whole[] = {23};
  const State state = run(*backend, problem, whole, false).state;
  const auto equal = [&](const char* compressed, const char* name, i64 head, i64 c, i64 place) {
    return bits_differing(state[compressed].view<4>().row(0, head, c),
                          state[name].view<4>().row(0, head, 5 * c + place)) == 0;
  };
  for (i64 c = 0; c < 4; ++c) {
    CHECK(equal("compressed_keys", "keys", 0, c, 3));
    CHECK(equal("compressed_keys", "keys", 1, c, 1));
    CHECK(equal("compressed_values", "values", 0, c, 0));
    CHECK(equal("compressed_values", "values", 1, c, 4));
  }
}

TEST_CASE("The selected branch sees what stands out, its window of blocks and the sinks, no more") {
  const i64 local = GENERATE(0, 1, 2), sinks = GENERATE(0, 1, 2), step = GENERATE(0, 1, 7);
  const Shape shape{1, 1, 2};
  const auto backend = make({{"block", "3"},
                             {"top", "1"},
                             {"local_blocks", std::to_string(local)},
                             {"sink_blocks", std::to_string(sinks)},
                             {"rope", "none"}},
                            shape);
  Problem problem = blank_keys(*backend, kTokens);
  open(problem, shape, kSelected);
  plant(problem, 4 * kBlock, kBlock, {1, 0});
  ask(problem, 0, {1, 0});
  Blocks expected{4, 9};
  for (i64 n = 0; n < sinks; ++n) expected.insert(n);
  for (i64 n = 1; n <= local; ++n) expected.insert(9 - n);
  CAPTURE(local, sinks, step);
  CHECK(influential_blocks(*backend, problem, kBlock, 0, step) == expected);
}

TEST_CASE("The heads of a group share the choice of their weights' sum") {
  const Shape shape{2, 1, 2};
  const auto backend = make(
      {{"block", "3"}, {"top", "1"}, {"local_blocks", "0"}, {"sink_blocks", "0"}, {"rope", "none"}},
      shape);
  Problem problem = blank_keys(*backend, kTokens);
  open(problem, shape, kSelected);
  plant(problem, 2 * kBlock, kBlock, {3, 0});
  plant(problem, 5 * kBlock, kBlock, {0, 2});
  // Each gives one block more weight than all others; the first is surer.
  ask(problem, 0, {3, 0});
  ask(problem, 1, {0, 2});
  CHECK(influential_blocks(*backend, problem, kBlock, 0) == Blocks{2, 9});
  CHECK(influential_blocks(*backend, problem, kBlock, 1) == Blocks{2, 9});
}

TEST_CASE("Gates that start at zero mix halves of the three branches") {
  const Shape shape{2, 1, 8};
  const auto backend = make({{"block", "5"}, {"window", "9"}}, shape);
  Problem problem(*backend, 1, 60, Rng(55));
  std::vector<Tensor> branches;
  for (const Branch branch : {kCompressed, kSelected, kWindow}) {
    open(problem, shape, branch);
    branches.push_back(outputs(*backend, problem));
  }
  std::ranges::fill(problem.weights, 0.0F);
  for (const WeightSpec& spec : backend->weights()) CHECK(spec.initial == 0);
  const Tensor out = outputs(*backend, problem);
  std::vector<double> halves;
  for (i64 n = 0; n < out.size(); ++n) {
    double sum = 0;
    for (const Tensor& branch : branches) sum += static_cast<double>(branch.flat()[n]) / 2;
    halves.push_back(sum);
  }
  CHECK(relative_error(out.flat(), std::span<const double>(halves)) < 1e-6);
}

TEST_CASE("Keys of two branches and compressed blocks are counted apart") {
  const auto backend = make(
      {{"block", "2"}, {"top", "1"}, {"local_blocks", "1"}, {"sink_blocks", "0"}, {"window", "3"}},
      {4, 2, 8});
  // Selected 1 + 2, 3 + 4, 5 + 6, 5 + 6; window 1 + 2 + 3 six times; compressed 0, 1, 2, 3, twice.
  CHECK(backend->cost(0, 8).activity == Activity{8, 32 + 21, 0, 0, 12, 0});
}

TEST_CASE("Compressed blocks add one key and value a block to those of all tokens") {
  // Two heads of 8 floats, keys and values; 100 tokens are six complete blocks.
  CHECK(make({{"block", "16"}}, {4, 2, 8})->state_bytes(100) == 2 * 2 * 8 * 4 * (100 + 6));
}

}  // namespace longreach::attention
