// Help and misspelt words, as a new user meets them.
#include <catch2/catch.hpp>
#include <sstream>

#include "command.h"

using namespace longreach::tests;
using Catch::Matchers::Contains;

namespace {

/// The commands that `longreach --help` lists.
std::vector<std::string> commands() {
  const std::string help = run_command("--help").out;
  std::istringstream lines(help.substr(help.find("Subcommands:")));
  std::vector<std::string> names;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("  ") && line[2] != ' ')
      names.push_back(line.substr(2, line.find(' ', 2) - 2));
  }
  return names;
}

}  // namespace

TEST_CASE(
    "Every command's help ends with an example of that command, and the first with exit codes") {
  CHECK_THAT(run_command("--help").out, Contains("Exit codes") && Contains("130 interrupted"));
  CHECK(commands().size() >= 12);
  for (const std::string& command : commands()) {
    const Run help = run_command(command + " --help");
    INFO(help.out);
    CHECK(help.exit_code == 0);
    CHECK_THAT(help.out, Contains("longreach " + command));
    CHECK_THAT(help.out, Contains("Example"));
  }
}

TEST_CASE("A misspelt command or option is told the nearest, in one line") {
  require_refused(run_command("rnu configs/quickstart.yaml"), "did you mean 'run'?");
  require_refused(run_command("run configs/quickstart.yaml --limt 3"),
                  "run: unknown option '--limt'; did you mean '--limit'?");
  require_refused(run_command("plan configs/quickstart.yaml --modles=a"),
                  "plan: unknown option '--modles'; did you mean '--models'?");
  require_refused(run_command("list --completely-else"),
                  "list: unknown option '--completely-else' (`longreach list --help` tells");
  require_refused(run_command("--hlp"), "unknown option '--hlp'; did you mean '--help'?");
  require_refused(run_command("report"), "(`longreach report --help` tells its options");
  require_refused(run_command("list further words"), "not expected");
}
