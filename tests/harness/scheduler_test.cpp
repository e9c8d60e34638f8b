// The scheduler: orders, failures, skips, and timings alone on their host.
#include "harness/scheduler.h"

#include <catch2/catch.hpp>
#include <set>

#include "core/random.h"
#include "experiment.h"
#include "harness/validation.h"

using namespace longreach;
using namespace longreach::harness;
using namespace longreach::tests;
using Catch::Matchers::Contains;

namespace {

/// Two backends, each trained and then measured at two lengths by a quality and by a size.
struct Plan {
  Experiment experiment = read(Parts{});
  std::vector<Cell> cells = make_plan(experiment);

  Scheduler::Rules rules(bool trainings_first = true) const {
    return {.on_oom = experiment.limits.on_oom,
            .alone =
                [this](const Cell& cell) {
                  return cell.kind == CellKind::measure &&
                         !depends_on_weights(experiment.tasks[cell.task].metric.type);
                },
            .times = {},
            .trainings_first = trainings_first};
  }
  bool alone(std::size_t cell) const { return rules().alone(cells[cell]); }
};

/// Runs all with so many workers on each host; those that run end in random order.
/// Calls check(given, running) whenever a cell is given out.
template <class Check>
std::vector<std::size_t> simulate(Scheduler& scheduler, i64 hosts, i64 workers, std::uint64_t seed,
                                  const Check& check) {
  Rng rng(seed);
  struct Running {
    std::size_t cell;
    i64 host;
  };
  std::vector<Running> running;
  std::vector<std::size_t> order;
  const auto busy = [&](i64 host) { return std::ranges::count(running, host, &Running::host); };
  for (;;) {
    for (i64 host = 0; host < hosts; ++host) {
      while (busy(host) < workers) {
        const auto next = scheduler.next(host);
        if (!next) break;
        CHECK(next->skip == "");
        running.push_back({next->cell, host});
        order.push_back(next->cell);
        check(next->cell, host, running);
      }
    }
    if (running.empty()) break;
    const auto ends = running.begin() + rng.below(std::ssize(running));
    scheduler.finished(ends->cell, Status::ok);
    running.erase(ends);
  }
  CHECK(scheduler.waiting() == 0);
  CHECK(scheduler.running() == 0);
  return order;
}

/// Takes cells on one host, skips and all, giving each the status that `status` says.
template <class StatusOf>
std::vector<std::string> reasons(Scheduler& scheduler, std::size_t count, const StatusOf& status) {
  std::vector<std::string> skipped(count);
  while (const auto next = scheduler.next(0)) {
    skipped[next->cell] = next->skip;
    scheduler.finished(next->cell, next->skip.empty() ? status(next->cell) : Status::skipped);
  }
  return skipped;
}

}  // namespace

TEST_CASE("One worker takes cells in the order of the plan, unless trainings go first") {
  const Plan plan;
  Scheduler in_order(plan.cells, {});
  const auto nothing = [](std::size_t, i64, const auto&) {};
  const std::vector<std::size_t> order = simulate(in_order, 1, 1, 0, nothing);
  REQUIRE(order.size() == plan.cells.size());
  CHECK(std::ranges::is_sorted(order));

  Scheduler first(plan.cells, {.trainings_first = true});
  const std::vector<std::size_t> other = simulate(first, 1, 1, 0, nothing);
  CHECK(plan.cells[other[0]].kind == CellKind::train);
  CHECK(plan.cells[other[1]].kind == CellKind::train);
  CHECK(plan.cells[other[2]].kind == CellKind::measure);
}

TEST_CASE(
    "Whatever ends first, trainings come before their cells and shorter lengths before longer") {
  const Plan plan;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Scheduler scheduler(plan.cells, plan.rules());
    std::set<std::size_t> given;
    const auto order = simulate(
        scheduler, 1 + static_cast<i64>(seed % 3), 1 + static_cast<i64>(seed % 4), seed,
        [&](std::size_t cell, i64, const auto& running) {
          CHECK(given.insert(cell).second);
          const auto ended = [&](std::size_t other) {
            return given.contains(other) && std::ranges::none_of(running, [&](const auto& one) {
                     return one.cell == other;
                   });
          };
          for (std::size_t i = 0; i < plan.cells.size(); ++i) {
            const Cell &a = plan.cells[i], &b = plan.cells[cell];
            if (a.id == b.trained) CHECK(ended(i));
            const bool shorter = a.kind == b.kind && a.backend == b.backend && a.task == b.task &&
                                 a.length < b.length;
            if (b.kind == CellKind::measure && shorter) CHECK(ended(i));
          }
        });
    CHECK(order.size() == plan.cells.size());
  }
}

TEST_CASE("Nothing runs on the host of a timing, and only hosts that may time get one") {
  const Plan plan;
  std::set<i64> timed_on;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Scheduler::Rules rules = plan.rules();
    rules.times = [](i64 host) { return host != 1; };
    Scheduler scheduler(plan.cells, rules);
    simulate(scheduler, 3, 2, seed, [&](std::size_t cell, i64 host, const auto& running) {
      if (plan.alone(cell)) {
        CHECK(host != 1);
        timed_on.insert(host);
      }
      for (const auto& one : running) {
        if (one.cell != cell && one.host == host) {
          CHECK_FALSE((plan.alone(cell) || plan.alone(one.cell)));
        }
      }
    });
  }
  CHECK(timed_on == std::set<i64>{0, 2});
}

TEST_CASE("What becomes ready while a timing runs does not go to its host") {
  const Plan plan;
  Scheduler scheduler(plan.cells, plan.rules());
  const std::size_t first = scheduler.next(0)->cell, second = scheduler.next(1)->cell;
  REQUIRE(plan.cells[second].kind == CellKind::train);
  scheduler.finished(first, Status::ok);
  std::size_t cell = scheduler.next(0)->cell;
  while (!plan.alone(cell)) {
    scheduler.finished(cell, Status::ok);
    cell = scheduler.next(0)->cell;
  }
  scheduler.finished(second, Status::ok);  // and its measurements are ready
  CHECK_FALSE(scheduler.next(0));
  CHECK(scheduler.next(1));
  scheduler.finished(cell, Status::ok);
  CHECK(scheduler.next(0));
}

TEST_CASE("Measurements of a training that failed are skipped with the reason, others are not") {
  const Plan plan;
  Scheduler scheduler(plan.cells, plan.rules());
  const std::string failed = plan.cells[0].id;
  REQUIRE(plan.cells[0].kind == CellKind::train);
  const auto skipped = reasons(scheduler, plan.cells.size(), [](std::size_t cell) {
    return cell == 0 ? Status::invalid : Status::ok;
  });
  for (std::size_t i = 0; i < plan.cells.size(); ++i) {
    CHECK((skipped[i] == "its training (cell " + failed + ") did not succeed") ==
          (plan.cells[i].trained == failed));
  }
}

TEST_CASE("Longer lengths are skipped after one that did not fit, unless asked to go on") {
  const Plan plan;
  for (const Status status : {Status::oom, Status::timeout, Status::failed}) {
    for (const OnOom on_oom : {OnOom::skip_longer, OnOom::keep_going}) {
      Scheduler scheduler(plan.cells, {.on_oom = on_oom});
      const auto skipped = reasons(scheduler, plan.cells.size(), [&](std::size_t cell) {
        return plan.cells[cell].length == 64 && plan.cells[cell].task == 0 ? status : Status::ok;
      });
      for (std::size_t i = 0; i < plan.cells.size(); ++i) {
        const bool longer = plan.cells[i].length == 128 && plan.cells[i].task == 0 &&
                            plan.cells[i].kind == CellKind::measure;
        const bool expected = longer && on_oom == OnOom::skip_longer && status != Status::failed;
        CHECK(skipped[i].empty() != expected);
        if (expected) CHECK_THAT(skipped[i], Contains("at 64 tokens: longer lengths are skipped"));
      }
    }
  }
}

TEST_CASE("What was known before counts: trainings done, and lengths that did not fit") {
  const Plan plan;
  std::vector<Cell> measured;
  for (const Cell& cell : plan.cells) {
    if (cell.kind == CellKind::measure) measured.push_back(cell);
  }
  const auto all_ok = [](std::size_t) { return Status::ok; };
  Scheduler unknown(measured, plan.rules());
  for (const std::string& reason : reasons(unknown, measured.size(), all_ok)) {
    CHECK_THAT(reason, Contains("has not run"));
  }
  Scheduler scheduler(measured, plan.rules());
  for (const Cell& cell : plan.cells) {
    if (cell.kind == CellKind::train) scheduler.known(cell, Status::ok);
  }
  Cell between = measured[0];  // of length 64
  between.length = 100;
  scheduler.known(between, Status::oom);
  const auto skipped = reasons(scheduler, measured.size(), all_ok);
  CHECK(skipped[0] == "");
  CHECK_THAT(skipped[1], Contains("out of memory at 100 tokens"));
  CHECK(std::ranges::count(skipped, "") == std::ssize(measured) - 1);
}

TEST_CASE("A hundred thousand cells are handed out in seconds") {
  Plan plan;
  std::vector<Cell> many;
  for (i64 i = 0; i < 10'000; ++i) {
    for (Cell cell : plan.cells) {
      cell.seed = i;
      cell.id += std::to_string(i);
      if (!cell.trained.empty()) cell.trained += std::to_string(i);
      many.push_back(cell);
    }
  }
  const auto start = std::chrono::steady_clock::now();
  Scheduler scheduler(many, plan.rules());
  std::size_t ran = 0;
  while (const auto next = scheduler.next(0)) {
    ran += next->skip.empty();
    scheduler.finished(next->cell, Status::ok);
  }
  CHECK(ran == many.size());
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
}
