// What the harness itself costs: planning very many cells, and starting one.
#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/resource.h>
#include <unistd.h>

#include "command.h"
#include "core/error.h"
#include "core/tensor.h"

using namespace longreach;
using namespace longreach::tests;

namespace {

struct Cost {
  int exit_code;
  double wall, processor;  ///< seconds
  double peak_mib;         ///< most memory resident
};

/// Runs the built binary and says what it took; `out` gets its standard output.
Cost cost_of(std::vector<std::string> arguments, const std::string& out) {
  arguments.insert(arguments.begin(), LONGREACH_BINARY_DIR "/longreach");
  std::vector<char*> words;
  for (std::string& word : arguments) words.push_back(word.data());
  words.push_back(nullptr);
  const auto start = std::chrono::steady_clock::now();
  const pid_t child = fork();
  if (child == 0) {
    const int fd = open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    dup2(fd, STDOUT_FILENO);
    if (chdir(LONGREACH_SOURCE_DIR) == 0) execv(words[0], words.data());
    _exit(127);
  }
  int status = 0;
  rusage used{};
  REQUIRE(wait4(child, &status, 0, &used) == child);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
  return {.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
          .wall = wall.count(),
          .processor = seconds(used.ru_utime) + seconds(used.ru_stime),
          .peak_mib = static_cast<double>(used.ru_maxrss) / 1024};
}

/// 101 backends, 50 tasks and 20 lengths.
std::string hundred_thousand_cells() {
  std::vector<std::string> windows, lengths, tasks;
  for (int i = 1; i <= 100; ++i) windows.push_back(std::to_string(i));
  for (int i = 1; i <= 20; ++i) lengths.push_back(std::to_string(64 * i));
  for (int i = 1; i <= 50; ++i) {
    tasks.push_back(
        fmt::format("{{name: t{}, perplexity: {{stride: {}, tokens: 1k, data: {{text: "
                    "{{path: configs/data/harbour.txt, held_out: 0.4}}}}}}}}",
                    i, i));
  }
  return fmt::format(
      "version: 1\nname: big\nmodels: [{{name: m, arch: {{layers: 1, width: 16, heads: 2}}}}]\n"
      "backends: [{{name: full, full: {{}}}}, {{name: w, sliding_window: {{window: [{}]}}}}]\n"
      "lengths: [{}]\ntasks: [{}]\n",
      fmt::join(windows, ", "), fmt::join(lengths, ", "), fmt::join(tasks, ", "));
}

}  // namespace

TEST_CASE("A hundred thousand cells are planned in under 5 s and 200 MB") {
  const TempFolder folder;
  write_file(folder / "big.yaml", hundred_thousand_cells());
  const Cost cost = cost_of({"plan", folder / "big.yaml"}, folder / "out");
  WARN(fmt::format("101000 cells planned in {:.2f} s ({:.2f} s of processors), {:.0f} MiB",
                   cost.wall, cost.processor, cost.peak_mib));
  CHECK(cost.exit_code == 0);
  CHECK_THAT(read_file(folder / "out"), Catch::Contains("101000 cells"));
  CHECK(cost.processor < 5);  // other work on the machine makes the wall time longer, not this
  CHECK(cost.peak_mib < 190);
}

TEST_CASE("A cell costs the harness little, however large its experiment") {
  const TempFolder folder;
  std::string text = hundred_thousand_cells();
  text.insert(text.rfind("tasks: [") + 8, "memory, ");
  write_file(folder / "big.yaml", text);
  const Run run = run_command("run " + folder / "big.yaml" + " --tasks memory --limit 15" +
                              " --threads 1 --output " + folder / "out");
  INFO(run.err);
  REQUIRE(run.exit_code == 0);
  std::vector<double> wall;
  std::istringstream lines(read_file(folder / "out/records.jsonl"));
  std::string last;
  for (std::string line; std::getline(lines, line);) {
    const auto row = nlohmann::json::parse(line);
    if (row["cell_id"] == last || row["wall_s"].is_null()) continue;
    last = row["cell_id"];
    wall.push_back(row["wall_s"]);
  }
  REQUIRE(wall.size() == 15);
  std::ranges::sort(wall);
  WARN(
      fmt::format("a cell of 102020 that only counts bytes: {:.0f} ms (median of 15, {:.0f} to "
                  "{:.0f})",
                  1e3 * wall[7], 1e3 * wall.front(), 1e3 * wall.back()));
  // 50 ms on a machine that does nothing else; the whole experiment alone takes ten times that.
  CHECK(wall.front() < 0.25);
}
