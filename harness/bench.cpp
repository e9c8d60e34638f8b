// `longreach bench`: measures, prints, writes.
#include "harness/bench.h"

#include <cstdio>
#include <unistd.h>

#include "core/atomic_file.h"
#include "core/error.h"
#include "harness/terminal.h"

namespace longreach::harness {
namespace {

void write_file(const std::string& path, const std::string& text) {
  if (!path.empty()) replace_file(path, text);
}

}  // namespace

void bench(const BenchRequest& request, const std::function<void(const std::string&)>& print) {
  const std::vector<BenchCase> cases = bench_cases(request);
  const Screen screen = screen_of(STDERR_FILENO);
  const auto progress = [&screen](const std::string& doing) {
    if (!screen.redraws) return;
    fmt::print(stderr, "{}{}", kClearLine, cut_to(printable(doing), screen.columns() - 1));
    std::fflush(stderr);
  };
  const std::vector<BenchResult> results = measure(cases, request, progress);
  if (screen.redraws) fmt::print(stderr, "{}", kClearLine);
  print(bench_table(results, table_columns()));
  write_file(request.json, bench_json(results));
  write_file(request.csv, bench_csv(results));
}

}  // namespace longreach::harness
