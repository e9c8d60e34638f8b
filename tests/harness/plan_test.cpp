// Plans: which cells there are, and that a cell's name changes with its inputs and nothing else.
#include "harness/plan.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>
#include <sstream>

#include "core/error.h"
#include "experiment.h"
#include "harness/build_info.h"
#include "harness/machine.h"
#include "harness/plan_table.h"

using namespace longreach;
using namespace longreach::harness;
using namespace longreach::tests;
using Catch::Matchers::Contains;

namespace {

std::set<std::string> ids(const std::vector<Cell>& cells) {
  std::set<std::string> out;
  for (const Cell& cell : cells) out.insert(cell.id);
  return out;
}

std::set<std::string> plan_ids(const Parts& parts, const Overrides& overrides = {}) {
  return ids(make_plan(read(parts, overrides)));
}

std::string table_of(const Experiment& experiment) {
  Predictor predictor(experiment, assumed_overhead());
  std::ostringstream out;
  print_plan(experiment, make_plan(experiment), predictor, i64{1} << 40, out);
  return out.str();
}

std::size_t common(const std::set<std::string>& a, const std::set<std::string>& b) {
  return static_cast<std::size_t>(
      std::count_if(a.begin(), a.end(), [&b](const auto& id) { return b.contains(id); }));
}

}  // namespace

TEST_CASE("A plan trains each model, backend, rate and seed, and measures each length of each") {
  Parts parts;
  parts.models =
      "[{name: reader, arch: {layers: 1, width: 16, heads: 2}, train: {data: {text: {path: "
      "configs/data/harbour.txt, held_out: 0.4}}, length: 64, lr: [1e-3, 2e-3], seeds: [0, 1, "
      "2]}}]";
  const std::vector<Cell> plan = make_plan(read(parts));
  const auto trained = std::count_if(plan.begin(), plan.end(),
                                     [](const Cell& cell) { return cell.kind == CellKind::train; });
  CHECK(trained == 2 * 2 * 3);  // backends x rates x seeds
  // Perplexity at two lengths of each; memory, which no training changes, of the first only.
  CHECK(plan.size() == 12 + 12 * 2 + 2 * 2);
  CHECK(ids(plan).size() == plan.size());
}

TEST_CASE("Every cell comes after the training that it needs, lengths ascending") {
  Parts parts;
  parts.lengths = "[128, 64]";
  std::set<std::string> seen;
  i64 last = 0;
  for (const Cell& cell : make_plan(read(parts))) {
    if (cell.kind == CellKind::measure) {
      CHECK(seen.contains(cell.trained));
      if (*cell.length == 128) CHECK(last == 64);
      last = *cell.length;
    }
    seen.insert(cell.id);
  }
}

TEST_CASE("Cells keep their names when what does not matter changes") {
  const std::set<std::string> before = plan_ids({});
  Parts parts;
  parts.more = "output: elsewhere\nlimits: {memory: 1GiB}\n";
  parts.backends = "[{name: other, full: {}}, {name: window, sliding_window: {window: '16'}}]";
  CHECK(plan_ids(parts) == before);
}

TEST_CASE("Cells change their names with each input that matters") {
  const std::set<std::string> before = plan_ids({});
  REQUIRE(before.size() == 10);  // 2 backends x (training + 2 tasks x 2 lengths)
  const auto kept = [&before](const std::string& set) {
    Overrides overrides;
    overrides.set = {set};
    return common(before, plan_ids({}, overrides));
  };
  CHECK(kept("models.reader.train.steps=5") == 0);
  CHECK(kept("models.reader.train.lr=1e-4") == 0);
  CHECK(kept("models.reader.train.seeds=3") == 0);
  CHECK(kept("models.reader.arch.width=32") == 0);
  CHECK(kept("models.reader.train.recompute=16") == 0);
  CHECK(kept("models.reader.train.recompute=0") == 10);
  CHECK(kept("models.reader.train.data.text.held_out=0.3") == 0);
  CHECK(kept("backends.window.window=17") == 5);
  // Trained models are not affected by how they are measured; memory's cells are kept too.
  CHECK(kept("tasks.perplexity.stride=16") == 6);
  CHECK(kept("statistics.bootstrap=77") == 2);
  // The list of lengths is an input of each measurement: some metrics look at all of them.
  CHECK(kept("lengths=[64]") == 2 + 2);  // and memory there
}

TEST_CASE("A backend with a longest context is measured up to there, under the same names") {
  const std::set<std::string> before = plan_ids({});
  Parts parts;
  parts.backends =
      "[{name: full, full: {}, baseline: true, longest: 64}, {name: window, sliding_window: "
      "{window: 16}}]";
  const std::set<std::string> after = plan_ids(parts);
  CHECK(after.size() == 8);  // without full's two tasks at 128
  CHECK(common(before, after) == 8);
  Overrides overrides;
  overrides.set = {"backends.full.longest=64"};
  CHECK(plan_ids({}, overrides) == after);
}

TEST_CASE("Virtual repetition renames the cells of backends that have segments, and no others") {
  Parts parts;
  parts.models =
      "[{name: m, arch: {layers: 1, width: 16, heads: 2, vocabulary: task}, train: {data: "
      "{passkey: "
      "{}}, steps: 2, length: 128}}]";
  parts.backends = "[{name: full, full: {}}, {name: infini, infini: {segment: 16}}]";
  parts.tasks = "[passkey]";
  const std::set<std::string> before = plan_ids(parts);
  REQUIRE(before.size() == 6);  // 2 backends x (training + 2 lengths)
  const auto kept = [&](const std::string& set) {
    Overrides overrides;
    overrides.set = {set};
    return common(before, plan_ids(parts, overrides));
  };
  CHECK(kept("models.m.train.virtual_repetition.share=0.7") == 3);
  CHECK(kept("models.m.train.virtual_repetition.most=10") == 6);  // still off
}

TEST_CASE("Another length renames the cells of metrics that read all lengths, and no others") {
  Parts parts;
  parts.tasks = "[{perplexity: {stride: 32, tokens: 64}}]";
  const std::set<std::string> text = plan_ids(parts);
  parts.lengths = "[64, 128, 256]";
  CHECK(common(text, plan_ids(parts)) == 2);  // the trainings
  parts.tasks = "[memory]";
  const std::set<std::string> longer = plan_ids(parts);
  parts.lengths = "[64, 128]";
  CHECK(common(longer, plan_ids(parts)) == 2 + 2 * 2);
}

TEST_CASE("Another build renames all cells, another machine those of timings and sizes") {
  const Experiment experiment = read({});
  const Surroundings here = Surroundings::here();
  const BuildInfo build = build_info();
  CHECK_THAT(here.build,
             Contains("compiler: " + build.compiler) && Contains("flags: " + build.flags) &&
                 Contains("type: " + build.build_type) && Contains("isa: " + this_machine().isa));
  CHECK(here.machine == this_machine().fingerprint);
  const std::vector<Cell> plan = make_plan(experiment);
  CHECK(common(ids(plan), ids(make_plan(experiment, {"another", here.machine}))) == 0);
  const std::vector<Cell> elsewhere = make_plan(experiment, {here.build, "another"});
  REQUIRE(elsewhere.size() == plan.size());
  for (std::size_t i = 0; i < plan.size(); ++i) {
    const bool timing =
        plan[i].kind == CellKind::measure && experiment.tasks[plan[i].task].metric.type == "memory";
    CHECK((plan[i].id != elsewhere[i].id) == timing);
  }
}

TEST_CASE("Names do not depend on where or how often a plan is made") {
  CHECK(plan_ids({}) == plan_ids({}));
  const std::vector<Cell> plan = make_plan(read({}));
  for (const Cell& cell : plan) {
    CHECK(cell.id.size() == 16);
    CHECK(cell.id.find_first_not_of("0123456789abcdef") == std::string::npos);
  }
}

TEST_CASE("Choosing tasks or backends keeps the training that they need") {
  Parts parts;
  parts.backends = "[{name: full, full: {}}, {name: infini, infini: {segment: [8, 16]}}]";
  const Experiment experiment = read(parts);
  const std::vector<Cell> plan = make_plan(experiment);
  const std::vector<Cell> infini = select(experiment, plan, {{"infini"}, {"perplexity"}});
  CHECK(infini.size() == 2 * (1 + 2));  // two segments: training and two lengths
  for (const Cell& cell : infini) CHECK(cell.backend > 0);
  CHECK(select(experiment, plan, {}).size() == plan.size());
  CHECK_THROWS_WITH(select(experiment, plan, {{"infni"}, {}}), Contains("--backends infni"));
  CHECK_THROWS_WITH(select(experiment, plan, {{}, {"recall"}}), Contains("--tasks recall"));
}

TEST_CASE("A backend with another's weights is measured with them and not trained") {
  Parts parts;
  parts.backends = "[{name: full, full: {}}, {name: short, sliding_window: {window: 16}}]";
  const std::set<std::string> before = plan_ids(parts);
  parts.backends =
      "[{name: full, full: {}}, {name: short, sliding_window: {window: 16}, weights_of: full}]";
  const Experiment experiment = read(parts);
  const std::vector<Cell> plan = make_plan(experiment);
  CHECK(plan.size() == before.size() - 1);
  CHECK(common(before, ids(plan)) == 5);  // those of full
  for (const Cell& cell : plan) {
    CHECK(cell.trained == (cell.kind == CellKind::train ? "" : plan[0].id));
  }
  const std::vector<Cell> chosen = select(experiment, plan, {{"short"}, {}});
  CHECK(chosen.front().id == plan[0].id);
  CHECK(chosen.size() == 5);
}

TEST_CASE("Cells that compare with the baseline are renamed with it, and end where it ends") {
  const auto ids_with = [](const std::string& window, const std::string& more) {
    Parts parts;
    parts.backends = "[{name: full, full: {}" + more +
                     "}, {name: base, sliding_window: {window: " + window +
                     "}, weights_of: full, baseline: true}]";
    parts.tasks = "[{divergence: {stride: 32}}, {perplexity: {stride: 32}}]";
    return plan_ids(parts);
  };
  const std::set<std::string> before = ids_with("16", "");
  REQUIRE(before.size() == 9);  // training + 2 backends x 2 tasks x 2 lengths
  // Kept are the training and full's two cells of perplexity.
  CHECK(common(before, ids_with("17", "")) == 3);
  // Without full's two tasks at 128; its own end is not the baseline's.
  CHECK(common(before, ids_with("16", ", longest: 64")) == 7);
  CHECK(ids_with("16", "").size() == 9);

  Parts parts;
  parts.backends =
      "[{name: full, full: {}, baseline: true, longest: 64}, {name: short, sliding_window: "
      "{window: 16}, weights_of: full}]";
  parts.tasks = "[{divergence: {stride: 32}}]";
  for (const Cell& cell : make_plan(read(parts))) CHECK(cell.length.value_or(64) == 64);
}

TEST_CASE("Models that differ in nothing that a backend uses share its training") {
  Parts parts;
  const std::string common =
      "arch: {layers: 1, width: 16, heads: 2, vocabulary: task}, train: {data: {passkey: {near: "
      "64}}, length: 128";
  parts.models =
      "[{name: a, " + common + "}}, {name: b, " + common + ", virtual_repetition: {share: 0.5}}}]";
  parts.backends = "[{full: {}}, {infini: {segment: 16}}]";
  parts.tasks = "[{name: of_a, passkey: {model: a}}, {name: of_b, passkey: {model: b}}]";
  parts.lengths = "[128]";
  const std::vector<Cell> plan = make_plan(read(parts));
  const auto trained = std::count_if(plan.begin(), plan.end(),
                                     [](const Cell& cell) { return cell.kind == CellKind::train; });
  CHECK(trained == 3);
  CHECK(ids(plan).size() == plan.size());
}

TEST_CASE("A model is trained with the backends that some task measures, all if none measures it") {
  Parts parts;
  parts.tasks = "[{perplexity: {stride: 32, tokens: 64, backends: [window]}}]";
  const auto trained_with = [&parts] {
    const Experiment experiment = read(parts);
    std::set<std::string> names;
    for (const Cell& cell : make_plan(experiment)) {
      if (cell.kind == CellKind::train) names.insert(experiment.backends[cell.backend].name);
    }
    return names;
  };
  CHECK(trained_with() == std::set<std::string>{"window"});
  // Whose weights are borrowed is trained, too.
  parts.backends =
      "[{name: full, full: {}}, {name: window, sliding_window: {window: 16}, weights_of: full}]";
  CHECK(trained_with() == std::set<std::string>{"full"});
  parts.models.insert(
      parts.models.size() - 1,
      ", {name: other, arch: {layers: 1, width: 16, heads: 2}, train: {data: {text: "
      "{path: configs/data/harbour.txt, held_out: 0.4}}, steps: 4, length: 64}}");
  parts.tasks = "[memory: {model: other}]";
  CHECK(trained_with() == std::set<std::string>{"full"});
}

TEST_CASE("weights_of must name an earlier backend that is trained itself") {
  Parts parts;
  parts.backends = GENERATE("[{name: short, sliding_window: {}, weights_of: full}, {full: {}}]",
                            "[{full: {}}, {name: short, sliding_window: {}, weights_of: ful}]",
                            "[{full: {}}, {name: a, full: {}, weights_of: full}, "
                            "{name: b, full: {}, weights_of: a}]");
  CHECK_THROWS_WITH(read(parts), Contains("weights_of: "));
}

TEST_CASE("Heads of a backend rename its cells unless the model has as many") {
  const std::set<std::string> before = plan_ids({});
  Parts parts;
  parts.backends =
      "[{name: full, full: {}, baseline: true}, {name: window, heads: 2, sliding_window: {window: "
      "16}}]";
  CHECK(plan_ids(parts) == before);
  Overrides overrides;
  overrides.set = {"backends.window.heads=4"};
  CHECK(common(before, plan_ids(parts, overrides)) == 5);  // those of full
}

TEST_CASE("A solved parameter names cells as if it had been written") {
  Parts parts;
  parts.backends = "[{name: window, sliding_window: {window: 30}}]";
  const std::set<std::string> written = plan_ids(parts);
  // A token costs 2 x 16 floats in one layer of width 16.
  parts.backends = "[{name: window, sliding_window: {}, solve: window, state_bytes: 3900}]";
  CHECK(plan_ids(parts) == written);
  const Experiment experiment = read(parts);
  CHECK_THAT(table_of(experiment),
             Contains("\nwindow: window = 30, state 3840 of 3900 bytes at 128 tokens\n"));
}

TEST_CASE("A model and a backend that no task brings together have no cells") {
  Parts parts;
  parts.models =
      "[{name: narrow, arch: {width: 16, heads: 2}}, {name: wide, arch: {width: 32, heads: 2}}]";
  parts.backends = "[{name: full, full: {}}, {name: many, full: {}, heads: 16}]";
  parts.tasks = "[{memory: {model: narrow, backends: full}}, {name: m2, memory: {model: wide}}]";
  // Sixteen heads of one number each are refused for `narrow`, which never has them.
  CHECK(make_plan(read(parts)).size() == 2 + 4);
}

TEST_CASE("The table echoes lengths as numbers and counts the cells") {
  Parts parts;
  parts.lengths = "[1k]";
  const Experiment experiment = read(parts);
  const std::string table = table_of(experiment);
  CHECK_THAT(table, Contains("1024"));
  CHECK_THAT(table, Contains("6 cells: 2 to train, 4 to measure"));
}

TEST_CASE("A mix names cells by all its parts, and the plan tells them") {
  const auto parts_of = [](const std::string& mix) {
    Parts parts;
    parts.models =
        "[{name: m, arch: {layers: 1, width: 16, heads: 2, vocabulary: task}, train: {data: " +
        mix + ", steps: 2, length: 128}}]";
    parts.backends = "[{full: {}}]";
    parts.tasks = "[{questions: {}}]";
    parts.lengths = "[128]";
    return parts;
  };
  const std::vector<std::string> mixes{
      "passkey",
      "{mix: [passkey]}",
      "{mix: [passkey, passkey]}",
      "{mix: [passkey, {recall: {pairs: 4}}]}",
      "{mix: [passkey, {recall: {pairs: 5}}]}",
      "{mix: [{recall: {pairs: 4}}, passkey]}",
  };
  std::set<std::string> all;
  for (const std::string& mix : mixes) all.merge(plan_ids(parts_of(mix)));
  CHECK(all.size() == 2 * mixes.size());  // a training and a task each, none of them shared

  const Experiment experiment = read(parts_of(mixes[3]));
  const std::string table = table_of(experiment);
  CHECK_THAT(table,
             Contains("m.train.data: mix: [{passkey: {near: 64, near_share: 0.25}}, {recall: "
                      "{pairs: 4, "));
  CHECK_THAT(table, Contains("questions.data: mix: [{passkey: {"));
  CHECK(table.find("m.train.data") == table.rfind("m.train.data"));  // once
  const Experiment plain = read(parts_of(mixes[0]));
  CHECK(table_of(plain).find("mix") == std::string::npos);
}
