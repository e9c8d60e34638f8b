// Tests of attention/full.cpp against the softmax equation written out in tests/attention/naive.h.
#include "tests/attention/backends.h"
#include "tests/attention/naive.h"

namespace longreach::attention {
namespace {

constexpr Shape kShapes[] = {{1, 1, 2}, {4, 2, 8}, {4, 1, 16}, {3, 3, 8}, {6, 2, 8}};

std::vector<double> expected(const Shape& shape, const Problem& problem,
                             const std::optional<naive::Rope>& rope) {
  return naive::outputs(shape, problem,
                        [&](const naive::Head& head) { return naive::full(head, rope); });
}

}  // namespace

TEST_CASE("Full attention is the causal softmax over all keys, under grouped heads") {
  const std::vector<std::pair<tests::Settings, std::optional<naive::Rope>>> cases{
      {{{"rope", "none"}}, std::nullopt},
      {tests::Settings{}, naive::Rope{}},
      {{{"rope.theta", "100"}}, naive::Rope{100, false}},
      {{{"rope.pairing", "interleaved"}}, naive::Rope{10000, true}},
      {{{"rope.scaling", "linear"}, {"rope.factor", "3"}}, naive::Rope{10000, false, 3}},
      // Trained so long that yarn keeps all pairs of these heads: it only lengthens rows.
      {{{"rope.scaling", "yarn"}, {"rope.factor", "8"}, {"rope.original_length", "1000000"}},
       naive::Rope{10000, false, 1, 0.1 * std::log(8) + 1}},
  };
  const auto& [fields, rope] = cases[GENERATE(0U, 1U, 2U, 3U, 4U, 5U)];
  for (const Shape& shape : kShapes) {
    CAPTURE(shape.query_heads, shape.kv_heads, shape.head_dim);
    const auto backend = make_backend("full", fields, shape);
    const Problem problem(*backend, 2, 37, Rng(11));
    CHECK(relative_error(outputs(*backend, problem).flat(),
                         std::span<const double>(expected(shape, problem, rope))) < 1e-5);
  }
}

TEST_CASE("Query heads share key heads in contiguous groups") {
  // One token, so each head returns the value it reads: heads 0, 1 read the first, 2, 3 the second.
  const auto backend = make_backend("full", {}, {4, 2, 2});
  Problem problem(*backend, 1, 1, Rng(1));
  for (i64 d = 0; d < 2; ++d) {
    problem.v.view<4>()(0, 0, 0, d) = 1;
    problem.v.view<4>()(0, 0, 1, d) = 2;
  }
  const Tensor out = outputs(*backend, problem);
  const float heads[] = {1, 1, 2, 2};
  for (i64 h = 0; h < 4; ++h) CHECK(out.view<4>()(0, 0, h, 0) == heads[h]);
}

TEST_CASE("Equal keys are averaged") {
  // Without positions all scores are equal: o_t is the mean of v_0..v_t = 0, 1/2, 1, 3/2.
  const auto backend = make_backend("full", {{"rope", "none"}}, {1, 1, 2});
  Problem problem(*backend, 1, 4, Rng(2));
  set_all(problem.k, 0.5F);
  for (i64 t = 0; t < 4; ++t) {
    problem.v.view<4>()(0, t, 0, 0) = static_cast<float>(t);
    problem.v.view<4>()(0, t, 0, 1) = static_cast<float>(t);
  }
  const Tensor out = outputs(*backend, problem);
  for (i64 t = 0; t < 4; ++t) CHECK(out.view<4>()(0, t, 0, 0) == Approx(0.5 * t));
}

TEST_CASE("Scores that overflow exp in float32 still give a finite softmax") {
  const auto backend = make_backend("full", {{"rope", "none"}}, {1, 1, 2});
  Problem problem(*backend, 1, 3, Rng(5));
  for (float& x : problem.q.flat()) x *= 1000;
  for (float& x : problem.k.flat()) x *= 1000;
  const Tensor out = outputs(*backend, problem);
  require_finite(out.flat().data(), static_cast<long>(out.size()), "out");
  CHECK(relative_error(out.flat(),
                       std::span<const double>(expected({1, 1, 2}, problem, std::nullopt))) < 1e-5);
}

TEST_CASE("Rotary angles stay accurate at position 100000") {
  // A stream whose first 100000 keys and values are zero: they score 0 and add 100000 to the
  // softmax's sum. Angles kept in float32 would be off by 100000 * 6e-8 = 6e-3.
  const i64 before = 100000, tokens = 4;
  const Shape shape{1, 1, 8};
  const bool interleaved = GENERATE(false, true);
  const auto backend =
      make_backend("full", {{"rope.pairing", interleaved ? "interleaved" : "half"}}, shape);
  Problem problem(*backend, 1, tokens, Rng(8));
  for (float& x : problem.q.flat()) x *= 12;
  State state = backend->initial_state(1, before + tokens);
  state.position = before;
  Tensor out({1, tokens, 1, 8});
  backend->forward({}, problem.chunk(0, tokens), state, out.view<4>(), nullptr);

  const ReferenceStream in = ReferenceProblem(problem).streams[0];
  const naive::Rope rope{10000, interleaved};
  for (i64 t = 0; t < tokens; ++t) {
    const auto row = [&](const std::vector<double>& x, i64 j) {
      return naive::Row(x.begin() + j * 8, x.begin() + (j + 1) * 8);
    };
    const naive::Row q = naive::rotate(row(in.q, t), before + t, rope);
    double total = static_cast<double>(before);
    naive::Row sum(8, 0.0);
    for (i64 j = 0; j <= t; ++j) {
      const double weight =
          std::exp(naive::dot(q, naive::rotate(row(in.k, j), before + j, rope)) / std::sqrt(8.0));
      total += weight;
      for (std::size_t d = 0; d < 8; ++d) sum[d] += weight * row(in.v, j)[d];
    }
    for (double& x : sum) x /= total;
    // 2e-5: a score near 30 carries a rounding error of 30 * 6e-8 into the exponential.
    CHECK(relative_error(out.view<4>().row(0, t, 0), std::span<const double>(sum)) < 2e-5);
  }
}

TEST_CASE("The state holds two rows of D floats a token and key head") {
  const auto backend = make_backend("full", {}, {4, 2, 8});
  CHECK(backend->state_bytes(100) == 100 * 2 * 2 * 8 * 4);
  const State state = backend->initial_state(3, 100);
  CHECK(state["keys"].shape() == std::vector<i64>{3, 2, 100, 8});
  CHECK(state["values"].shape() == std::vector<i64>{3, 2, 100, 8});
}

TEST_CASE("Full attention scores T(T+1)/2 pairs and never touches a memory") {
  const auto backend = make_backend("full", {}, {4, 2, 8});
  CHECK(backend->cost(0, 10).activity == Activity{10, 55, 0, 0});
  CHECK(backend->cost(10, 1).activity.keys_scored == 11);
  CHECK(backend->weights().empty());
}

TEST_CASE("The gradient of a single value row is its column of attention weights") {
  // Equal keys, no positions, loss = sum of o_t over t = 0..3: token j gets sum over t >= j of
  // 1 / (t + 1): 25/12, 13/12, 7/12, 1/4.
  const auto backend = make_backend("full", {{"rope", "none"}}, {1, 1, 2});
  Problem problem(*backend, 1, 4, Rng(9));
  set_all(problem.k, 0);
  set_all(problem.d_out, 1);
  const Gradients found = gradients(*backend, problem);
  const double expected_rows[] = {25.0 / 12, 13.0 / 12, 7.0 / 12, 0.25};
  for (i64 t = 0; t < 4; ++t) CHECK(found.v.view<4>()(0, t, 0, 0) == Approx(expected_rows[t]));
}

}  // namespace longreach::attention
