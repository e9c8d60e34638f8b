// Tests of attention/infini.cpp against equations (6) to (10) of Munkhdalai et al. 2024, written
// out in tests/attention/naive.h, and against arithmetic.
#include "tests/attention/backends.h"
#include "tests/attention/naive.h"

namespace longreach::attention {
namespace {

std::string text(i64 value) { return std::to_string(value); }

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// A gate so open that float32 reads the memory alone: 1 - sigmoid(40) is 4e-18.
constexpr float kMemoryOnly = 40;

std::vector<double> expected(const Shape& shape, const Problem& problem,
                             const naive::Infini& parameters) {
  return naive::outputs(shape, problem,
                        [&](const naive::Head& head) { return naive::infini(head, parameters); });
}

/// Sum of d_out * naive outputs of one stream, over tokens [begin, end) only.
double naive_loss(const Shape& shape, const ReferenceProblem& problem,
                  const naive::Infini& parameters, i64 begin, i64 end) {
  const std::vector<double> out =
      naive::per_head(shape, problem.streams[0], problem.weights,
                      [&](const naive::Head& head) { return naive::infini(head, parameters); });
  const std::size_t row = static_cast<std::size_t>(shape.query_heads * shape.head_dim);
  double sum = 0;
  for (std::size_t i = static_cast<std::size_t>(begin) * row;
       i < static_cast<std::size_t>(end) * row; ++i) {
    sum += out[i] * problem.d_out[0][i];
  }
  return sum;
}

/// Central difference of the naive loss over tokens [begin, end) in one input element.
double naive_slope(const Shape& shape, ReferenceProblem& problem, const naive::Infini& parameters,
                   double& element, i64 begin, i64 end) {
  const double step = 1e-5, original = element;
  element = original + step;
  const double up = naive_loss(shape, problem, parameters, begin, end);
  element = original - step;
  const double down = naive_loss(shape, problem, parameters, begin, end);
  element = original;
  return (up - down) / (2 * step);
}

}  // namespace

TEST_CASE("Infini mixes local softmax and memory as the equations say") {
  const i64 segment = GENERATE(1, 4, 7, 64);
  const bool delta = GENERATE(false, true), bypass = GENERATE(false, true);
  const bool repeated = GENERATE(false, true);
  const int rope = GENERATE(0, 1, 2, 3, 4);
  naive::Infini parameters{segment, delta, bypass, naive::Rope{}};
  tests::Settings fields{{"segment", text(segment)},
                         {"update", delta ? "delta" : "linear"},
                         {"first_segment", bypass ? "bypass" : "gate"}};
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
  for (const Shape& shape : {Shape{4, 2, 8}, Shape{3, 3, 4}, Shape{4, 1, 8}}) {
    CAPTURE(segment, delta, bypass, repeated, rope, shape.query_heads, shape.kv_heads);
    const auto backend = make_backend("infini", fields, shape);
    const Problem problem(*backend, 2, 18, Rng(31), repeated);
    const std::vector<double> naive_outputs = expected(shape, problem, parameters);
    CHECK(relative_error(outputs(*backend, problem).flat(),
                         std::span<const double>(naive_outputs)) < 1e-5);
    const i64 cuts[] = {3, 5, 1, 9};
    CHECK(relative_error(run(*backend, problem, cuts, false).out.flat(),
                         std::span<const double>(naive_outputs)) < 1e-5);
  }
}

TEST_CASE("Gradients are those of the equations, through the memory of every segment before") {
  const bool delta = GENERATE(false, true), bypass = GENERATE(false, true);
  const bool repeated = GENERATE(false, true);
  const bool lengthened = GENERATE(false, true);
  const Shape shape{4, 2, 4};
  naive::Infini parameters{3, delta, bypass, naive::Rope{}};
  tests::Settings fields{{"segment", "3"},
                         {"update", delta ? "delta" : "linear"},
                         {"first_segment", bypass ? "bypass" : "gate"}};
  if (lengthened) {  // by yarn, trained so long that it keeps all pairs
    parameters.rope->length = 0.1 * std::log(8) + 1;
    fields.merge(tests::Settings{
        {"rope.scaling", "yarn"}, {"rope.factor", "8"}, {"rope.original_length", "1000000"}});
  }
  const auto backend = make_backend("infini", fields, shape);
  const Problem problem(*backend, 1, 11, Rng(32), repeated);
  const Gradients found = gradients(*backend, problem);
  ReferenceProblem reference(problem);
  const auto compare = [&](std::span<const float> gradient, std::vector<double>& values) {
    std::vector<double> slopes;
    for (double& element : values) {
      slopes.push_back(naive_slope(shape, reference, parameters, element, 0, 11));
    }
    CHECK(relative_error(gradient, std::span<const double>(slopes)) < 1e-4);
  };
  compare(found.q.flat(), reference.streams[0].q);
  compare(found.k.flat(), reference.streams[0].k);
  compare(found.v.flat(), reference.streams[0].v);
  compare(found.weights, reference.weights);
}

TEST_CASE("Truncated gradients stop at every n-th segment border, wherever the stream is cut") {
  const i64 bptt = GENERATE(1, 2), segment = 3, tokens = 14;
  const bool delta = GENERATE(false, true);
  const Shape shape{2, 1, 4};
  const naive::Infini parameters{segment, delta, false, naive::Rope{}};
  const auto backend = make_backend(
      "infini",
      {{"segment", text(segment)}, {"bptt", text(bptt)}, {"update", delta ? "delta" : "linear"}},
      shape);
  const Problem problem(*backend, 1, tokens, Rng(33));
  ReferenceProblem reference(problem);
  // A border passes nothing back, so a key or value is felt only by the outputs up to the end of
  // its own block of n segments. Queries and gates are felt by their own outputs: no difference.
  const auto expect = [&](std::vector<double>& values) {
    std::vector<double> slopes;
    const std::size_t row = values.size() / static_cast<std::size_t>(tokens);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const i64 token = static_cast<i64>(i / row), block = bptt * segment;
      const i64 end = std::min((token / block + 1) * block, tokens);
      slopes.push_back(naive_slope(shape, reference, parameters, values[i], token, end));
    }
    return slopes;
  };
  const std::vector<double> d_q = expect(reference.streams[0].q);
  const std::vector<double> d_k = expect(reference.streams[0].k);
  const std::vector<double> d_v = expect(reference.streams[0].v);
  const std::vector<std::vector<i64>> all_cuts{
      {14}, {4, 7, 3}, {3, 3, 3, 3, 2}, {6, 8}, std::vector<i64>(14, 1)};
  for (const std::vector<i64>& cuts : all_cuts) {
    CAPTURE(bptt, delta, describe_cuts(cuts));
    const Pass pass = run(*backend, problem, cuts, true);
    const Gradients found = undo(*backend, problem, pass, problem.d_state.zero_like());
    CHECK(relative_error(found.q.flat(), std::span<const double>(d_q)) < 1e-4);
    CHECK(relative_error(found.k.flat(), std::span<const double>(d_k)) < 1e-4);
    CHECK(relative_error(found.v.flat(), std::span<const double>(d_v)) < 1e-4);
  }
}

TEST_CASE("Without truncation the first key feels the last output, with bptt 1 it does not") {
  const auto last_output_only = [](const char* bptt) {
    const auto backend = make_backend("infini", {{"segment", "2"}, {"bptt", bptt}}, {1, 1, 4});
    Problem problem(*backend, 1, 9, Rng(34));
    set_all(problem.d_out, 0);
    for (float& x : problem.d_out.view<4>().row(0, 8, 0)) x = 1;
    return gradients(*backend, problem);
  };
  CHECK(largest(last_output_only("0").v.view<4>().row(0, 0, 0)) > 1e-3);
  CHECK(largest(last_output_only("1").v.view<4>().row(0, 0, 0)) == 0);
}

TEST_CASE("The gate's gradient is exact far from the middle, on both sides") {
  // d beta = g (1 - g) sum d_out (A_mem - A_dot). At beta = +-18, g (1 - g) = 1.5e-8, which a
  // float32 1 - g would round to 0 or to 6e-8.
  const double beta = GENERATE(-18.0, -5.0, 5.0, 18.0);
  const Shape shape{1, 1, 4};
  const auto backend = make_backend("infini", {{"segment", "4"}}, shape);
  Problem problem(*backend, 1, 12, Rng(35));
  const auto at = [&](double gate) {
    ReferenceProblem reference(problem);
    reference.weights[0] = gate;
    return naive_loss(shape, reference, {4, false, false, naive::Rope{}}, 0, 12);
  };
  // The loss is linear in g, so its values at g = 0 and 1 (to 1e-300) give the slope exactly.
  const double slope = at(700) - at(-700);
  const double expected_gradient = sigmoid(beta) * sigmoid(-beta) * slope;
  problem.weights[0] = static_cast<float>(beta);
  const Gradients found = gradients(*backend, problem);
  CHECK(found.weights[0] / expected_gradient == Approx(1).margin(1e-4));
}

TEST_CASE("The memory is read and written without positions") {
  const auto plain = make_backend("infini", {{"segment", "4"}, {"rope", "none"}}, {2, 1, 8});
  const auto rotated = make_backend("infini", {{"segment", "4"}, {"rope.theta", "10"}}, {2, 1, 8});
  Problem problem(*plain, 1, 16, Rng(36));
  for (float& gate : problem.weights) gate = kMemoryOnly;
  const i64 whole[] = {16};
  const Pass one = run(*plain, problem, whole, false), other = run(*rotated, problem, whole, false);
  for (i64 t = 4; t < 16; ++t) {
    CHECK(relative_error(one.out.view<4>().row(0, t, 0), other.out.view<4>().row(0, t, 0)) < 1e-6);
  }
  CHECK(relative_error(one.state["memory"].flat(), other.state["memory"].flat()) < 1e-6);
  CHECK(relative_error(one.state["normalizer"].flat(), other.state["normalizer"].flat()) < 1e-6);
}

TEST_CASE("A segment never sees its own keys through the memory") {
  // With the gate open, outputs of the second segment depend on the first segment's keys alone.
  const auto backend = make_backend("infini", {{"segment", "4"}}, {1, 1, 8});
  Problem problem(*backend, 1, 8, Rng(37));
  problem.weights[0] = kMemoryOnly;
  Problem other = problem;
  for (i64 t = 4; t < 8; ++t) {
    for (float& x : other.k.view<4>().row(0, t, 0)) x += 2;
  }
  const Tensor before = outputs(*backend, problem), after = outputs(*backend, other);
  for (i64 t = 4; t < 8; ++t) {
    CHECK(relative_error(after.view<4>().row(0, t, 0), before.view<4>().row(0, t, 0)) < 1e-6);
  }
}

TEST_CASE("The first segment is full attention, scaled by 1 - g unless it bypasses the gate") {
  const Shape shape{2, 1, 8};
  const auto full = make_backend("full", {}, shape);
  for (const bool bypass : {false, true}) {
    const auto backend = make_backend(
        "infini", {{"segment", "16"}, {"first_segment", bypass ? "bypass" : "gate"}}, shape);
    const Problem problem(*backend, 1, 16, Rng(38));
    Problem without = problem;
    without.weights.clear();
    const Tensor local = outputs(*full, without), out = outputs(*backend, problem);
    for (i64 t = 0; t < 16; ++t) {
      for (i64 h = 0; h < 2; ++h) {
        const double share = bypass ? 1 : 1 - sigmoid(problem.weights[static_cast<std::size_t>(h)]);
        for (i64 d = 0; d < 8; ++d) {
          CHECK(out.view<4>()(0, t, h, d) ==
                Approx(share * local.view<4>()(0, t, h, d)).margin(1e-6));
        }
      }
    }
  }
}

TEST_CASE("Repeating one binding once per segment settles at half its value under delta") {
  // Same key and value v in every segment of one token. Reads before each write: nothing, then
  // M = phi v, z = phi: v. The second write finds v there and adds 0, but z doubles: v / 2. From
  // then on each write adds the missing half to M and phi to z: (1 + 1/2) / 3 = 1/2, and so on.
  const auto read = [](const char* update) {
    const auto backend = make_backend("infini", {{"segment", "1"}, {"update", update}}, {1, 1, 4});
    Problem problem(*backend, 1, 6, Rng(39));
    problem.weights[0] = kMemoryOnly;
    for (i64 t = 0; t < 6; ++t) {
      for (i64 d = 0; d < 4; ++d) {
        const float key = 0.25F * static_cast<float>(d) - 0.3F;
        problem.q.view<4>()(0, t, 0, d) = key;
        problem.k.view<4>()(0, t, 0, d) = key;
        problem.v.view<4>()(0, t, 0, d) = static_cast<float>(d + 1);
      }
    }
    const Tensor out = outputs(*backend, problem);
    std::vector<double> shares;
    for (i64 t = 1; t < 6; ++t) shares.push_back(out.view<4>()(0, t, 0, 3) / 4.0);
    return shares;
  };
  const double delta[] = {1, .5, .5, .5, .5};
  const std::vector<double> found = read("delta"), linear = read("linear");
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(found[i] == Approx(delta[i]).margin(1e-6));
    CHECK(linear[i] == Approx(1).margin(1e-6));  // an average of equal values
  }
}

TEST_CASE("A segment repeated three times leaves the memory that feeding it three times leaves") {
  // Segments of 4: the second of three comes thrice in one stream, and counts thrice in the other.
  const Shape shape{2, 2, 4};
  const auto backend = make_backend("infini", {{"segment", "4"}}, shape);
  Problem once(*backend, 2, 12, Rng(45), true);
  set_all(once.repeats, 1);
  Problem thrice(*backend, 2, 20, Rng(46));
  for (i64 b = 0; b < 2; ++b) {
    for (i64 t = 4; t < 8; ++t) once.repeats.view<2>()(b, t) = 3;
    for (i64 t = 0; t < 20; ++t) {
      const i64 from = t < 8 ? t : t < 16 ? 4 + t % 4 : t - 8;
      for (i64 h = 0; h < 2; ++h) {
        std::ranges::copy(once.k.view<4>().row(b, from, h),
                          thrice.k.view<4>().row(b, t, h).begin());
        std::ranges::copy(once.v.view<4>().row(b, from, h),
                          thrice.v.view<4>().row(b, t, h).begin());
      }
    }
  }
  const i64 short_whole[] = {12}, long_whole[] = {20};
  const State counted = run(*backend, once, short_whole, false).state;
  const State fed = run(*backend, thrice, long_whole, false).state;
  for (const char* name : {"memory", "normalizer"}) {
    CHECK(relative_error(counted[name].flat(), fed[name].flat()) < 1e-6);
  }
}

TEST_CASE("Once each is what no repeats are, to the bit") {
  const auto backend = make_backend("infini", {{"segment", "4"}, {"update", "delta"}}, {4, 2, 8});
  Problem without(*backend, 2, 18, Rng(47)), with(*backend, 2, 18, Rng(47), true);
  set_all(with.repeats, 1);
  const i64 whole[] = {18};
  const Pass one = run(*backend, without, whole, true), other = run(*backend, with, whole, true);
  CHECK(bits_differing(one.out, other.out) + bits_differing(one.state, other.state) == 0);
  const Gradients found = undo(*backend, with, other, with.d_state);
  CHECK(bits_differing(found.k, undo(*backend, without, one, without.d_state).k) == 0);
}

TEST_CASE("phi does not round to zero for very negative keys and queries") {
  // ELU(-25) + 1 is 0 in float32; exp(-25) is 1.4e-11. All weights are equal, so the memory answers
  // with the mean of the first segment's values.
  const auto backend = make_backend("infini", {{"segment", "2"}}, {1, 1, 4});
  Problem problem(*backend, 1, 4, Rng(40));
  problem.weights[0] = kMemoryOnly;
  set_all(problem.q, -25);
  set_all(problem.k, -25);
  const Tensor out = outputs(*backend, problem);
  for (i64 d = 0; d < 4; ++d) {
    const float mean = 0.5F * (problem.v.view<4>()(0, 0, 0, d) + problem.v.view<4>()(0, 1, 0, d));
    CHECK(out.view<4>()(0, 2, 0, d) == Approx(mean).margin(1e-5));
    CHECK(out.view<4>()(0, 3, 0, d) == Approx(mean).margin(1e-5));
  }
}

TEST_CASE("A thousand equal writes add up") {
  // A bfloat16 sum would stall at 256 times the term. 4096 writes of phi(1) = 2.
  const auto backend = make_backend("infini", {{"segment", "1"}}, {1, 1, 2});
  Problem problem(*backend, 1, 4096, Rng(41));
  set_all(problem.k, 1);
  const i64 whole[] = {4096};
  const State state = run(*backend, problem, whole, false).state;
  for (const float z : state["normalizer"].flat()) CHECK(z == Approx(8192));
}

TEST_CASE("The state holds D (D + 1) floats a key head, and the open segment") {
  const auto backend = make_backend("infini", {{"segment", "16"}}, {4, 2, 8});
  const State state = backend->initial_state(3, 1000);
  CHECK(state["memory"].shape() == std::vector<i64>{3, 2, 8, 8});
  CHECK(state["normalizer"].shape() == std::vector<i64>{3, 2, 8});
  CHECK(state["segment_keys"].shape() == std::vector<i64>{3, 2, 16, 8});
  CHECK(state["segment_values"].shape() == std::vector<i64>{3, 2, 16, 8});
  CHECK(state["memory"].size() + state["normalizer"].size() == 3 * 2 * 8 * (8 + 1));
  CHECK(backend->state_bytes(1000) == 4 * (2 * 8 * (8 + 1) + 2 * 2 * 16 * 8));
  CHECK(backend->state_bytes(1'000'000) == backend->state_bytes(1000));
}

TEST_CASE("The memory holds M(i, j) = sum of phi(k)_i v_j over whole segments only") {
  const auto backend = make_backend("infini", {{"segment", "4"}}, {1, 1, 4});
  const Problem problem(*backend, 1, 10, Rng(42));
  const i64 whole[] = {10};
  const State state = run(*backend, problem, whole, false).state;
  const auto phi = [&](i64 t, i64 i) {
    const double x = problem.k.view<4>()(0, t, 0, i);
    return x > 0 ? x + 1 : std::exp(x);
  };
  for (i64 i = 0; i < 4; ++i) {
    double z = 0;
    for (i64 t = 0; t < 8; ++t) z += phi(t, i);
    CHECK(state["normalizer"].view<3>()(0, 0, i) == Approx(z).epsilon(1e-5));
    for (i64 j = 0; j < 4; ++j) {
      double m = 0;
      for (i64 t = 0; t < 8; ++t) m += phi(t, i) * problem.v.view<4>()(0, t, 0, j);
      CHECK(state["memory"].view<4>()(0, 0, i, j) == Approx(m).epsilon(1e-5).margin(1e-5));
    }
  }
}

TEST_CASE("A memory handed in at position 0 is read in the first segment") {
  const bool bypass = GENERATE(false, true);
  const auto backend = make_backend(
      "infini", {{"segment", "8"}, {"first_segment", bypass ? "bypass" : "gate"}}, {1, 1, 2});
  Problem problem(*backend, 1, 3, Rng(43));
  problem.weights[0] = kMemoryOnly;
  State state = backend->initial_state(1, 3);
  // phi(q) M / (phi(q) z) with M = z (3, 5): the answer is (3, 5) for every query.
  const float z[] = {2, 0.5F}, answer[] = {3, 5};
  for (i64 i = 0; i < 2; ++i) {
    state["normalizer"].view<3>()(0, 0, i) = z[i];
    for (i64 j = 0; j < 2; ++j) state["memory"].view<4>()(0, 0, i, j) = z[i] * answer[j];
  }
  const i64 whole[] = {3};
  const Pass pass = run(*backend, problem, state, whole, false);
  for (i64 t = 0; t < 3; ++t) {
    CHECK(pass.out.view<4>()(0, t, 0, 0) == Approx(3));
    CHECK(pass.out.view<4>()(0, t, 0, 1) == Approx(5));
  }
}

TEST_CASE("There is one gate a query head, at one half to begin with") {
  const std::vector<WeightSpec> weights = make_backend("infini", {}, {4, 2, 8})->weights();
  REQUIRE(weights.size() == 1);
  CHECK(weights[0].name == "gate");
  CHECK(weights[0].shape == std::vector<i64>{4});
  CHECK(weights[0].initial == 0);
  CHECK_FALSE(weights[0].decays);  // decay would pull it back to one half
}

TEST_CASE("A gate's start, learning rate and decay are the configuration's to choose") {
  const WeightSpec gate =
      make_backend("infini",
                   {{"gate_initial", "-2"}, {"gate_lr_scale", "0.5"}, {"gate_decay", "true"}},
                   {4, 2, 8})
          ->weights()[0];
  CHECK(gate.initial == -2);
  CHECK(gate.learning_rate_scale == 0.5);
  CHECK(gate.decays);
}

TEST_CASE("Infini scores its own segment, reads after the first, compresses each full one") {
  // Segments of 4, 10 tokens: 2 * 10 + 3 pairs; tokens 4..9 read; two segments written.
  CHECK(make_backend("infini", {{"segment", "4"}}, {4, 2, 8})->cost(0, 10).activity ==
        Activity{10, 23, 6, 2});
}

}  // namespace longreach::attention
