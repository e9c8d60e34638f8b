// A store of a million records, reported and taken up again. Hidden, as it takes a minute and two
// GB of disk: build/release/tests/test_harness "[.scale]"
#include <chrono>
#include <iostream>
#include <sys/resource.h>

#include "command.h"
#include "core/error.h"
#include "experiment.h"
#include "harness/cell.h"
#include "harness/plan.h"
#include "harness/store.h"

using namespace longreach;
using namespace longreach::harness;
using namespace longreach::tests;

namespace {

constexpr i64 kMeasurements = 40, kSamples = 20;

/// Nine backends, six lengths, 470 seeds.
Parts large() {
  std::string seeds;
  for (int seed = 0; seed < 470; ++seed) seeds += (seed ? ", " : "") + std::to_string(seed);
  Parts parts;
  parts.models =
      "[{name: reader, arch: {layers: 1, width: 16, heads: 2}, train: {data: {text: {path: "
      "configs/data/harbour.txt, held_out: 0.4}}, steps: 4, length: 64, seeds: [" +
      seeds + "]}}]";
  parts.backends = "[{name: full, full: {}, baseline: true}";
  for (int window = 16; window <= 128; window += 16) {
    parts.backends += fmt::format(", {{name: w{0}, sliding_window: {{window: {0}}}}}", window);
  }
  parts.backends += "]";
  parts.lengths = "[64, 128, 256, 512, 1k, 2k]";
  parts.tasks = "[{passkey: {depths: [0, 50, 100], samples: 1}}]";
  return parts;
}

/// As a task gives them: three scores, pooled, by depth and by distance, and answers.
Findings made_up(const Cell& cell, std::size_t number) {
  Findings findings;
  for (i64 i = 0; i < kMeasurements; ++i) {
    Measurement& m = findings.measurements.emplace_back();
    const i64 part = i / 3;
    m.metric = std::array{"passkey/exact_match", "passkey/digit_accuracy", "passkey/rank"}.at(
        static_cast<std::size_t>(i % 3));
    m.unit = "1";
    m.higher_is_better = true;
    m.value = static_cast<double>((number * 7 + static_cast<std::size_t>(i) * 13) % 100) / 99;
    m.n = kSamples;
    m.standard_error = 0.0123456789;
    m.ci_low = *m.value - 0.04;
    m.ci_high = *m.value + 0.04;
    m.ci_method = "bootstrap 0.95 over 20 samples, 2000 resamples";
    m.chance = 0.1;
    m.protocol = fmt::format("passkey/1:ctx={}:digits=5", *cell.length);
    m.data_sha = std::string(64, 'a');
    if (1 <= part && part <= 3) m.depth = 50.0 * static_cast<double>(part - 1);
    if (part > 3) m.subtask = fmt::format("distance={}-{}", 1 << part, (2 << part) - 1);
  }
  for (i64 i = 0; i < kSamples; ++i) {
    SampleRecord& sample = findings.samples.emplace_back();
    sample.index = i;
    sample.sample_sha = fmt::format("{:064x}", i);
    sample.target = "48213";
    sample.output = "48213 and what else the model wrote";
    sample.scores = {{"exact_match", (number + static_cast<std::size_t>(i)) % 3 ? 1 : 0}};
    sample.depth = 50.0 * static_cast<double>(i % 3);
  }
  return findings;
}

/// Of cells that took a second each, none of which has run.
i64 fill(const std::string& output, const Experiment& experiment, const std::vector<Cell>& plan) {
  Store store(output, Store::Open::create);
  i64 records = 0;
  store.all_or_nothing([&] {
    for (std::size_t i = 0; i < plan.size(); ++i) {
      Outcome outcome{cell_info(experiment, plan[i]), {}};
      outcome.info.wall_s = 1;
      outcome.info.state_bytes_measured = outcome.info.state_bytes_analytic = 4096;
      if (plan[i].kind == CellKind::measure) outcome.findings = made_up(plan[i], i);
      records += std::max<i64>(1, std::ssize(outcome.findings.measurements));
      store.finish(outcome);
    }
  });
  return records;
}

/// Of all commands so far.
double processor_seconds(const rusage& usage) {
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// Runs it, tells what it took and bounds that: processor time, which other work on the machine
/// does not stretch, and memory, the most of all commands so far.
void timed(const std::string& arguments) {
  rusage before{}, after{};
  getrusage(RUSAGE_CHILDREN, &before);
  const auto start = std::chrono::steady_clock::now();
  const Run run = run_command(arguments);
  const double elapsed =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  getrusage(RUSAGE_CHILDREN, &after);
  const double seconds = processor_seconds(after) - processor_seconds(before);
  const double gib = static_cast<double>(after.ru_maxrss) / (1 << 20);
  std::cout << fmt::format("longreach {:.6}: {:.1f} s of processor, {:.1f} s in all, {:.2f} GiB\n",
                           arguments, seconds, elapsed, gib);
  INFO(run.err);
  CHECK(run.exit_code == 0);
  CHECK(seconds < 60);
  CHECK(gib < 2);
}

}  // namespace

TEST_CASE("A million records are reported and taken up again in a processor minute and two GiB",
          "[.scale]") {
  const TempFolder folder;
  const std::string output = folder / "out", config = folder / "large.yaml";
  Parts parts = large();
  parts.more = "output: " + output + "\n";
  write_file(config, parts.yaml());
  std::filesystem::create_directory(output);
  Overrides overrides;
  overrides.folder = LONGREACH_SOURCE_DIR;
  const Experiment experiment = read_experiment_text(parts.yaml(), config, overrides);
  const std::vector<Cell> plan = make_plan(experiment);
  const i64 records = fill(output, experiment, plan);
  std::cout << fmt::format("{} cells, {} records in {}\n", plan.size(), records, output);
  CHECK(records >= 1000000);
  timed("run " + config);
  timed("report " + output);
  CHECK(std::filesystem::file_size(output + "/report.html") < 5000000);
}
