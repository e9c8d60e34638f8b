// Backends at equal state: the value found is the largest that fits, and what cannot be is told.
#include "harness/state_budget.h"

#include <catch2/catch.hpp>

#include "core/error.h"
#include "experiment.h"
#include "harness/assemble.h"
#include "harness/cell.h"
#include "harness/plan.h"

using namespace longreach;
using namespace longreach::harness;
using namespace longreach::tests;
using Catch::Matchers::Contains;

namespace {

/// Two layers of width 16, two heads: a token's keys and values are 2 x 2 x 16 floats, 256 bytes.
Parts with(const std::string& backends) {
  Parts parts;
  parts.models = "[{name: m, arch: {layers: 2, width: 16, heads: 2}}]";
  parts.backends = "[" + backends + "]";
  parts.tasks = "[memory]";
  return parts;
}

i64 state_of(const Experiment& experiment, const BackendChoice& backend, i64 length) {
  return make_model(experiment.models[0], backend, 1).state_bytes(length);
}

void refused(const Parts& parts, const std::string& words) {
  CHECK_THROWS_WITH(read(parts), Contains(words));
}

}  // namespace

TEST_CASE("A window is the largest whose state fits the budget") {
  const i64 budget = GENERATE(256, 257, 1023, 1024, 7000);
  const Experiment experiment = read(with(
      fmt::format("{{sliding_window: {{sinks: 0}}, solve: window, state_bytes: {}}}", budget)));
  const BackendChoice& backend = experiment.backends[0];
  CHECK(backend.budget.value == budget / 256);
  CHECK(param(backend.layers[0].params, "window") == fmt::format("{}", budget / 256));
  CHECK(backend.budget.reached == budget / 256 * 256);
  CHECK(backend.budget.reached == state_of(experiment, backend, 128));
}

TEST_CASE("A segment is the largest whose state fits beside the memory, for every one of a sweep") {
  const Experiment experiment = read(
      with("{name: infini, infini: {update: [linear, delta]}, solve: segment, state_bytes: [4KiB, "
           "8KiB]}"));
  REQUIRE(experiment.backends.size() == 4);
  for (const BackendChoice& backend : experiment.backends) {
    // Memories of 8 x 9 floats, two heads, two layers; the rest for 256 bytes a token.
    CHECK(backend.budget.value == (backend.budget.bytes - 2 * 2 * 8 * 9 * 4) / 256);
    CHECK(state_of(experiment, backend, 128) <= backend.budget.bytes);
  }
  CHECK(experiment.backends[1].name == "infini state_bytes=4KiB update=delta");
}

TEST_CASE("Heads are the fewest whose memories fit the budget") {
  // Memories of n heads of size d = 16 / n: two layers of n d (d + 1) = 16 (d + 1) floats.
  const auto heads = [](i64 budget) {
    return read(with(fmt::format("{{linear: {{}}, solve: heads, state_bytes: {}}}", budget)));
  };
  CHECK(heads(2 * 16 * 17 * 4).backends[0].heads == 1);
  CHECK(heads(2 * 16 * 17 * 4 - 1).backends[0].heads == 2);
  CHECK(heads(2 * 16 * 3 * 4).backends[0].heads == 8);
  refused(with("{linear: {}, solve: heads, state_bytes: 383}"),
          "t.yaml:4 backends[0].state_bytes: 383 bytes hold no state of model 'm' at 128 tokens; "
          "with heads: 8 it has 384 bytes, the least");
}

TEST_CASE("Solved values stand in the records' parameters, heads before them") {
  const Experiment experiment =
      read(with("{name: a, linear: {}, solve: heads, state_bytes: 1200}, "
                "{name: b, sliding_window: {}, solve: window, state_bytes: 1200}"));
  const std::vector<Cell> plan = make_plan(experiment);
  CHECK_THAT(cell_info(experiment, plan[0]).backend_params, Catch::StartsWith("heads: 2, "));
  CHECK_THAT(cell_info(experiment, plan.back()).backend_params, Catch::StartsWith("window: 4, "));
  CHECK(architecture_of(experiment.models[0], experiment.backends[0]).head_dim == 8);
}

TEST_CASE("A measured cell holds the state that the plan promised") {
  const Experiment experiment =
      read(with("{name: a, delta_net: {}, solve: heads, state_bytes: 1200, longest: 64}"));
  const std::vector<Cell> plan = make_plan(experiment);
  REQUIRE(plan.size() == 1);
  const Outcome outcome = run_cell(experiment, plan[0], "", {});
  CHECK(outcome.info.reason == "");
  CHECK(outcome.info.state_bytes_measured == experiment.backends[0].budget.reached);
  CHECK(outcome.info.state_bytes_analytic == experiment.backends[0].budget.reached);
}

TEST_CASE("The state counts at the longest context that a task measures of the backend") {
  const auto value = [](const std::string& more, const std::string& tasks) {
    Parts parts = with("{sliding_window: {}, solve: window, state_bytes: 1MiB" + more + "}");
    parts.tasks = tasks;
    return read(parts).backends[0].budget;
  };
  // Everything fits, so that the window is the whole context.
  CHECK(value("", "[memory]").value == 128);
  CHECK(value(", longest: 100", "[memory]").value == 64);
  CHECK(value("", "[memory, {name: far, memory: {lengths: 1k}}]").value == 1024);
  CHECK(value("", "[memory, {name: far, memory: {lengths: 1k}}]").length == 1024);
}

TEST_CASE("What the token shift remembers is part of the budget") {
  Parts parts = with("{sliding_window: {}, solve: window, state_bytes: 1024}");
  parts.models = "[{name: m, arch: {layers: 2, width: 16, heads: 2, token_shift: 3}}]";
  CHECK(read(parts).backends[0].budget.value == 3);  // 1024 - 2 x 2 x 16 x 4 bytes
}

TEST_CASE("Models that want different values are told apart") {
  Parts parts = with("{name: a, sliding_window: {}, solve: window, state_bytes: 1024}");
  parts.models =
      "[{name: m, arch: {layers: 2, width: 16, heads: 2}}, "
      "{name: deep, arch: {layers: 4, width: 16, heads: 2}}]";
  parts.tasks = "[memory, {name: other, memory: {model: deep}}]";
  refused(parts,
          "t.yaml:4 backends[0].solve: models want different values: window = 4 for 'm', "
          "window = 2 for 'deep'; give each an entry of its own");
  parts.tasks = "[memory]";  // `deep` is measured by nothing, and not trained
  CHECK(read(parts).backends[0].budget.value == 4);
}

TEST_CASE("Budgets that cannot be read are refused with what to do") {
  refused(with("{sliding_window: {}, state_bytes: 1k}"), "'1k' is not a whole number");
  refused(with("{sliding_window: {}, state_bytes: 1KiB}"),
          "t.yaml:4 backends[0].state_bytes: needs solve");
  refused(with("{sliding_window: {}, solve: window}"),
          "t.yaml:4 backends[0].solve: needs state_bytes, such as state_bytes: 64KiB");
  refused(with("{sliding_window: {}, solve: windw, state_bytes: 1KiB}"),
          "backends[0].solve: unknown parameter 'windw'; did you mean 'window'?");
  refused(with("{infini: {}, solve: update, state_bytes: 1KiB}"),
          "backends[0].solve: update is no integer; solve for one of segment, ");
  refused(with("{sliding_window: {window: 3}, solve: window, state_bytes: 1KiB}"),
          "backends[0].solve: window has a value already; leave that out");
  refused(with("{name: a, pattern: [full, infini], solve: segment, state_bytes: 1KiB}"),
          "backends[0].solve: only for one backend, not for layers or pattern");
  refused(with("{full: {}, solve: heads, state_bytes: 1MiB}"),
          "backends[0].solve: 32768 bytes of state for model 'm' whatever heads is; name a "
          "parameter that it grows with");
}

TEST_CASE("Heads that a model cannot have are refused") {
  refused(with("{full: {}, heads: 3}"),
          "t.yaml:4 backends[0].heads: 3 for model 'm': width 16 is no multiple of heads 3");
  refused(with("{full: {}, heads: 16}"), "the head size must be even and at least 2");
  Parts parts = with("{full: {}, heads: 4}");
  CHECK(architecture_of(read(parts).models[0], read(parts).backends[0]).kv_heads == 4);
  parts.models = "[{name: m, arch: {layers: 2, width: 16, heads: 2, kv_heads: 1}}]";
  refused(parts, "it has 1 key/value heads for 2 query heads");
  parts.models = "[{name: m, arch: {layers: 2, width: 16, heads: 2, head_dim: 16}}]";
  refused(parts, "its head_dim 16 is not width / heads");
}

TEST_CASE("Who runs with another's weights has that one's heads") {
  const Experiment experiment =
      read(with("{name: a, linear: {}, solve: heads, state_bytes: 1200}, "
                "{name: b, linear: {rope: none}, weights_of: a}"));
  CHECK(experiment.backends[1].heads == experiment.backends[0].heads);
  refused(with("{name: a, full: {}}, {name: b, full: {}, weights_of: a, heads: 4}"),
          "backends[1].heads: those of weights_of; leave heads out here");
}
