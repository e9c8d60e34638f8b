#include "harness/bench.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "core/error.h"
#include "tests/harness/command.h"

namespace longreach::harness {
namespace {

std::string message_of(const BenchRequest& request) {
  try {
    bench_cases(request);
  } catch (const Error& thrown) {
    return thrown.what();
  }
  return "";
}

/// A configuration file of this text.
BenchRequest from_file(const std::string& text) {
  static const tests::TempFolder folder;  // tests run side by side, each in a process of its own
  BenchRequest request;
  request.config = folder / "bench.yaml";
  tests::write_file(request.config, text);
  return request;
}

BenchResult timed(i64 length, std::vector<double> seconds) {
  BenchResult result;
  result.c = {"full", Phase::forward, length, 64, 8, 1, 1, 2};
  for (const double s : seconds) {
    result.rounds.push_back({.seconds = s, .cpu = 2 * s, .calls = 1, .fma = 100, .bandwidth = 10});
  }
  result.flops = 50;
  result.bytes = 5;
  return result;
}

}  // namespace

TEST_CASE("A benchmark has a case for every combination, each once") {
  BenchRequest request;
  request.backends = {"full", "{infini: {segment: 32}}"};
  request.phases = {"forward", "decode"};
  request.lengths = {"64", "1k"};
  request.groups = {"1", "4"};
  const std::vector<BenchCase> cases = bench_cases(request);
  CHECK(cases.size() == 16);
  std::set<std::string> names;
  for (const BenchCase& c : cases) names.insert(c.name());
  CHECK(names.size() == 16);
  CHECK(std::ranges::any_of(cases, [](const BenchCase& c) { return c.length == 1024; }));
}

TEST_CASE("A file lists sweeps, and flags override them") {
  BenchRequest request = from_file(
      "bench:\n"
      "  - {backends: [full, {infini: {segment: 16}}], lengths: [32, 64], phases: [backward]}\n"
      "  - {backends: [full], lengths: 128, head_sizes: [8, 16]}\n");
  CHECK(bench_cases(request).size() == 6);
  CHECK(bench_cases(request)[0].phase == Phase::backward);
  request.lengths = {"16", "16"};
  CHECK(bench_cases(request).size() == 4);  // a case named twice is one
}

TEST_CASE("Sweeps of more cases than can be timed are refused before they are made") {
  CHECK_THAT(message_of(from_file("bench: [{backends: [full], lengths: [1..1000+1], head_sizes: "
                                  "[2..1000+2], groups: [1..1000+1]}]\n")),
             Catch::EndsWith("bench.yaml: a sweep of 5e+08 cases; at most 10000 are timed"));
}

TEST_CASE("What a benchmark cannot be is refused in words") {
  BenchRequest request;
  request.phases = {"forwrad"};
  CHECK(message_of(request).find("forward") != std::string::npos);
  request = {};
  request.lengths = {"0"};
  CHECK(message_of(request).find("--lengths") != std::string::npos);
  request = {};
  request.groups = {"3"};
  CHECK(message_of(request).find("groups of 3") != std::string::npos);
  request = {};
  request.backends = {"{infini: {segmnt: 3}}"};
  CHECK(message_of(request).find("segment") != std::string::npos);
  CHECK(message_of(from_file("bench: 3")).find("list of sweeps") != std::string::npos);
  CHECK(message_of(from_file("bench: [{lenghts: [3]}]")).find("lengths") != std::string::npos);
  CHECK(message_of(from_file("banch: [{}]")).find("bench") != std::string::npos);
}

TEST_CASE("A power law's exponent is found exactly, and a scattered one within its interval") {
  const BenchExponent exact = fit_exponent({1, 2, 4, 8}, {3, 12, 48, 192});
  CHECK(exact.exponent == Approx(2));
  CHECK(exact.interval.high - exact.interval.low < 1e-6);
  // Slope of (0, 0), (1, 1), (2, 1) is 1/2; s^2 = 1/6, sxx = 2, t(1 degree, .975) = 12.7062.
  const double e = std::exp(1.0);
  const BenchExponent rough = fit_exponent({1, e, e * e}, {1, e, e});
  CHECK(rough.exponent == Approx(0.5));
  CHECK(rough.interval.high - 0.5 == Approx(12.7062 * std::sqrt(1.0 / 12)).epsilon(1e-4));
}

TEST_CASE("Busy rounds are left out, unless too few are quiet") {
  std::vector<BenchResult> results{timed(64, {1, 1, 1, 1, 9, 9})};
  results[0].rounds[4].cpu = 9;        // one of two threads was away
  results[0].rounds[5].fma = 89;       // the clock sank
  results[0].rounds[0].fma = 91;       // not by much
  results[0].rounds[1].bandwidth = 1;  // no matter to a forward pass
  mark_busy(results);
  CHECK(results[0].kept().size() == 4);
  CHECK(results[0].seconds() == 1);
  CHECK(results[0].peak_share() == Approx(0.5));
  std::vector<BenchResult> few{timed(64, {1, 3, 5})};
  few[0].rounds[0].fma = few[0].rounds[1].fma = 10;
  mark_busy(few);
  CHECK(few[0].kept().size() == 3);
  CHECK(few[0].seconds() == 3);
}

TEST_CASE("A small benchmark runs every phase and can be read back") {
  BenchRequest request;
  request.backends = {"{full: {cache: f16}}", "{infini: {segment: 16}}"};
  request.phases = {"forward", "backward", "forward_backward", "decode"};
  request.lengths = {"16", "32", "64"};
  request.head_sizes = {"8"};
  request.heads = 4;
  request.groups = {"2"};
  request.threads = {"1"};
  request.rounds = 1;
  const std::vector<BenchResult> results =
      measure(bench_cases(request), request, [](const std::string&) {});
  REQUIRE(results.size() == 24);
  for (const BenchResult& r : results) {
    INFO(r.c.name());
    CHECK(r.skipped.empty());
    CHECK(r.seconds() > 0);
    CHECK(r.peak_share() > 0);
    const bool halves = r.c.backend.find("f16") != std::string::npos;
    CHECK(r.error < (halves ? 4e-3 : 1e-5));
    if (r.gradient_error) CHECK(*r.gradient_error < (halves ? 2e-2 : 1e-4));
    CHECK(r.gradient_error.has_value() ==
          (r.c.phase == Phase::backward || r.c.phase == Phase::forward_backward));
    CHECK(r.scratch > 0);
    CHECK(r.tokens == (r.c.phase == Phase::decode ? 1 : r.c.length));
  }
  // Four flops a pair and element, one exponential; 16 * 17 / 2 pairs, four heads.
  CHECK(results[0].flops == 136 * 4 * (4 * 8 + 1));
  const std::vector<BenchExponent> fits = exponents(results);
  REQUIRE(fits.size() == 8);
  // Full attention's pairs at 16, 32 and 64 are 136, 528 and 2080.
  CHECK(fits[0].flops == Approx(std::log(2080.0 / 136) / std::log(4.0)).margin(1e-3));

  std::istringstream csv(bench_csv(results));
  std::string line;
  std::getline(csv, line);
  const auto commas = std::ranges::count(line, ',');
  CHECK(line.starts_with("backend,phase,length,"));
  std::getline(csv, line);
  CHECK(std::ranges::count(line, ',') == commas);

  const auto json = nlohmann::json::parse(bench_json(results));
  CHECK(json["context"]["num_cpus"].is_number());
  const auto& first = json["benchmarks"][0];
  CHECK(first["name"] == results[0].c.name());
  CHECK(first["run_type"] == "iteration");
  CHECK(first["real_time"].get<double>() == Approx(results[0].kept()[0]->seconds * 1e6));
  CHECK(bench_table(results).find("Time grows") != std::string::npos);
}

TEST_CASE("An Infini state weighs the same at a million tokens") {
  BenchRequest request;
  request.backends = {"{infini: {segment: 16}}"};
  request.phases = {"decode"};
  request.lengths = {"64", "1048576"};
  request.head_sizes = {"8"};
  request.heads = 1;
  request.rounds = 1;
  const auto results = measure(bench_cases(request), request, [](const std::string&) {});
  CHECK(results[0].state == results[1].state);
}

}  // namespace longreach::harness
