// Tests of attention/adaptive.cpp: what is kept, what goes, and what queries then see.
#include "attention/verify.h"
#include "tests/attention/backends.h"
#include "tests/attention/naive.h"

namespace longreach::attention {
namespace {

using naive::Row;

constexpr i64 kSegment = 4;
constexpr float kMemoryOff = -60;  // the gate: a kept segment is seen, a folded one is not

std::unique_ptr<Backend> make(const Shape& shape, i64 kept, bool relevance, bool feedback,
                              const std::string& rope = "none") {
  tests::Settings settings{{"segment", std::to_string(kSegment)},
                           {"kept", std::to_string(kept)},
                           {"relevance", relevance ? "true" : "false"},
                           {"feedback", feedback ? "true" : "false"}};
  if (!rope.empty()) settings.emplace("rope", rope);
  return make_backend("adaptive", settings, shape);
}

/// Which segments the last token of a one-head problem sees: those whose values move its output.
std::vector<i64> seen_segments(const Backend& backend, const Problem& problem) {
  const Tensor before = outputs(backend, problem);
  const i64 last = problem.tokens - 1;
  std::vector<i64> seen;
  for (i64 segment = 0; segment <= last / kSegment; ++segment) {
    Problem other = problem;
    for (i64 t = segment * kSegment; t < std::min((segment + 1) * kSegment, problem.tokens); ++t) {
      for (float& x : other.v.view<4>().row(0, t, 0)) x += 1;
    }
    const Tensor after = outputs(backend, other);
    const auto a = before.view<4>().row(0, last, 0), b = after.view<4>().row(0, last, 0);
    double difference = 0;
    for (std::size_t i = 0; i < a.size(); ++i) difference += std::abs(a[i] - b[i]);
    if (difference > 1e-6) seen.push_back(segment);
  }
  return seen;
}

/// Small random numbers, so that nothing stands out.
Problem plain(const Backend& backend, i64 tokens) {
  Problem problem(backend, 1, tokens, Rng(11));
  std::ranges::fill(problem.weights, kMemoryOff);
  for (Tensor* x : {&problem.q, &problem.k}) {
    for (float& value : x->flat()) value *= 0.01F;
  }
  return problem;
}

void set_row(Tensor& x, i64 t, std::vector<float> row) {
  std::ranges::copy(row, x.view<4>().row(0, t, 0).begin());
}

}  // namespace

TEST_CASE("Without relevance and feedback the last segments are kept, a window of them") {
  const auto backend = make({1, 1, 4}, 3, false, false);
  CHECK(seen_segments(*backend, plain(*backend, 26)) == std::vector<i64>{3, 4, 5, 6});
  CHECK(seen_segments(*backend, plain(*backend, 14)) == std::vector<i64>{0, 1, 2, 3});
}

TEST_CASE("The softmax over kept and open segments is that of its definition") {
  const Shape shape{4, 2, 6};
  const auto backend = make(shape, 2, false, false, "");
  Problem problem(*backend, 1, 27, Rng(5));
  std::ranges::fill(problem.weights, kMemoryOff);
  const std::vector<double> expected = naive::outputs(shape, problem, [](const naive::Head& head) {
    std::vector<Row> out;
    for (i64 t = 0; t < std::ssize(head.q); ++t) {
      const i64 begin = t / kSegment * kSegment;
      // Queries turned by the difference to each key: N more than the places' for kept ones.
      std::vector<Row> keys, values;
      for (i64 j = std::max<i64>(0, begin - 2 * kSegment); j <= t; ++j) {
        const i64 place = j < begin ? j % kSegment - kSegment : j % kSegment;
        keys.push_back(naive::rotate(head.k[j], place, naive::Rope{}));
        values.push_back(head.v[j]);
      }
      out.push_back(naive::softmax_attend(naive::rotate(head.q[t], t % kSegment, naive::Rope{}),
                                          keys, values));
    }
    return out;
  });
  CHECK(relative_error(outputs(*backend, problem).flat(), std::span<const double>(expected)) <
        1e-5);
}

TEST_CASE("A segment that recent queries ask for stays, and without relevance it goes") {
  for (const bool relevance : {true, false}) {
    const auto backend = make({1, 1, 4}, 2, relevance, false);
    Problem problem = plain(*backend, 30);
    for (i64 t = 4; t < 8; ++t) set_row(problem.k, t, {0, 3, 0, 0});     // segment 1
    for (i64 t = 8; t < 30; ++t) set_row(problem.q, t, {0, 0.5, 0, 0});  // asked for ever after
    CAPTURE(relevance);
    const std::vector<i64> seen = seen_segments(*backend, problem);
    CHECK((std::ranges::find(seen, 1) != seen.end()) == relevance);
    CHECK(std::ssize(seen) == 3);
  }
}

TEST_CASE("A segment that earned attention stays, though its mean key says nothing") {
  for (const bool feedback : {true, false}) {
    const auto backend = make({1, 1, 4}, 2, false, feedback);
    Problem problem = plain(*backend, 30);
    // Two keys that cancel in the mean; queries like the first of them.
    set_row(problem.k, 4, {0, 8, 0, 0});
    set_row(problem.k, 5, {0, -8, 0, 0});
    for (i64 t = 8; t < 30; ++t) set_row(problem.q, t, {0, 2, 0, 0});
    CAPTURE(feedback);
    const std::vector<i64> seen = seen_segments(*backend, problem);
    CHECK((std::ranges::find(seen, 1) != seen.end()) == feedback);
  }
}

TEST_CASE("A segment that had to go is read from the memory") {
  const Shape shape{1, 1, 4};
  const auto backend = make(shape, 1, false, false);
  Problem problem = plain(*backend, 14);
  std::ranges::fill(problem.weights, 60.0F);  // the memory alone
  // Segments 0 and 1 went, 2 is kept, 3 is open.
  CHECK(seen_segments(*backend, problem) == std::vector<i64>{0, 1});
}

TEST_CASE("Each border after the first kept segments makes one go, however calls are cut") {
  const auto backend = make({2, 1, 4}, 3, true, true);
  const Problem problem(*backend, 2, 41, Rng(2));
  const i64 cuts[] = {3, 17, 1, 20};
  for (const auto& pass :
       {run(*backend, problem, cuts, false), run(*backend, problem, cuts, true)}) {
    CHECK(pass.state.activity.evictions == 10 - 3);
    CHECK(pass.state.activity.compressions == 10 - 3);
    CHECK(pass.state.activity.memory_reads == 41 - 4 * kSegment);
  }
}

TEST_CASE("Many borders, few kept segments and halves conform") {
  for (const char* cache : {"f32", "bf16"}) {
    const BackendFactory make = [cache](const Shape& shape) {
      return make_backend("adaptive", {{"segment", "2"}, {"kept", "2"}, {"cache", cache}}, shape);
    };
    for (const Check& check : verify(make, {.seed = 3, .quick = true})) {
      INFO(cache << ": " << check.name << ": " << check.detail);
      CHECK(check.passed);
    }
  }
}

TEST_CASE("The state does not grow") {
  const auto backend = make({4, 2, 8}, 3, true, true);
  CHECK(backend->state_bytes(100) == backend->state_bytes(1 << 20));
  // Memory, mean keys, masses twice, queries' sum; four segments of keys and values.
  CHECK(backend->state_bytes(1) == 2 * 4 * (8 * 9 + 3 * 8 + 2 * 3 + 8 + 4 * 2 * kSegment * 8));
}

}  // namespace longreach::attention
