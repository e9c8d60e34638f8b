// Runs held against a base run.
#include "harness/compare.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "compared.h"
#include "harness/comparison.h"
#include "metrics/statistics.h"

using namespace longreach;
using namespace longreach::harness;
using namespace longreach::tests;
using Catch::Matchers::Contains;
using reports::Change;
using reports::ComparedRow;
using reports::RunComparison;

namespace {

const std::vector<double> kRight(8, 1);

std::string reason(const RunComparison& found) {
  CHECK(found.rows.empty());
  REQUIRE(found.not_compared.size() == 1);
  return found.not_compared[0].reason;
}

}  // namespace

TEST_CASE("Runs that found the same differ by nothing, with p of 1") {
  const std::vector<Outcome> run{
      CellToCompare{.scores = {1, 0, 1, 1, 0, 1, 0, 0}}.outcome(),
      CellToCompare{.task = "read", .metric = "perplexity/loss", .scores = {1.5, 2.25, 0.7, 3}}
          .outcome(),
      timed("full", {1, 2, 3, 4, 5, 6, 7, 8, 9})};
  const RunComparison found = compared(run, run);
  REQUIRE(found.rows.size() == 3);
  CHECK(found.not_compared.empty());
  CHECK(found.correction == "Holm over 3 tests");
  for (const ComparedRow& row : found.rows) {
    INFO(row.of.metric);
    CHECK(*row.effect.value == (row.kind == reports::Effect::ratio ? 1 : 0));
    CHECK(*row.of.value == *row.value);
    CHECK(*row.effect.p_value == 1);
    CHECK(*row.effect.p_adjusted == 1);
    CHECK(*row.effect.ci_low <= *row.effect.value);
    CHECK(*row.effect.ci_high >= *row.effect.value);
    CHECK_FALSE(row.effect.detectable);
    CHECK_FALSE(row.significant);
    CHECK(row.change == Change::none);
  }
}

TEST_CASE("A loss is a regression once Holm over the whole table leaves it significant") {
  // Of 8 samples: none lost, six lost (p = 2/2^6) and all lost (p = 2/2^8).
  const auto cells = [](int at_128, int at_256) {
    std::vector<Outcome> made;
    for (const auto& [length, lost] : {std::pair(64, 0), {128, at_128}, {256, at_256}}) {
      std::vector<double> scores = kRight;
      std::fill_n(scores.begin(), lost, 0);
      made.push_back(CellToCompare{.length = length, .scores = scores}.outcome());
    }
    return made;
  };
  const RunComparison found = compared(cells(0, 0), cells(6, 8));
  REQUIRE(found.rows.size() == 3);
  const ComparedRow &same = found.rows[0], &six = found.rows[1], &all = found.rows[2];
  CHECK(*six.effect.p_value == 2.0 / 64);
  CHECK(*all.effect.p_value == 2.0 / 256);
  // The smallest times 3, the next times 2, the last times 1.
  CHECK(*all.effect.p_adjusted == 6.0 / 256);
  CHECK(*six.effect.p_adjusted == 4.0 / 64);
  CHECK(*same.effect.p_adjusted == 1);
  CHECK(all.change == Change::regression);
  CHECK(six.change == Change::none);
  CHECK(found.count(Change::regression) == 1);
  CHECK(*six.effect.value == -0.75);
  CHECK(*six.effect.n == 8);
  // Six of -1 and two of 0: squares 6 - 36/8 = 1.5, so the standard error is sqrt(1.5 / 7 / 8).
  CHECK(*six.effect.detectable ==
        metrics::minimum_detectable_effect(*six.effect.standard_error, 0.95));
  CHECK(*six.effect.detectable ==
        Approx((1.959964 + 0.841621) * std::sqrt(1.5 / 56)).epsilon(1e-5));

  StatisticsChoice plain;
  plain.correction = Correction::none;
  const RunComparison bare = compared(cells(0, 0), cells(6, 8), {}, {}, plain);
  CHECK(bare.correction.empty());
  CHECK(bare.count(Change::regression) == 2);
  // Five lost: p = 2/2^5, which is significant at 90% and not at 95%.
  StatisticsChoice bold;
  bold.confidence = 0.9;
  bold.correction = Correction::none;
  CHECK(compared(cells(0, 0), cells(5, 0), {}, {}, bold).count(Change::regression) == 1);
  CHECK(compared(cells(0, 0), cells(5, 0), {}, {}, plain).count(Change::regression) == 0);
  // The other way round it is a gain.
  CHECK(compared(cells(6, 8), cells(0, 0)).count(Change::improvement) == 1);
}

TEST_CASE("Backends of one run matched with each other have the numbers of the run's own report") {
  Rng rng(5);
  std::vector<Outcome> run;
  for (const std::string backend : {"full", "window"}) {
    for (const i64 length : {64, 128}) {
      CellToCompare cell{.backend = backend, .length = length};
      CellToCompare text{.backend = backend, .task = "read", .metric = "perplexity/loss"};
      text.length = length;
      for (int i = 0; i < 40; ++i) {
        cell.scores.push_back(rng.uniform() < (backend == "full" ? 0.9 : 0.4) ? 1 : 0);
        text.scores.push_back(rng.normal() + (backend == "full" ? 0 : 0.3));
      }
      run.push_back(cell.outcome());
      run.push_back(text.outcome());
    }
  }
  Stored stored;
  for (const Outcome& one : run) stored.add(one);
  const std::vector<Derived> within = compare_to_baseline(measured_cells(stored), {}, 1);
  CompareChoice choice;
  choice.matches = {{"full", "window"}};
  const RunComparison found = compared(run, run, choice);
  REQUIRE(within.size() == 4);
  REQUIRE(found.rows.size() == 4);
  for (const ComparedRow& row : found.rows) {
    const auto same = std::ranges::find_if(
        within, [&](const Derived& one) { return one.cell->cell_id == row.other->cell_id; });
    REQUIRE(same != within.end());
    const Measurement &a = same->measurement, &b = row.effect;
    CHECK(a.metric == b.metric);
    CHECK(a.value == b.value);
    CHECK(a.ci_low == b.ci_low);
    CHECK(a.ci_high == b.ci_high);
    CHECK(a.p_value == b.p_value);
    CHECK(a.standard_error == b.standard_error);
    CHECK(a.detectable == b.detectable);
    CHECK(a.data_sha == b.data_sha);
    CHECK(a.n == b.n);
  }
}

TEST_CASE("Exchanging two runs turns every sign around and keeps every p") {
  for (const std::uint64_t seed : {1, 2, 3, 4, 5}) {
    Rng rng(seed);
    std::vector<Outcome> first, second;
    for (std::vector<Outcome>* run : {&first, &second}) {
      CellToCompare answers, text{.task = "read", .metric = "perplexity/loss"};
      std::vector<double> times;
      text.higher_is_better = false;
      for (int i = 0; i < 29; ++i) {  // odd, or the middle quotient is the mean of two
        answers.scores.push_back(rng.uniform() < 0.6 ? 1 : 0);
        text.scores.push_back(rng.normal() + (run == &first ? 0 : 0.5));
        times.push_back(std::exp(rng.normal()));
      }
      *run = {answers.outcome(), text.outcome(), timed("full", times)};
      // Another build has other ids.
      if (run == &second) {
        for (Outcome& one : *run) one.info.cell_id += " again";
      }
    }
    const RunComparison there = compared(first, second), back = compared(second, first);
    REQUIRE(there.rows.size() == 3);
    REQUIRE(back.rows.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
      INFO("seed " << seed << ", " << there.rows[i].of.metric);
      const Measurement &a = there.rows[i].effect, &b = back.rows[i].effect;
      CHECK(*a.p_value == Approx(*b.p_value).epsilon(1e-12));
      CHECK(*a.p_adjusted == Approx(*b.p_adjusted).epsilon(1e-12));
      CHECK(there.rows[i].of.value == back.rows[i].value);
      CHECK(there.rows[i].significant == back.rows[i].significant);
      if (there.rows[i].kind == reports::Effect::ratio) {
        CHECK(*a.value == Approx(1 / *b.value));
        CHECK(*a.ci_low == Approx(1 / *b.ci_high));
        continue;
      }
      CHECK(*a.value == Approx(-*b.value).margin(1e-12));
      CHECK(*a.ci_low == Approx(-*b.ci_high).margin(1e-12));
      CHECK(*a.ci_high == Approx(-*b.ci_low).margin(1e-12));
      CHECK(*a.detectable == Approx(*b.detectable));
    }
  }
}

TEST_CASE("What may not be paired is listed with its reason, and never compared") {
  const Outcome cell = CellToCompare{.scores = kRight}.outcome();
  const auto against = [&](const auto& change) {
    Outcome other = cell;
    change(other);
    return reason(compared({cell}, {other}));
  };
  const auto of = [](Outcome& o) -> Measurement& { return o.findings.measurements[0]; };
  CHECK(against([&](Outcome& o) { of(o).data_sha = "other"; }) == "other samples in B (data_sha)");
  CHECK(against([&](Outcome& o) { of(o).protocol = "other"; }) == "another protocol in B");
  CHECK(against([&](Outcome& o) { of(o).value.reset(); }) == "no value in B");
  CHECK(against([](Outcome& o) { o.info.task_version = 2; }) ==
        "version 0 of the task in A, 2 in B");
  CHECK(against([](Outcome& o) { o.info.status = Status::oom; }) == "oom in B");
  CHECK(against([](Outcome& o) { o.findings.samples.resize(1); }) ==
        "fewer than two samples in common");
  CHECK(reason(compared({cell}, {})) == "only in A");
  CHECK(reason(compared({}, {cell})) == "only in B");
  const RunComparison elsewhere =
      compared({cell}, {CellToCompare{.length = 128, .scores = kRight}.outcome()});
  REQUIRE(elsewhere.not_compared.size() == 2);
  CHECK(elsewhere.not_compared[0].what == "clerk full find 64, seed 1");
  // Numbers without samples cannot be tested.
  Outcome alone = cell;
  alone.findings.samples.clear();
  CHECK(reason(compared({alone}, {alone})) == "no samples kept to pair");
}

TEST_CASE("A score that only one run has is listed") {
  const Outcome cell = CellToCompare{.scores = kRight}.outcome();
  Outcome more = cell;
  more.findings.measurements.push_back(more.findings.measurements[0]);
  more.findings.measurements[1].metric = "passkey/rank";
  CompareChoice all;
  all.all_scores = true;
  for (const bool in_base : {true, false}) {
    const RunComparison found =
        in_base ? compared({more}, {cell}, all) : compared({cell}, {more}, all);
    CHECK(found.rows.size() == 1);
    REQUIRE(found.not_compared.size() == 1);
    CHECK(found.not_compared[0].what == "passkey/rank of clerk full find 64, seed 1");
    CHECK(found.not_compared[0].reason == (in_base ? "not measured in B" : "not measured in A"));
  }
  CHECK(compared({more}, {cell}).other_scores == 1);
}

TEST_CASE("Several backends of one name pair by their parameters") {
  std::vector<Outcome> base, other;
  for (const std::string params : {"update: linear", "update: delta"}) {
    Outcome one = CellToCompare{.scores = kRight}.outcome();
    one.info.backend_params = params;
    one.info.cell_id = params;
    base.push_back(one);
    other.insert(other.begin(), one);
  }
  other[0].info.backend_params = "update: other";
  const RunComparison found = compared(base, other);
  REQUIRE(found.rows.size() == 1);
  CHECK(found.rows[0].base->cell_id == "update: linear");
  CHECK(found.rows[0].other->cell_id == "update: linear");
  REQUIRE(found.not_compared.size() == 2);
  CHECK_THAT(found.not_compared[0].reason, Contains("none of these parameters in B"));
  CHECK_THAT(found.not_compared[1].reason, Contains("none of these parameters in A"));
  // One of a name is that backend, whatever a new version calls its parameters.
  CHECK(compared({base[0]}, {other[0]}).rows.size() == 1);
}

TEST_CASE("Timings of one machine are ratios, and a regression when slower by more than a tenth") {
  const std::vector<double> times{10, 10.1, 10.2, 10.3, 10.4, 10.5, 10.6, 10.7, 10.8};
  const auto scaled = [&](double by) {
    std::vector<double> values;
    for (const double time : times) values.push_back(time * by);
    return std::vector<Outcome>{timed("full", values)};
  };
  const RunComparison slower = compared(scaled(1), scaled(1.5));
  REQUIRE(slower.rows.size() == 1);
  CHECK(*slower.rows[0].effect.value == Approx(1.5));
  // All nine above all nine: 2 / C(18, 9).
  CHECK(*slower.rows[0].effect.p_value == Approx(2.0 / 48620));
  CHECK(slower.rows[0].threshold == "10%");
  CHECK(slower.rows[0].change == Change::regression);
  CHECK(compared(scaled(1.5), scaled(1)).rows[0].change == Change::improvement);
  // Significant, and too little.
  const ComparedRow little = compared(scaled(1), scaled(1.09)).rows.at(0);
  CHECK(little.significant);
  CHECK(little.change == Change::none);
  CHECK(compared(scaled(1), scaled(1.09), {}, {"5%"}).rows[0].change == Change::regression);
  CHECK(compared(scaled(1), scaled(1.5), {}, {"latency/decode=60%"}).rows[0].change ==
        Change::none);
  // An amount in ms says nothing of a ratio.
  CHECK(compared(scaled(1), scaled(1.5), {}, {"0.7"}).rows[0].threshold == "10%");
  CHECK_THROWS_WITH(compared(scaled(1), scaled(1.5), {}, {"latency/decode=0.7"}),
                    Contains("a timing is compared as a ratio; give a share"));
}

TEST_CASE("Timings of other machines or threads are told and left out") {
  const std::vector<Outcome> here{timed("full", {1, 2, 3})};
  std::vector<Outcome> there = here;
  there[0].info.machine = "there";
  CHECK_THAT(reason(compared(here, there)), Contains("another machine in B (--across-machines)"));
  CompareChoice across;
  across.across_machines = true;
  CHECK(compared(here, there, across).rows.size() == 1);
  there[0].info.threads = 2;
  CHECK(reason(compared(here, there, across)) == "timed with 1 threads in A, 2 in B");
  CHECK(reason(compared({timed("full", {1})}, here)) == "not two repetitions of a time in both");
}

TEST_CASE("Exact numbers need no test, and sizes of processes are none") {
  const auto held = [](const std::string& metric, double bytes) {
    Outcome made = CellToCompare{.task = "memory", .metric = metric}.outcome();
    Measurement& m = made.findings.measurements[0];
    m.value = bytes;
    m.ci_method = "exact";
    m.higher_is_better = false;
    return std::vector{made};
  };
  const RunComparison more =
      compared(held("memory/state_held", 1000), held("memory/state_held", 1001));
  REQUIRE(more.rows.size() == 1);
  CHECK(more.rows[0].kind == reports::Effect::exact);
  CHECK(*more.rows[0].effect.value == 1);
  CHECK(more.rows[0].change == Change::regression);
  CHECK_FALSE(more.rows[0].effect.p_value);
  CHECK(more.correction == "Holm over 0 tests");
  CHECK(compared(held("memory/state_held", 1000), held("memory/state_held", 1001), {}, {"1%"})
            .rows[0]
            .change == Change::none);
  CHECK(compared(held("memory/state_held", 9), held("memory/state_held", 9)).rows[0].significant ==
        false);
  CHECK(reason(compared(held("memory/peak_rss", 9), held("memory/peak_rss", 10))) ==
        "no samples kept to pair");
}

TEST_CASE("A score of which nobody says what is better changes, and never regresses") {
  Outcome before = CellToCompare{.scores = kRight}.outcome();
  Outcome after = CellToCompare{.scores = std::vector<double>(8, 0)}.outcome();
  before.findings.measurements[0].higher_is_better.reset();
  const ComparedRow row = compared({before}, {after}).rows.at(0);
  CHECK(row.significant);
  CHECK(row.change == Change::none);
}

TEST_CASE("Of a task the main score is compared, and others or each depth when asked for") {
  Outcome cell = CellToCompare{.scores = kRight}.outcome();
  for (SampleRecord& sample : cell.findings.samples) {
    sample.depth = sample.index < 4 ? 0 : 50;
    sample.scores.push_back({"rank", 1});
  }
  Measurement part = cell.findings.measurements[0], rank = part;
  rank.metric = "passkey/rank";
  cell.findings.measurements.push_back(rank);
  for (const double depth : {0.0, 50.0}) {
    part.depth = depth;
    cell.findings.measurements.push_back(part);
  }
  const RunComparison main = compared({cell}, {cell});
  CHECK(main.rows.size() == 1);
  CHECK(main.other_scores == 1);
  CHECK(main.parts == 2);
  CompareChoice choice;
  choice.all_scores = true;
  CHECK(compared({cell}, {cell}, choice).rows.size() == 2);
  choice = {};
  choice.metrics = {"passkey/rank"};
  CHECK(compared({cell}, {cell}, choice).rows.at(0).of.metric == "passkey/rank");
  choice = {};
  choice.depths = true;
  const RunComparison deep = compared({cell}, {cell}, choice);
  REQUIRE(deep.rows.size() == 3);
  CHECK(*deep.rows[1].effect.n == 4);
  CHECK(deep.rows[2].of.depth == 50);
  CHECK_THAT(deep.rows[0].effect.ci_method, Contains("Holm over 1"));
  CHECK_THAT(deep.rows[2].effect.ci_method, Contains("Benjamini-Hochberg over 2"));
  choice = {};
  choice.tasks = {"none"};
  CHECK(compared({cell}, {cell}, choice).rows.empty());
}

TEST_CASE("Heatmaps of two pairs of backends are two families") {
  const auto cell = [](const std::string& backend) {
    Outcome made = CellToCompare{.scores = kRight}.outcome();
    made.info.backend = backend;
    made.info.cell_id += backend;
    for (SampleRecord& sample : made.findings.samples) sample.depth = sample.index < 4 ? 0 : 50;
    Measurement part = made.findings.measurements[0];
    for (const double depth : {0.0, 50.0}) {
      part.depth = depth;
      made.findings.measurements.push_back(part);
    }
    return made;
  };
  CompareChoice choice;
  choice.depths = true;
  choice.matches = {{"full", "infini"}, {"window", "infini"}};
  const std::vector<Outcome> cells{cell("full"), cell("window"), cell("infini")};
  const RunComparison found =
      compare_runs({run_of('A', cells), run_of('B', cells)}, choice, Thresholds({}), {}, 1);
  REQUIRE(found.rows.size() == 6);
  for (const ComparedRow& row : found.rows) {
    if (row.of.depth) CHECK_THAT(row.effect.ci_method, Contains("Benjamini-Hochberg over 2"));
  }
}

TEST_CASE("Every run is held against the first, in one table") {
  const std::vector<Outcome> right{CellToCompare{.scores = kRight}.outcome()};
  const std::vector<Outcome> wrong{CellToCompare{.scores = std::vector<double>(8, 0)}.outcome()};
  const RunComparison found = compare_runs(
      {run_of('A', right), run_of('B', right), run_of('C', wrong)}, {}, Thresholds({}), {}, 1);
  REQUIRE(found.rows.size() == 2);
  CHECK(found.rows[0].run == "B");
  CHECK(found.rows[1].run == "C");
  CHECK(*found.rows[1].effect.p_adjusted == 4.0 / 256);
  CHECK(found.rows[1].change == Change::regression);
}
