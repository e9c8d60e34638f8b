// `longreach bench`: backends timed on their own, beside what the machine can do.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/fields.h"
#include "metrics/statistics.h"

namespace longreach::harness {

/// What one timing covers: a chunk of N tokens from an empty state; its gradient; both; or single
/// tokens after N others.
enum class Phase { forward, backward, forward_backward, decode };

/// Every combination of the lists is one case. Heads are query heads; a group of g of them shares
/// one key/value head.
struct BenchSweep {
  std::vector<std::string> backends;  ///< as make_backend takes them
  std::vector<Phase> phases{Phase::forward};
  std::vector<i64> lengths{1024, 2048, 4096}, head_sizes{64}, groups{1}, threads;
  i64 heads = 8, batch = 1;
  void fields(Fields& f);
};

struct BenchRequest {
  std::string config;  ///< YAML with a list `bench`; "" uses the flags alone
  std::vector<std::string> backends, phases, lengths, head_sizes, groups, threads;
  std::optional<i64> heads, batch;
  i64 rounds = 9, seed = 1;
  std::string json, csv;  ///< files to write, or ""
};

struct BenchCase {
  std::string backend;
  Phase phase;
  i64 length, head_size, heads, group, batch, threads;
  std::string name() const;  ///< "full/forward/n:1024/d:64/heads:8/group:1/batch:1/threads:2"
};

/// One visit to a case, with the probes taken just before and after it averaged.
struct BenchRound {
  double seconds = 0;  ///< of one call
  double cpu = 0;      ///< CPU seconds of one call, all threads
  i64 calls = 0;
  double fma = 0, bandwidth = 0;  ///< FLOP/s, bytes/s
  bool busy = false;
};

struct BenchResult {
  BenchCase c;
  std::string skipped;  ///< why nothing was timed, or ""
  std::vector<BenchRound> rounds;
  double flops = 0, bytes = 0;  ///< of one call, as the backend declares
  i64 tokens = 0;               ///< of one call, all streams
  i64 scratch = 0, state = 0;   ///< bytes; state of all streams
  double error = 0;             ///< against the float64 reference
  std::optional<double> gradient_error;

  // Over the rounds kept (all, when too few were quiet).
  std::vector<const BenchRound*> kept() const;
  double seconds() const;
  metrics::Interval interval() const;
  double peak_share() const;       ///< of the FMA peak; median over rounds
  double bandwidth_share() const;  ///< of the read bandwidth; median over rounds
};

/// Time ~ length^exponent over one line of cases that differ in nothing else.
struct BenchExponent {
  std::string line;
  double exponent = 0;
  metrics::Interval interval;  ///< 95%, Student's t of the least-squares slope
  double flops = 0;            ///< the exponent of the declared FLOP over the same lengths
  i64 lengths = 0;
};

/// Least squares of log y over log x, at least three points.
BenchExponent fit_exponent(const std::vector<double>& x, const std::vector<double>& y);
std::vector<BenchExponent> exponents(const std::vector<BenchResult>& results);

/// Marks rounds whose CPU share fell below .95 of the case's best, or whose probes sank below .9 of
/// the best seen with as many threads.
void mark_busy(std::vector<BenchResult>& results);

std::vector<BenchCase> bench_cases(const BenchRequest& request);
std::vector<BenchResult> measure(const std::vector<BenchCase>& cases, const BenchRequest& request,
                                 const std::function<void(const std::string&)>& progress);

std::string bench_table(const std::vector<BenchResult>& results,
                        std::size_t columns = std::string::npos);
std::string bench_csv(const std::vector<BenchResult>& results);
/// As Google Benchmark writes it, so that its compare.py reads it.
std::string bench_json(const std::vector<BenchResult>& results);

/// All of it: prints the table, writes the files.
void bench(const BenchRequest& request, const std::function<void(const std::string&)>& print);

}  // namespace longreach::harness

namespace longreach {
template <>
struct EnumNames<harness::Phase> {
  static constexpr std::array<std::string_view, 4> names{"forward", "backward", "forward_backward",
                                                         "decode"};
};
}  // namespace longreach
