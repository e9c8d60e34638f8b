// Tests of attention/sliding_window.cpp against the definition in tests/attention/naive.h, where
// each token's cache is a list.
#include "attention/verify.h"
#include "tests/attention/backends.h"
#include "tests/attention/naive.h"

namespace longreach::attention {
namespace {

std::string text(i64 value) { return std::to_string(value); }

/// Outputs of token `query` after changing key and value of token `changed`.
std::vector<float> output_after_change(const Backend& backend, Problem problem, i64 changed,
                                       i64 query) {
  for (float& x : problem.k.view<4>().row(0, changed, 0)) x += 1;
  for (float& x : problem.v.view<4>().row(0, changed, 0)) x += 1;
  const Tensor out = outputs(backend, problem);
  const auto row = out.view<4>().row(0, query, 0);
  return {row.begin(), row.end()};
}

}  // namespace

TEST_CASE("The sliding window is the softmax over its cache, for sinks, positions and ropes") {
  const i64 window = GENERATE(1, 3, 8, 40), sinks = GENERATE(0, 1, 4);
  const bool cache = GENERATE(false, true);
  const int rope = GENERATE(0, 1, 2, 3, 4);
  naive::Window parameters{window, sinks, cache, naive::Rope{}};
  tests::Settings fields{{"window", text(window)},
                         {"sinks", text(sinks)},
                         {"positions", cache ? "cache" : "absolute"}};
  if (rope == 0) {
    parameters.rope = std::nullopt;
    fields.emplace("rope", "none");
  } else if (rope == 3) {
    parameters.rope->factor = 3;
    fields.merge(tests::Settings{{"rope.scaling", "linear"}, {"rope.factor", "3"}});
  } else if (rope == 4) {  // trained so long that yarn keeps all pairs: it only lengthens rows
    parameters.rope->length = 0.1 * std::log(8) + 1;
    fields.merge(tests::Settings{
        {"rope.scaling", "yarn"}, {"rope.factor", "8"}, {"rope.original_length", "1000000"}});
  } else {
    parameters.rope->interleaved = rope == 2;
    fields.emplace("rope.pairing", rope == 2 ? "interleaved" : "half");
  }
  for (const Shape& shape : {Shape{4, 2, 8}, Shape{3, 3, 4}}) {
    CAPTURE(window, sinks, cache, rope, shape.query_heads);
    const auto backend = make_backend("sliding_window", fields, shape);
    const Problem problem(*backend, 2, 29, Rng(21));
    const std::vector<double> expected = naive::outputs(
        shape, problem,
        [&](const naive::Head& head) { return naive::sliding_window(head, parameters); });
    CHECK(relative_error(outputs(*backend, problem).flat(), std::span<const double>(expected)) <
          1e-5);
    // Token by token the ring wraps many times.
    const std::vector<i64> ones(29, 1);
    CHECK(relative_error(run(*backend, problem, ones, false).out.flat(),
                         std::span<const double>(expected)) < 1e-5);
  }
}

TEST_CASE("A chunk that goes through in runs is the same softmax, with the state of a whole call") {
  // Without a tape 2048 tokens go through at a time: 5000 are three runs, which see the keys before
  // their own only through the ring.
  const i64 tokens = 5000;
  const bool cache = GENERATE(false, true);
  const naive::Window parameters{7, 3, cache, naive::Rope{}};
  const auto backend = make_backend(
      "sliding_window",
      {{"window", "7"}, {"sinks", "3"}, {"positions", cache ? "cache" : "absolute"}}, {2, 1, 8});
  const Problem problem(*backend, 1, tokens, Rng(29));
  const i64 whole[] = {tokens};
  const Pass in_runs = run(*backend, problem, whole, false);
  const Pass taped = run(*backend, problem, whole, true);
  const std::vector<double> expected = naive::outputs(
      backend->shape(), problem,
      [&](const naive::Head& head) { return naive::sliding_window(head, parameters); });
  CAPTURE(cache);
  // Float angles of positions to 5000 and sums of 10 products: as in the short streams above.
  CHECK(relative_error(in_runs.out.flat(), std::span<const double>(expected)) < 1e-5);
  // The same keys in other tiles: rounding of a few sums.
  CHECK(relative_error(in_runs.out.flat(), taped.out.flat()) < 1e-6);
  CHECK(in_runs.state.activity == taped.state.activity);
  CHECK(in_runs.state.position == tokens);
  for (std::size_t i = 0; i < taped.state.tensors.size(); ++i) {
    CHECK(bits_differing(in_runs.state.tensors[i].tensor, taped.state.tensors[i].tensor) == 0);
  }
}

TEST_CASE("Rows that yarn lengthens keep their gradients where sinks are turned a second time") {
  const BackendFactory make = [](const Shape& shape) {
    return make_backend("sliding_window",
                        {{"window", "5"},
                         {"sinks", "2"},
                         {"positions", "cache"},
                         {"rope.scaling", "yarn"},
                         {"rope.original_length", "512"}},
                        shape);
  };
  for (const Check& check : verify(make, {.quick = true})) {
    CAPTURE(check.name, check.error, check.detail);
    CHECK(check.passed);
  }
}

TEST_CASE("A window of T tokens equals full attention, one of T - 1 does not") {
  const Shape shape{2, 1, 8};
  const i64 tokens = 16;
  const auto full = make_backend("full", {}, shape);
  const auto exact =
      make_backend("sliding_window", {{"window", text(tokens)}, {"sinks", "0"}}, shape);
  const auto less =
      make_backend("sliding_window", {{"window", text(tokens - 1)}, {"sinks", "0"}}, shape);
  const Problem problem(*full, 1, tokens, Rng(22));
  const Tensor expected = outputs(*full, problem);
  CHECK(relative_error(outputs(*exact, problem).flat(), expected.flat()) < 1e-6);
  const Tensor shorter = outputs(*less, problem);
  CHECK(relative_error(shorter.view<4>().row(0, tokens - 1, 0),
                       std::as_const(expected).view<4>().row(0, tokens - 1, 0)) > 1e-3);
  CHECK(relative_error(shorter.view<4>().row(0, tokens - 2, 0),
                       std::as_const(expected).view<4>().row(0, tokens - 2, 0)) < 1e-6);
}

TEST_CASE("Key t - W leaves the output's bits alone and key t - W + 1 changes them") {
  const i64 window = 5, query = 12;
  const bool cache = GENERATE(false, true);
  const auto backend = make_backend(
      "sliding_window",
      {{"window", text(window)}, {"sinks", "0"}, {"positions", cache ? "cache" : "absolute"}},
      {1, 1, 8});
  const Problem problem(*backend, 1, 20, Rng(23));
  const Tensor out = outputs(*backend, problem);
  const auto before = out.view<4>().row(0, query, 0);
  for (i64 outside = 0; outside <= query - window; ++outside) {
    CHECK(bits_differing(output_after_change(*backend, problem, outside, query), before) == 0);
  }
  for (i64 inside = query - window + 1; inside <= query; ++inside) {
    CHECK(bits_differing(output_after_change(*backend, problem, inside, query), before) > 0);
  }
}

TEST_CASE("A key outside the window gets no gradient at all") {
  const auto backend = make_backend("sliding_window", {{"window", "4"}, {"sinks", "0"}}, {1, 1, 8});
  Problem problem(*backend, 1, 10, Rng(24));
  set_all(problem.d_out, 0);
  for (float& x : problem.d_out.view<4>().row(0, 9, 0)) x = 1;
  const Gradients found = gradients(*backend, problem);
  for (i64 t = 0; t < 10; ++t) {
    CAPTURE(t);
    CHECK((largest(found.v.view<4>().row(0, t, 0)) > 0) == (t > 9 - 4));
  }
}

TEST_CASE("Sinks keep their influence for ever, their neighbours do not") {
  const auto backend = make_backend("sliding_window", {{"window", "3"}, {"sinks", "2"}}, {1, 1, 8});
  const Problem problem(*backend, 1, 30, Rng(25));
  const Tensor out = outputs(*backend, problem);
  const auto before = out.view<4>().row(0, 29, 0);
  CHECK(bits_differing(output_after_change(*backend, problem, 0, 29), before) > 0);
  CHECK(bits_differing(output_after_change(*backend, problem, 1, 29), before) > 0);
  CHECK(bits_differing(output_after_change(*backend, problem, 2, 29), before) == 0);
}

TEST_CASE("Positions inside a full cache do not depend on how far the stream has come") {
  // With cache positions and no sinks, the same W tokens give the same output after 5 or 50 others.
  const i64 window = 4;
  const auto backend =
      make_backend("sliding_window",
                   {{"window", text(window)}, {"sinks", "0"}, {"positions", "cache"}}, {1, 1, 8});
  const auto last = [&](i64 prefix) {
    const Problem tokens(*backend, 1, window, Rng(26));
    Problem problem(*backend, 1, prefix + window, Rng(27));
    for (i64 t = 0; t < window; ++t) {
      for (i64 d = 0; d < 8; ++d) {
        problem.q.view<4>()(0, prefix + t, 0, d) = tokens.q.view<4>()(0, t, 0, d);
        problem.k.view<4>()(0, prefix + t, 0, d) = tokens.k.view<4>()(0, t, 0, d);
        problem.v.view<4>()(0, prefix + t, 0, d) = tokens.v.view<4>()(0, t, 0, d);
      }
    }
    const Tensor out = outputs(*backend, problem);
    const auto row = out.view<4>().row(0, prefix + window - 1, 0);
    return std::vector<float>(row.begin(), row.end());
  };
  const std::vector<float> near = last(5), far = last(50);
  CHECK(relative_error(near, std::span<const float>(far)) < 1e-6);
}

TEST_CASE("Rotary angles of a window stay accurate at position 100000") {
  const i64 before = 100000, tokens = 12, window = 6;
  const auto backend =
      make_backend("sliding_window", {{"window", text(window)}, {"sinks", "0"}}, {1, 1, 8});
  const Problem problem(*backend, 1, tokens, Rng(28));
  State state = backend->initial_state(1, before + tokens);
  state.position = before;
  Tensor out({1, tokens, 1, 8});
  backend->forward({}, problem.chunk(0, tokens), state, out.view<4>(), nullptr);
  const ReferenceStream in = ReferenceProblem(problem).streams[0];
  const auto row = [&](const std::vector<double>& x, i64 j) {
    return naive::Row(x.begin() + j * 8, x.begin() + (j + 1) * 8);
  };
  // From token W - 1 on the window holds none of the zero keys before the stream.
  for (i64 t = window - 1; t < tokens; ++t) {
    std::vector<naive::Row> keys, values;
    for (i64 j = t - window + 1; j <= t; ++j) {
      keys.push_back(naive::rotate(row(in.k, j), before + j, naive::Rope{}));
      values.push_back(row(in.v, j));
    }
    const naive::Row expected =
        naive::softmax_attend(naive::rotate(row(in.q, t), before + t, naive::Rope{}), keys, values);
    CHECK(relative_error(out.view<4>().row(0, t, 0), std::span<const double>(expected)) < 3e-6);
  }
}

TEST_CASE("The state of a window does not grow with the stream") {
  const auto backend = make_backend("sliding_window", {{"window", "8"}, {"sinks", "2"}}, {4, 2, 8});
  // Keys and values of W + S tokens, two key heads of 8 floats.
  CHECK(backend->state_bytes(1000) == (8 + 2) * 2 * 2 * 8 * 4);
  CHECK(backend->state_bytes(1'000'000) == backend->state_bytes(1000));
}

TEST_CASE("A window scores min(t + 1, W) keys, and its sinks beyond") {
  const auto plain = make_backend("sliding_window", {{"window", "4"}, {"sinks", "0"}}, {1, 1, 8});
  // 1 + 2 + 3 + 4 + 4 + 4
  CHECK(plain->cost(0, 6).activity == Activity{6, 18, 0, 0});
  const auto sinks = make_backend("sliding_window", {{"window", "4"}, {"sinks", "2"}}, {1, 1, 8});
  // t = 0..3 as before; t = 4 sees 0 and 1..4; t = 5 sees 0, 1 and 2..5: 10 + 5 + 6
  CHECK(sinks->cost(0, 6).activity == Activity{6, 21, 0, 0});
}

}  // namespace longreach::attention
