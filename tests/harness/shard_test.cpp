// Shards: a plan cut into parts that stand alone.
#include "harness/shard.h"

#include <catch2/catch.hpp>
#include <set>

#include "command.h"
#include "core/error.h"
#include "experiment.h"

using namespace longreach;
using namespace longreach::harness;
using namespace longreach::tests;
using Catch::Matchers::Contains;

namespace {

/// Two backends, two rates and three seeds to train, one backend that borrows weights.
Parts wide() {
  Parts parts;
  parts.models =
      "[{name: reader, arch: {layers: 1, width: 16, heads: 2}, train: {data: {text: {path: "
      "configs/data/harbour.txt, held_out: 0.4}}, steps: 4, length: 64, batch_tokens: 128, lr: "
      "[1e-3, 2e-3], seeds: [0, 1, 2]}}]";
  parts.backends =
      "[{name: full, full: {}, baseline: true}, {name: window, sliding_window: {window: 16}}, "
      "{name: short, sliding_window: {window: 8}, weights_of: full}]";
  return parts;
}

}  // namespace

TEST_CASE("The shards of a plan are disjoint and together the plan") {
  const Experiment experiment = read(wide());
  const std::vector<Cell> plan = make_plan(experiment);
  for (const i64 count : {1, 2, 3, 5, 8, 40}) {
    std::multiset<std::string> all, shards;
    for (const Cell& cell : plan) all.insert(cell.id);
    for (i64 i = 1; i <= count; ++i) {
      for (const Cell& cell : cells_of_shard(experiment, plan, {i, count})) shards.insert(cell.id);
    }
    INFO(count);
    CHECK(shards == all);
  }
}

TEST_CASE(
    "A shard has the training of each of its cells, before it, and all lengths of its tasks") {
  for (const bool trained : {true, false}) {
    Parts parts = wide();
    if (!trained) {
      parts.models = "[{name: reader, arch: {layers: 1, width: 16, heads: 2}}]";
    }
    const Experiment experiment = read(parts);
    const std::vector<Cell> plan = make_plan(experiment);
    for (i64 i = 1; i <= 4; ++i) {
      std::set<std::string> seen{""};
      std::size_t lengths = 0;
      for (const Cell& cell : cells_of_shard(experiment, plan, {i, 4})) {
        seen.insert(cell.id);
        CHECK(seen.contains(cell.trained));
        lengths += cell.kind == CellKind::measure;
      }
      CHECK(lengths % 2 == 0);
    }
  }
}

TEST_CASE("Shards share the work so that none has more than its share and one group") {
  const Experiment experiment = read(wide());
  const std::vector<Cell> plan = make_plan(experiment);
  const auto work = [&](const std::vector<Cell>& cells) {
    double sum = 0;
    for (const Cell& cell : cells) sum += relative_work(experiment, cell);
    return sum;
  };
  double largest = 0;  // a training and what depends on it
  for (const Cell& cell : plan) {
    if (cell.kind != CellKind::train) continue;
    double group = relative_work(experiment, cell);
    for (const Cell& other : plan) {
      if (other.trained == cell.id) group += relative_work(experiment, other);
    }
    largest = std::max(largest, group);
  }
  for (const i64 count : {2, 3, 4}) {
    for (i64 i = 1; i <= count; ++i) {
      const double share = work(cells_of_shard(experiment, plan, {i, count}));
      CHECK(share > 0);
      CHECK(share <= work(plan) / static_cast<double>(count) + largest);
    }
  }
}

TEST_CASE("A training weighs as its steps do, three passes over each token") {
  const Experiment experiment = read(Parts{});
  const std::vector<Cell> plan = make_plan(experiment);
  CHECK(relative_work(experiment, plan[0]) == 3.0 * 4 * 128);
  CHECK(relative_work(experiment, plan[1]) == 64);
}

TEST_CASE("A shard is a number from one to how many there are") {
  CHECK(parse_shard("2/8").index == 2);
  CHECK(parse_shard("2/8").count == 8);
  CHECK(parse_shard("1/1").whole());
  for (const char* wrong : {"0/2", "3/2", "2", "a/2", "1/", "/2", "-1/2", "1/2/3", "1.5/2", ""}) {
    INFO(wrong);
    CHECK_THROWS_WITH(parse_shard(wrong), Contains("1/8 to 8/8"));
  }
  CHECK(shard_folder("runs/x", {2, 8}) == "runs/x/shard-2-of-8");
  CHECK(shard_folder("runs/x", {1, 1}) == "runs/x");
}

TEST_CASE("The plan of a shard shows its cells and its folder") {
  const TempFolder folder;
  write_file(folder / "c.yaml", wide().yaml());
  const std::string plan = "plan " + folder / "c.yaml" + " --output " + folder / "out";
  const Run second = run_command(plan + " --shard 2/3");
  CHECK(second.exit_code == 0);
  CHECK_THAT(second.out, Contains("4 to train") && Contains("out/shard-2-of-3"));
  require_refused(run_command(plan + " --shard 4/3"), "--shard 4/3");
}
