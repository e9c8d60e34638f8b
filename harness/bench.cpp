// `longreach bench`: measures, prints, writes.
#include "harness/bench.h"

#include <unistd.h>

#include "core/atomic_file.h"
#include "core/error.h"

namespace longreach::harness {
namespace {

void write_file(const std::string& path, const std::string& text) {
  if (!path.empty()) replace_file(path, text);
}

}  // namespace

void bench(const BenchRequest& request, const std::function<void(const std::string&)>& print) {
  const std::vector<BenchCase> cases = bench_cases(request);
  const bool terminal = isatty(STDERR_FILENO) != 0;
  const auto progress = [terminal](const std::string& doing) {
    if (terminal) fmt::print(stderr, "\r\033[K{:.100}", doing);
  };
  const std::vector<BenchResult> results = measure(cases, request, progress);
  if (terminal) fmt::print(stderr, "\r\033[K");
  print(bench_table(results));
  write_file(request.json, bench_json(results));
  write_file(request.csv, bench_csv(results));
}

}  // namespace longreach::harness
