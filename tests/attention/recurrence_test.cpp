// Tests of attention/recurrence.cpp through the backends of attention/linear.cpp: special cases
// whose results follow by hand, and the attention-like form of linear attention.
#include "attention/recurrence.h"

#include "attention/verify.h"
#include "tests/attention/backends.h"

namespace longreach::attention {
namespace {

const std::vector<std::string> kFamily{"linear", "retention", "gated_linear", "delta_net",
                                       "gated_delta"};

double sigma(float x) { return x > 0 ? x + 1.0 : std::exp(static_cast<double>(x)); }

/// Row t of a one-head tensor of one stream.
std::vector<double> row(const Tensor& x, i64 t) {
  const auto values = x.view<4>().row(0, t, 0);
  return {values.begin(), values.end()};
}

/// o / sqrt(mean(o^2) + 1/10).
std::vector<double> divided_by_rms(std::vector<double> o) {
  double squares = 0;
  for (const double x : o) squares += x * x;
  for (double& x : o) x /= std::sqrt(squares / static_cast<double>(o.size()) + 0.1);
  return o;
}

/// Lengths have 1e-6 under their root, so that unit keys are not quite that.
void check_row(const Tensor& out, i64 t, const std::vector<double>& expected) {
  const std::vector<double> found = row(out, t);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CHECK(found[i] == Approx(expected[i]).epsilon(1e-4).margin(1e-5));
  }
}

void put(Tensor& x, i64 t, std::vector<float> values) {
  std::ranges::copy(values, x.view<4>().row(0, t, 0).begin());
}

/// All keys and queries are one unit vector, so that the rules can be followed by hand.
Problem unit_problem(const Backend& backend, i64 tokens) {
  Problem problem(backend, 1, tokens, Rng(3));
  for (i64 t = 0; t < tokens; ++t) {
    put(problem.k, t, {1, 0});
    put(problem.q, t, {1, 0});
  }
  return problem;
}

}  // namespace

TEST_CASE("Linear attention is a mean of values weighted by products of features") {
  const i64 d = 4, tokens = 150;  // three blocks
  const auto backend = make_backend("linear", {}, {1, 1, d});
  const Problem problem(*backend, 1, tokens, Rng(1));
  const Tensor out = outputs(*backend, problem);
  for (const i64 t : {i64{0}, i64{1}, i64{63}, i64{64}, tokens - 1}) {
    std::vector<double> sum(static_cast<std::size_t>(d), 0.0);
    double weights = 0;
    for (i64 j = 0; j <= t; ++j) {
      double weight = 0;
      for (i64 i = 0; i < d; ++i) {
        weight += sigma(problem.q.view<4>()(0, t, 0, i)) * sigma(problem.k.view<4>()(0, j, 0, i));
      }
      weights += weight;
      for (i64 i = 0; i < d; ++i) {
        sum[i] += weight * static_cast<double>(problem.v.view<4>()(0, j, 0, i));
      }
    }
    for (double& x : sum) x /= weights;
    check_row(out, t, sum);
  }
}

TEST_CASE("Retention's first head forgets one part in 32 a token, its second one in 64") {
  const auto backend = make_backend("retention", {{"rope", "none"}}, {2, 2, 2});
  Problem problem(*backend, 1, 70, Rng(2));
  set_all(problem.v, 0);
  for (i64 t = 0; t < 70; ++t) {
    for (i64 h = 0; h < 2; ++h) {
      problem.q.view<4>()(0, t, h, 0) = problem.k.view<4>()(0, t, h, 0) = 1;
      problem.q.view<4>()(0, t, h, 1) = problem.k.view<4>()(0, t, h, 1) = 0;
    }
  }
  problem.v.view<4>()(0, 0, 0, 0) = problem.v.view<4>()(0, 0, 1, 0) = 1;
  const i64 whole[] = {70};
  const Pass pass = run(*backend, problem, whole, false);
  const auto memory = pass.state["memory"].view<4>();
  CHECK(memory(0, 0, 0, 0) == Approx(std::pow(31.0 / 32, 69)).epsilon(1e-5));
  CHECK(memory(0, 1, 0, 0) == Approx(std::pow(63.0 / 64, 69)).epsilon(1e-5));
  CHECK(memory(0, 0, 1, 1) == 0);
}

TEST_CASE("The delta rule replaces the value of a key it meets again") {
  const auto backend = make_backend("delta_net", {}, {1, 1, 2});
  Problem problem = unit_problem(*backend, 40);
  for (float& x : problem.projected.flat()) x = 30;  // write strength 1
  const Tensor out = outputs(*backend, problem);
  for (const i64 t : {0, 1, 20, 39}) {
    std::vector<double> last = row(problem.v, t);
    check_row(out, t, divided_by_rms(last));
  }
}

TEST_CASE("Half a write strength moves half of the way") {
  const auto backend = make_backend("delta_net", {}, {1, 1, 2});
  Problem problem = unit_problem(*backend, 36);
  set_all(problem.projected, 0);
  const Tensor out = outputs(*backend, problem);
  std::vector<double> known(2, 0.0);
  for (i64 t = 0; t < 36; ++t) {
    const std::vector<double> value = row(problem.v, t);
    for (std::size_t i = 0; i < 2; ++i) known[i] = (known[i] + value[i]) / 2;
    check_row(out, t, divided_by_rms(known));
  }
}

TEST_CASE("A share kept of nearly nothing leaves a token alone with itself") {
  for (const char* type : {"gated_linear", "gated_delta"}) {
    const auto backend = make_backend(type, {{"temperature", "1"}}, {1, 1, 2});
    Problem problem = unit_problem(*backend, 20);
    const i64 strengths = type == std::string("gated_delta") ? 1 : 0;
    for (i64 t = 0; t < 20; ++t) {
      const auto projected = problem.projected.view<3>().row(0, t);
      for (i64 i = 0; i < std::ssize(projected); ++i) projected[i] = i < strengths ? 30 : -50;
    }
    // Not less than exp(-4) is kept, so that a value still shows a token later.
    put(problem.v, 18, {1, 0});
    put(problem.v, 19, {0, 1});
    const i64 whole[] = {20};
    const State state = run(*backend, problem, whole, false).state;
    const auto memory = state["memory"].view<4>();
    INFO(type);
    // Under the delta rule the key's old value is replaced; otherwise a trace of it is left.
    CHECK(memory(0, 0, 0, 0) ==
          Approx(strengths == 1 ? 0 : std::exp(-4)).epsilon(2e-2).margin(1e-6));
    CHECK(memory(0, 0, 0, 1) == Approx(1).epsilon(0.02));
  }
}

TEST_CASE("Shares kept of all make the gated backends those without a gate") {
  const i64 tokens = 90;
  const auto gated = make_backend("gated_delta", {}, {4, 2, 8});
  const auto plain = make_backend("delta_net", {}, {4, 2, 8});
  Problem with(*gated, 2, tokens, Rng(5)), without(*plain, 2, tokens, Rng(5));
  for (i64 b = 0; b < 2; ++b) {
    for (i64 t = 0; t < tokens; ++t) {
      const auto from = without.projected.view<3>().row(b, t);
      const auto to = with.projected.view<3>().row(b, t);
      std::ranges::copy(from, to.begin());
      std::fill(to.begin() + std::ssize(from), to.end(), 100.0F);
    }
  }
  CHECK(relative_error(outputs(*gated, with).flat(),
                       std::span<const float>(outputs(*plain, without).flat())) < 1e-5);
}

TEST_CASE("Projections that shrink shares to their least are differentiated as what they are") {
  for (const char* type : {"gated_linear", "gated_delta"}) {
    const BackendFactory make = [type](const Shape& shape) {
      return make_backend(type, {{"temperature", "1"}}, shape);
    };
    for (const Check& check : verify(make, {.seed = 3, .quick = true})) {
      INFO(type << ": " << check.name << ": " << check.detail);
      CHECK(check.passed);
    }
  }
}

TEST_CASE("The family's state is one matrix a head, whatever the stream") {
  for (const std::string& type : kFamily) {
    const auto backend = make_backend(type, {}, {4, 2, 8});
    INFO(type);
    CHECK(backend->state_bytes(10) == backend->state_bytes(1 << 20));
    CHECK(backend->state_bytes(10) == 2 * 8 * (8 + (type == "linear" ? 1 : 0)) * 4);
  }
}

}  // namespace longreach::attention
