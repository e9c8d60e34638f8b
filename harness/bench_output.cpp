// A benchmark as a table, as CSV, and as Google Benchmark's JSON.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "harness/bench.h"
#include "harness/build_info.h"
#include "harness/machine.h"
#include "harness/table.h"
#include "harness/terminal.h"

namespace longreach::harness {
namespace {

std::string_view phase_name(Phase phase) {
  return EnumNames<Phase>::names[static_cast<std::size_t>(phase)];
}

/// "1.25 ms [1.24, 1.27]", all three in the unit that suits the first.
std::string in_unit(double seconds, const metrics::Interval& interval) {
  struct Scale {
    double seconds;
    const char* unit;
    int digits;
  };
  const Scale scale = seconds < 1e-3 ? Scale{1e-6, "us", 1}
                      : seconds < 1  ? Scale{1e-3, "ms", 2}
                                     : Scale{1, "s", 3};
  const auto in = [&scale](double value) {
    return fmt::format("{:.{}f}", value / scale.seconds, scale.digits);
  };
  return fmt::format("{} {} [{}, {}]", in(seconds), scale.unit, in(interval.low),
                     in(interval.high));
}

std::string bytes_text(i64 bytes) {
  return bytes < (1 << 20) ? fmt::format("{:.1f} KiB", static_cast<double>(bytes) / 1024)
                           : fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

i64 busy_rounds(const BenchResult& result) {
  return std::ranges::count(result.rounds, true, &BenchRound::busy);
}

/// CSV's columns, the same for every case; a case not timed has only the first ones.
struct Column {
  const char* name;
  std::string (*value)(const BenchResult&);
};
const Column kColumns[] = {
    {"backend", [](const BenchResult& r) { return "\"" + r.c.backend + "\""; }},
    {"phase", [](const BenchResult& r) { return std::string(phase_name(r.c.phase)); }},
    {"length", [](const BenchResult& r) { return fmt::format("{}", r.c.length); }},
    {"head_size", [](const BenchResult& r) { return fmt::format("{}", r.c.head_size); }},
    {"heads", [](const BenchResult& r) { return fmt::format("{}", r.c.heads); }},
    {"kv_heads", [](const BenchResult& r) { return fmt::format("{}", r.c.heads / r.c.group); }},
    {"batch", [](const BenchResult& r) { return fmt::format("{}", r.c.batch); }},
    {"threads", [](const BenchResult& r) { return fmt::format("{}", r.c.threads); }},
    {"seconds", [](const BenchResult& r) { return fmt::format("{:.6g}", r.seconds()); }},
    {"seconds_low", [](const BenchResult& r) { return fmt::format("{:.6g}", r.interval().low); }},
    {"seconds_high", [](const BenchResult& r) { return fmt::format("{:.6g}", r.interval().high); }},
    {"gflop_per_s",
     [](const BenchResult& r) { return fmt::format("{:.5g}", r.flops / r.seconds() / 1e9); }},
    {"of_peak", [](const BenchResult& r) { return fmt::format("{:.4f}", r.peak_share()); }},
    {"gb_per_s",
     [](const BenchResult& r) { return fmt::format("{:.5g}", r.bytes / r.seconds() / 1e9); }},
    {"of_bandwidth",
     [](const BenchResult& r) { return fmt::format("{:.4f}", r.bandwidth_share()); }},
    {"tokens_per_s",
     [](const BenchResult& r) {
       return fmt::format("{:.6g}", static_cast<double>(r.tokens) / r.seconds());
     }},
    {"scratch_bytes", [](const BenchResult& r) { return fmt::format("{}", r.scratch); }},
    {"state_bytes", [](const BenchResult& r) { return fmt::format("{}", r.state); }},
    {"error", [](const BenchResult& r) { return fmt::format("{:.2e}", r.error); }},
    {"gradient_error",
     [](const BenchResult& r) {
       return r.gradient_error ? fmt::format("{:.2e}", *r.gradient_error) : std::string();
     }},
    {"rounds_kept", [](const BenchResult& r) { return fmt::format("{}", r.kept().size()); }},
    {"rounds_busy", [](const BenchResult& r) { return fmt::format("{}", busy_rounds(r)); }},
};
constexpr std::size_t kIdentity = 8;  ///< columns that a skipped case has too

/// "1.93x from 1 to 2 threads" for each pair of cases that differ in threads alone.
std::string speedups(const std::vector<BenchResult>& results) {
  std::string text;
  for (const BenchResult& one : results) {
    if (one.c.threads != 1 || !one.skipped.empty()) continue;
    for (const BenchResult& many : results) {
      BenchCase same = many.c;
      same.threads = 1;
      if (many.c.threads == 1 || !many.skipped.empty() || same.name() != one.c.name()) continue;
      text += fmt::format("  {:.2f}x with {} threads: {} {} n {} d {}\n",
                          one.seconds() / many.seconds(), many.c.threads, one.c.backend,
                          phase_name(one.c.phase), one.c.length, one.c.head_size);
    }
  }
  return text.empty() ? text : "\nAgainst one thread\n" + text;
}

nlohmann::ordered_json entry(const BenchResult& result, const char* run_type, double seconds,
                             double cpu) {
  const std::string name = result.c.name();
  return {{"name", name},
          {"run_name", name},
          {"run_type", run_type},
          {"repetitions", result.kept().size()},
          {"threads", result.c.threads},
          {"real_time", seconds * 1e6},
          {"cpu_time", cpu * 1e6},
          {"time_unit", "us"}};
}

}  // namespace

std::string bench_table(const std::vector<BenchResult>& results, std::size_t columns) {
  Table table(
      {"backend", "phase", "length", "D", "heads", "thr", "time [95% of the median]", "GFLOP/s",
       "of peak", "GB/s", "of read", "tokens/s", "scratch", "state", "error", "gradient", "rounds"},
      {2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15});
  std::string skipped;
  for (const BenchResult& r : results) {
    if (!r.skipped.empty()) {
      skipped += fmt::format("skipped: {}: {}\n", r.c.name(), r.skipped);
      continue;
    }
    table.add(
        {r.c.backend, std::string(phase_name(r.c.phase)), fmt::format("{}", r.c.length),
         fmt::format("{}", r.c.head_size), fmt::format("{}/{}", r.c.heads, r.c.heads / r.c.group),
         fmt::format("{}", r.c.threads), in_unit(r.seconds(), r.interval()),
         fmt::format("{:.1f}", r.flops / r.seconds() / 1e9), fmt::format("{:.3f}", r.peak_share()),
         fmt::format("{:.1f}", r.bytes / r.seconds() / 1e9),
         fmt::format("{:.3f}", r.bandwidth_share()),
         fmt::format("{:.4g}", static_cast<double>(r.tokens) / r.seconds()), bytes_text(r.scratch),
         bytes_text(r.state), fmt::format("{:.1e}", r.error),
         r.gradient_error ? fmt::format("{:.1e}", *r.gradient_error) : "-",
         fmt::format("{}-{}", r.rounds.size(), busy_rounds(r))});
  }
  std::string text = table.text(columns, 6) + printable(skipped, "\n");
  const std::vector<BenchExponent> fits = exponents(results);
  if (!fits.empty()) text += "\nTime grows as length to the power of\n";
  for (const BenchExponent& fit : fits) {
    text +=
        fmt::format("  {:.3f} [{:.3f}, {:.3f}] (FLOP: {:.3f}) over {} lengths: {}\n", fit.exponent,
                    fit.interval.low, fit.interval.high, fit.flops, fit.lengths, fit.line);
  }
  text += speedups(results);
  const BuildInfo& build = build_info();
  const Machine& machine = this_machine();
  text += fmt::format(
      "\nFLOP: as the backend declares them, cost(position, tokens).flops x batch (a multiply-add "
      "counts 2, an exponential or division 1);\n  backward 2.5 times, forward and backward 3.5 "
      "times. GB/s: cost().bytes_moved. Shares: of the FMA peak and read bandwidth probed\n  just "
      "before and after each timing. rounds: taken-busy; busy ones are left out.\n{}, {}, {} {}\n",
      machine.cpu, machine.isa, build.compiler, build.flags);
  return text;
}

std::string bench_csv(const std::vector<BenchResult>& results) {
  std::string text;
  for (const Column& column : kColumns) text += fmt::format("{},", column.name);
  text += "skipped\n";
  for (const BenchResult& result : results) {
    for (std::size_t i = 0; i < std::size(kColumns); ++i) {
      if (result.skipped.empty() || i < kIdentity) text += kColumns[i].value(result);
      text += ',';
    }
    text += result.skipped.empty() ? "\n" : "\"" + result.skipped + "\"\n";
  }
  return text;
}

std::string bench_json(const std::vector<BenchResult>& results) {
  const BuildInfo& build = build_info();
  const Machine& machine = this_machine();
  nlohmann::ordered_json root;
  root["context"] = {{"executable", "longreach bench"},
                     {"host_name", ""},
                     {"num_cpus", circumstances().threads},
                     {"cpu", machine.cpu},
                     {"isa", machine.isa},
                     {"compiler", build.compiler},
                     {"flags", build.flags},
                     {"longreach_version", build.version},
                     {"longreach_revision", build.revision},
                     {"library_build_type", "release"}};
  root["benchmarks"] = nlohmann::ordered_json::array();
  for (const BenchResult& result : results) {
    if (!result.skipped.empty()) continue;
    i64 index = 0;
    std::vector<double> seconds, cpu;
    for (const BenchRound* round : result.kept()) {
      nlohmann::ordered_json row = entry(result, "iteration", round->seconds, round->cpu);
      row["repetition_index"] = index++;
      row["iterations"] = round->calls;
      row["of_peak"] = result.flops / round->seconds / round->fma;
      row["of_bandwidth"] = result.bytes / round->seconds / round->bandwidth;
      row["flop_per_second"] = result.flops / round->seconds;
      row["error"] = result.error;
      root["benchmarks"].push_back(row);
      seconds.push_back(round->seconds);
      cpu.push_back(round->cpu);
    }
    const auto aggregate = [&](const char* name, double a, double b) {
      nlohmann::ordered_json row = entry(result, "aggregate", a, b);
      row["name"] = fmt::format("{}_{}", result.c.name(), name);
      row["aggregate_name"] = name;
      row["aggregate_unit"] = "time";
      row["iterations"] = index;
      root["benchmarks"].push_back(row);
    };
    const double root_n = std::sqrt(static_cast<double>(seconds.size()));
    aggregate("mean", metrics::mean(seconds), metrics::mean(cpu));
    aggregate("median", metrics::median(seconds), metrics::median(cpu));
    aggregate("stddev", metrics::standard_error(seconds) * root_n,
              metrics::standard_error(cpu) * root_n);
  }
  return root.dump(2) + "\n";
}

}  // namespace longreach::harness
