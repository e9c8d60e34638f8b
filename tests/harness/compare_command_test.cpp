// `longreach compare` as CI runs it.
#include "harness/compare_command.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "command.h"
#include "compared.h"
#include "experiment.h"

using namespace longreach;
using namespace longreach::tests;
using Catch::Matchers::Contains;
using Json = nlohmann::json;

namespace {

/// An output folder with these cells.
std::string stored(const TempFolder& folder, const std::string& name,
                   const std::vector<Outcome>& outcomes) {
  const std::string path = folder / name;
  std::filesystem::create_directory(path);
  Store store(path, Store::Open::create);
  std::vector<std::string> plan;
  for (const Outcome& one : outcomes) {
    store.finish(one);
    plan.push_back(one.info.cell_id);
  }
  store.set_plan(plan);
  store.set_meta("name", name);
  return path;
}

/// Two cells of 16 answers, of which the second has so many wrong.
std::vector<Outcome> answers(int wrong, const std::string& backend = "full") {
  std::vector<double> scores(16, 1);
  std::vector<Outcome> made{CellToCompare{.backend = backend, .scores = scores}.outcome()};
  std::fill_n(scores.begin(), wrong, 0);
  made.push_back(CellToCompare{.backend = backend, .length = 128, .scores = scores}.outcome());
  return made;
}

std::size_t lines(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

TEST_CASE("Comparing exits with 4 on a regression, with a line for each on stderr, else with 0") {
  const TempFolder folder;
  const std::string base = stored(folder, "base", answers(0));
  const std::string worse = stored(folder, "worse", answers(8));
  const Run same = run_command("compare " + base + " " + base);
  CHECK(same.exit_code == 0);
  CHECK(same.err.empty());
  CHECK_THAT(same.out, Contains("0 regressions, 0 improvements, 2 without"));
  CHECK_THAT(same.out, !Contains("\033"));  // no terminal

  const Run lost = run_command("compare " + base + " " + worse);
  INFO(lost.out << lost.err);
  CHECK(lost.exit_code == 4);
  // 2 / 2^8, twice.
  CHECK(lost.err ==
        "longreach: regression: passkey/exact_match of clerk full find 128, seed 1: 1 in A, 0.5 in "
        "B, adjusted p 0.016, beyond 0\n");
  CHECK_THAT(lost.out, Contains("model clerk, backend full, task find, seed 1\n") &&
                           Contains("p by Holm over 2 tests") &&
                           Contains("1 regression, 0 improvements, 1 without"));
  const Run gained = run_command("compare " + worse + " " + base);
  CHECK(gained.exit_code == 0);
  CHECK_THAT(gained.out, Contains("0 regressions, 1 improvement, 1 without"));

  CHECK(run_command("compare --threshold 0.5 " + base + " " + worse).exit_code == 0);
  CHECK(run_command("compare --threshold 49% " + base + " " + worse).exit_code == 4);
  CHECK(run_command("compare --threshold 0,passkey/exact_match=0.6 " + base + " " + worse)
            .exit_code == 0);
  CHECK(run_command("compare --lengths 64 " + base + " " + worse).exit_code == 0);
}

TEST_CASE("Significant rows of a comparison are bold, in each piece of a wide table") {
  std::vector<RunToCompare> runs{run_of('A', answers(0)), run_of('B', answers(8))};
  const reports::RunComparison found =
      compare_runs(std::move(runs), {}, Thresholds({}), StatisticsChoice{}, 1);
  for (const std::size_t columns : {std::size_t{60}, std::string::npos}) {
    std::istringstream text(comparison_table(found, true, columns));
    std::size_t bold = 0, heads = 0;
    for (std::string line; std::getline(text, line);) {
      const bool row = line.find("passkey/exact_match") != std::string::npos;
      const bool significant = row && line.find(" 128 ") != std::string::npos;
      heads += line.find("metric") != std::string::npos;
      bold += significant;
      INFO(line);
      CHECK(line.starts_with("\033[1m") == significant);
      CHECK(line.ends_with("\033[0m") == significant);
    }
    CHECK(bold == heads);
    CHECK((heads > 1) == (columns == 60));
  }
  CHECK_THAT(comparison_table(found, false), !Contains("\033"));
}

TEST_CASE("Names in a store cannot drive the terminal through a comparison") {
  const TempFolder folder;
  const std::string name = "a\x1b[2J<script>|`b";
  const std::string base = stored(folder, "base", answers(0, name));
  std::vector<Outcome> worse = answers(8, name);
  worse.push_back(CellToCompare{.backend = name + "\n", .scores = {1, 1}}.outcome());
  const Run run = run_command("compare " + base + " " + stored(folder, "worse", worse));
  CHECK(run.exit_code == 4);
  for (const std::string& text : {run.out, run.err}) {
    CHECK_THAT(text, !Contains("\x1b") && Contains("\\x1b[2J<script>"));
  }
  CHECK(lines(run.err) == 1);
  CHECK_THAT(run.out, Contains("not compared, only in B: clerk a\\x1b[2J<script>|`b"));
}

TEST_CASE("A comparison is written whole in the format of its file, beside the table") {
  const TempFolder folder;
  const std::string base = stored(folder, "base", answers(0));
  const std::string worse = stored(folder, "worse", answers(8));
  for (const auto& [ending, words] : {std::pair{"md", "| length | metric |"},
                                      {"html", "<!DOCTYPE html>"},
                                      {"csv", "run,model,backend,base_backend,task"},
                                      {"json", "\"longreach comparison\""}}) {
    const std::string file = folder / ("difference." + std::string(ending));
    const Run run = run_command("compare " + base + " " + worse + " --output " + file);
    INFO(run.out << run.err);
    CHECK(run.exit_code == 4);
    CHECK_THAT(run.out, Contains("1 regression") && Contains(file));
    CHECK_THAT(read_file(file), Contains(words));
  }
  const Run json = run_command("compare --format json " + base + " " + worse);
  const Json found = Json::parse(json.out);
  CHECK(found["regressions"] == 1);
  CHECK(found["rows"][1]["p_value"] == 2.0 / 256);
  CHECK(found["rows"][1]["change"] == "regression");
  CHECK(found["rows"][0]["detectable"].is_null());
}

TEST_CASE("Backends of one run are compared by matching them") {
  const TempFolder folder;
  std::vector<Outcome> both = answers(0);
  for (const Outcome& one : answers(8, "window")) both.push_back(one);
  const std::string run = stored(folder, "run", both);
  const Run matched = run_command("compare --match full=window " + run);
  CHECK(matched.exit_code == 4);
  CHECK_THAT(matched.out, Contains("full -> window"));
  require_refused(run_command("compare " + run),
                  "compare needs two output folders, or one and --match");
}

TEST_CASE("What cannot be compared is refused in one line") {
  const TempFolder folder;
  const std::string base = stored(folder, "base", answers(0));
  const std::string other =
      stored(folder, "other", {CellToCompare{.task = "elsewhere", .scores = {1, 1}}.outcome()});
  std::filesystem::create_directory(folder / "empty");
  write_file(folder / "records.jsonl", "{}\n");
  const auto refused = [&](const std::string& arguments, const std::string& words) {
    INFO(arguments);
    require_refused(run_command("compare " + arguments), words);
  };
  const std::string two = base + " " + base;
  refused(base + " " + folder / "missing", "missing");
  refused(base + " " + folder / "empty", "empty");
  refused(base + " " + folder / "records.jsonl", "a file; give the run's output folder");
  refused(base + " " + other, "no measurement to compare (2 only in A; 1 only in B)");
  refused(two + " --threshold much", "'much' is neither an amount");
  refused(two + " --threshold passkey/exact_mach=0.1", "did you mean 'passkey/exact_match'?");
  refused(two + " --format markdwon", "did you mean 'markdown'?");
  refused(two + " --output " + folder / "x.pdf", "no format has this ending");
  refused(two + " --backends ful", "did you mean 'full'?");
  refused(two + " --metrics passkey/exact_mtch", "did you mean 'passkey/exact_match'?");
  refused(two + " --match full", "give a backend of the base and one of the other");
  refused(two + " --lengths long", "no length such as 512 or 4k");
  refused(two + " --tasks find --lengths 999", "--lengths 999: in none of these runs");
}

TEST_CASE("Two trainings of one experiment are compared sample by sample") {
  const TempFolder folder;
  Parts parts;
  parts.lengths = "[64]";
  parts.tasks = "[{perplexity: {stride: 32, tokens: 1k}}, {memory: {}}]";
  write_file(folder / "e.yaml", parts.yaml());
  const auto run = [&](const std::string& output, i64 steps) {
    // A path in a configuration is relative to the configuration.
    const std::string set = fmt::format(
        " --set models.reader.train.steps={} --set "
        "models.reader.train.data.text.path=" LONGREACH_SOURCE_DIR "/configs/data/harbour.txt",
        steps);
    const Run ran = run_command("run " + folder / "e.yaml" + " --no-probe --threads 1 --output " +
                                folder / output + set);
    INFO(ran.out << ran.err);
    REQUIRE(ran.exit_code == 0);
  };
  run("trained", 60);
  run("again", 60);
  run("untrained", 1);
  const Run same = run_command("compare " + folder / "trained" + " " + folder / "again");
  INFO(same.out << same.err);
  CHECK(same.exit_code == 0);
  CHECK_THAT(same.out, Contains("perplexity/bits_per_byte") && Contains("memory/state_held") &&
                           Contains("no samples kept to pair: training/held_out"));

  const Run lost =
      run_command("compare --format json " + folder / "trained" + " " + folder / "untrained");
  CHECK(lost.exit_code == 4);
  CHECK(lines(lost.err) == 2);  // of either backend
  for (const Json& row : Json::parse(lost.out)["rows"]) {
    if (row["metric"] != "perplexity/bits_per_byte") continue;
    CHECK(row["change"] == "regression");
    CHECK(row["effect"] > 0.0);
    CHECK(row["base_backend"] == row["backend"]);
    CHECK(row["value"].get<double>() - row["base_value"].get<double>() ==
          Approx(row["effect"].get<double>()));
  }
}
