// Progress, alone and as a person at a terminal sees it.
#include "harness/progress.h"

#include <catch2/catch.hpp>
#include <csignal>
#include <sstream>

#include "command.h"
#include "experiment.h"
#include "pty.h"

using namespace longreach;
using namespace longreach::harness;
using namespace longreach::tests;
using Catch::Matchers::Contains;

namespace {

CellInfo ended(Status status, const std::string& reason = "") {
  CellInfo info;
  info.status = status;
  info.reason = reason;
  return info;
}

Screen screen(std::size_t columns) {
  return {.redraws = true, .colours = false, .columns = [columns] { return columns; }};
}

/// Two trainings that take a second, and a backend with a name of many bytes.
std::string experiment(const TempFolder& folder, int steps = 60) {
  Parts parts;
  parts.backends =
      "[{name: 'βάση-基線-基線-基線-基線-基線', full: {}, baseline: true}, {name: "
      "\"\\x9b31mwindow\", "
      "sliding_window: {window: 16}}]";
  write_file(folder / "c.yaml", parts.yaml());
  return folder / "c.yaml" + " --threads 1 --output " + folder / "out" +
         " --set models.reader.train.steps=" + std::to_string(steps);
}

}  // namespace

TEST_CASE("The bar's share is one of predicted work, not of cells") {
  std::ostringstream out;
  Progress progress(out, screen(100));
  progress.start({90, 5, 5}, 3, 0);
  CHECK_THAT(out.str(), Contains("3 cells to run, about 1m40s\n"));
  progress.begin(1, "short");
  progress.finish(1, "short", ended(Status::ok));
  CHECK_THAT(bars_in(out.str()).back(), Contains(" 1/3 5% "));
  progress.begin(0, "long");
  progress.finish(0, "long", ended(Status::ok));
  CHECK_THAT(bars_in(out.str()).back(), Contains(" 2/3 95% "));
}

TEST_CASE("Without predictions the bar counts cells") {
  std::ostringstream out;
  Progress progress(out, screen(100));
  progress.start({0, 0, 0, 0}, 4, 0);
  CHECK_THAT(out.str(), Contains("4 cells to run\n"));
  progress.begin(0, "one");
  progress.finish(0, "one", ended(Status::ok));
  CHECK_THAT(bars_in(out.str()).back(), Contains(" 1/4 25% "));
}

TEST_CASE("Work of cells that have no result is no longer ahead") {
  std::ostringstream out;
  Progress progress(out, screen(100));
  progress.start({50, 25, 25}, 3, 0);
  progress.finish(0, "one", ended(Status::skipped, "too long"));
  CHECK_THAT(out.str(), Contains("1/3 skipped one 0ms: too long\n"));
  progress.finish(1, "two", ended(Status::ok));
  CHECK_THAT(bars_in(out.str()).back(), Contains(" 2/3 50% "));
  progress.end();
  CHECK_THAT(out.str(), Contains("2 of 3 cells in 0s: 1 ok, 1 skipped\n"));
}

TEST_CASE("The bar tells the share of a cell that tells it, and how many others run") {
  std::ostringstream out;
  Progress progress(out, screen(120));
  progress.start({40, 40}, 2, 0, 2);
  CHECK_THAT(out.str(), Contains("about 40s\n"));  // two at a time
  progress.begin(0, "reader full training");
  progress.share(0.256);
  progress.begin(1, "other");
  CHECK_THAT(bars_in(out.str()).back(),
             Contains(" 0/2 12% ") && Contains("reader full training 25% and 1 more"));
}

TEST_CASE("A name from a file cannot drive the terminal, and one line stays one") {
  std::ostringstream out;
  Progress progress(out, screen(200));
  progress.start({1}, 1, 0);
  progress.begin(0, "a\x1b[2Jb\nc");
  progress.words("said \x1b]0;title\a\n");
  progress.finish(0, "a\x1b[2Jb\nc", ended(Status::failed, "why\n\x1b[31m"));
  CHECK_THAT(out.str(), Contains("a\\x1b[2Jb\\nc") && Contains("why\\n\\x1b[31m\n") &&
                            Contains("said \\x1b]0;title\\x07\n"));
  std::string rest = out.str();
  for (std::size_t at; (at = rest.find("\x1b[K")) != std::string::npos;) rest.erase(at, 3);
  CHECK_THAT(rest, !Contains("\x1b"));
}

TEST_CASE("A line that a cell has not finished is not wiped by the bar") {
  std::ostringstream out;
  {
    Progress progress(out, screen(80));
    progress.start({1}, 1, 0);
    progress.begin(0, "one");
    progress.words("half a line");
    progress.tick();
  }
  const auto lines = screen_after(out.str());
  REQUIRE(lines.size() == 3);
  CHECK(lines[1] == "half a line");
  CHECK(lines[2].empty());  // the bar went with its Progress
}

TEST_CASE("On a terminal of any width a run's bar fits its line and leaves it clean") {
  for (const unsigned short columns : {1, 40, 80, 200}) {
    const TempFolder folder;
    const OnTerminal run = run_on_terminal(columns, "run --no-probe " + experiment(folder));
    INFO(columns << '\n' << run.shown);
    CHECK(run.exit_code == 0);
    const std::vector<std::string> bars = bars_in(run.shown);
    REQUIRE(bars.size() > 4);
    for (const std::string& bar : bars) {
      INFO(bar);
      CHECK(display_width(bar) < std::max<std::size_t>(columns, 2));
      CHECK(printable(bar) == bar);
    }
    if (columns >= 80) {
      CHECK(std::ranges::any_of(bars, [](const auto& bar) {
        return bar[0] == '[' && bar.find(" left reader ") != std::string::npos &&
               bar.find('%') != std::string::npos;
      }));
    }
    for (const std::string& line : screen_after(run.shown)) CHECK_THAT(line, !Contains("[#"));
    CHECK_THAT(run.shown, Contains("\\u009b31mwindow"));
    CHECK_THAT(run.shown, !Contains("\u009b"));
  }
}

TEST_CASE("Colour is for statuses alone, and not where NO_COLOR or a dumb terminal forbids it") {
  for (const std::string environment :
       {"TERM=xterm", "TERM=xterm NO_COLOR=1", "TERM=dumb", "TERM="}) {
    const TempFolder folder;
    const OnTerminal run =
        run_on_terminal(100,
                        "run --no-probe --verbose --limit 2 " + experiment(folder, 100000) +
                            " --set limits.time_per_cell=300ms",
                        environment);
    INFO(environment << '\n' << run.shown);
    CHECK(run.exit_code == 1);
    CHECK_THAT(run.shown, Contains("timeout"));
    const bool red = run.shown.find("\x1b[31mtimeout\x1b[0m") != std::string::npos;
    CHECK(red == (environment == "TERM=xterm"));
    const bool bars = !bars_in(run.shown).empty();
    CHECK(bars == environment.starts_with("TERM=xterm"));
    if (!bars) CHECK_THAT(run.shown, !Contains("\x1b"));
  }
}

TEST_CASE("A run whose errors go to a pipe tells its start, what goes wrong, and its end") {
  const TempFolder folder;
  const std::string run_it = "run --no-probe " + experiment(folder, 4);
  const Run first = run_command(run_it + " --limit 2");
  INFO(first.err);
  CHECK(std::count(first.err.begin(), first.err.end(), '\n') == 2);
  CHECK_THAT(first.err, Contains("longreach: 2 cells to run, about ") &&
                            Contains("longreach: 2 of 2 cells in ") && Contains(": 2 ok\n"));
  const Run rest = run_command(run_it);
  CHECK_THAT(rest.err, Contains("to run, about ") && Contains("; 2 cells finished before\n"));
  const Run none = run_command(run_it);
  CHECK(none.err == "longreach: nothing to run; 10 cells finished before\n");
  const Run again = run_command(run_it + " --no-resume --verbose --limit 2");
  INFO(again.err);
  CHECK(std::count(again.err.begin(), again.err.end(), '\n') == 4);
  CHECK_THAT(again.err, Contains("1/2 ok reader ") && Contains("2/2 ok reader "));
}

TEST_CASE("An interrupted run leaves a clean line on its terminal") {
  const TempFolder folder;
  bool sent = false;
  const OnTerminal run =
      run_on_terminal(80, "run --no-probe " + experiment(folder, 100000), "TERM=xterm",
                      [&sent](const std::string& shown, pid_t child) {
                        if (sent || bars_in(shown).size() < 3) return;
                        sent = true;
                        kill(child, SIGINT);
                      });
  INFO(run.shown);
  CHECK(run.exit_code == 130);
  const std::vector<std::string> lines = screen_after(run.shown);
  REQUIRE(lines.size() > 3);
  CHECK_THAT(lines[0], Contains(" to run, about "));
  CHECK_THAT(lines[1], Contains("longreach: 0 of ") && Contains(" cells in "));
  CHECK_THAT(lines[2], Contains("longreach: interrupted, "));
  CHECK(lines.back().empty());
}

TEST_CASE("A training's lines stand above its bar, and a pipe has the lines alone") {
  const TempFolder folder;
  const std::string train = "train " + experiment(folder, 30);
  const OnTerminal run = run_on_terminal(100, train);
  INFO(run.shown);
  CHECK(run.exit_code == 0);
  CHECK_FALSE(bars_in(run.shown).empty());
  for (const std::string& bar : bars_in(run.shown)) CHECK(display_width(bar) < 100);
  const auto lines = screen_after(run.shown);
  CHECK(std::ranges::count_if(lines, [](const auto& line) { return line.starts_with("step "); }) ==
        60);
  const Run piped = run_command(train + " --no-resume");
  CHECK_THAT(piped.out, Contains("step 30/30") && !Contains("\x1b"));
  CHECK(std::count(piped.err.begin(), piped.err.end(), '\n') == 2);
}
