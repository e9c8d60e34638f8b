// Tests of attention/backend.h: the value types of the contract, and what holds for every backend.
#include "attention/backend.h"

#include <algorithm>

#include "attention/verify.h"
#include "tests/attention/backends.h"

namespace longreach::attention {
namespace {

State two_tensors() {
  State state;
  state.position = 7;
  state.tensors.push_back({"memory", Tensor({2, 3})});
  state.tensors.push_back({"normalizer", Tensor({2})});
  set_all(state["memory"], 4);
  state.activity.tokens = 7;
  return state;
}

}  // namespace

TEST_CASE("A state weighs the sum of its tensors") {
  CHECK(two_tensors().bytes() == (2 * 3 + 2) * 4);
}

TEST_CASE("A state finds its tensors by name and names the one that is missing") {
  State state = two_tensors();
  state["normalizer"].flat()[1] = 5;
  CHECK(std::as_const(state)["normalizer"].flat()[1] == 5);
  CHECK_THROWS_WITH(state["keys"], Catch::Contains("no tensor 'keys'"));
}

TEST_CASE("A zero state has the same names, shapes and position, no numbers and no activity") {
  const State zero = two_tensors().zero_like();
  CHECK(zero.position == 7);
  CHECK(zero.activity == Activity{});
  CHECK(zero["memory"].shape() == std::vector<i64>{2, 3});
  for (const float x : zero["memory"].flat()) CHECK(x == 0);
}

TEST_CASE("Activities add field by field") {
  Activity a{1, 2, 3, 4};
  a += Activity{10, 20, 30, 40};
  CHECK(a == Activity{11, 22, 33, 44});
}

TEST_CASE("A shape whose query heads are no multiple of its key heads is refused") {
  CHECK_NOTHROW(validate({4, 2, 8}));
  CHECK_THROWS_AS(validate({4, 3, 8}), Error);
  CHECK_THROWS_AS(validate({0, 1, 8}), Error);
  CHECK_THROWS_AS(validate({1, 0, 8}), Error);
}

TEST_CASE("A head size that rotary pairs do not divide is refused") {
  CHECK_THROWS_AS(validate({1, 1, 7}), Error);
  CHECK_THROWS_AS(validate({1, 1, 0}), Error);
}

TEST_CASE("Every backend refuses an impossible shape") {
  for (const std::string& name : AttentionRegistry::instance().names()) {
    CAPTURE(name);
    CHECK_THROWS_AS(make_backend(name, {}, {4, 3, 8}), Error);
    CHECK_THROWS_AS(make_backend(name, {}, {2, 2, 5}), Error);
  }
}

TEST_CASE("The backends of this program are registered, and none of them twice") {
  CHECK(AttentionRegistry::instance().problems().empty());
  const std::vector<std::string> names = AttentionRegistry::instance().names();
  for (const char* expected : {"full", "infini", "sliding_window"}) {
    CHECK(std::ranges::count(names, expected) == 1);
  }
}

TEST_CASE("A copied state forks the stream: both copies go on alike, neither disturbs the other") {
  for (const std::string& name : AttentionRegistry::instance().names()) {
    CAPTURE(name);
    const auto backend = make_backend(name, {}, {2, 1, 8});
    const Problem problem(*backend, 1, 12, Rng(3));
    const i64 first[] = {7}, rest[] = {5};
    const State middle = run(*backend, problem, first, false).state;
    const Pass one = run(*backend, problem, middle, rest, false);
    const Pass other = run(*backend, problem, middle, rest, false);
    CHECK(bits_differing(one.out.flat(), other.out.flat()) == 0);
    CHECK(middle.position == 7);
  }
}

TEST_CASE("One token attends to itself alone, so its output is its value") {
  // Infini mixes in (1 - g) unless its first segment bypasses the empty memory.
  const std::vector<std::pair<std::string, tests::Settings>> cases{
      {"full", {}}, {"sliding_window", {}}, {"infini", {{"first_segment", "bypass"}}}};
  for (const auto& [name, fields] : cases) {
    CAPTURE(name);
    const auto backend = make_backend(name, fields, {4, 2, 8});
    const Problem problem(*backend, 1, 1, Rng(4));
    const Tensor out = outputs(*backend, problem);
    for (i64 h = 0; h < 4; ++h) {
      for (i64 d = 0; d < 8; ++d) {
        CHECK(out.view<4>()(0, 0, h, d) == Approx(problem.v.view<4>()(0, 0, h / 2, d)));
      }
    }
  }
}

}  // namespace longreach::attention
