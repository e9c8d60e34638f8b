// Which cases a benchmark has: from flags, from a file, or both.
#include <algorithm>
#include <omp.h>
#include <set>

#include "core/error.h"
#include "core/units.h"
#include "harness/backend_text.h"
#include "harness/bench.h"
#include "harness/yaml_reader.h"

namespace longreach::harness {
namespace {

Phase phase_of(const std::string& where, const std::string& text) {
  constexpr auto& names = EnumNames<Phase>::names;
  const auto found = std::ranges::find(names, text);
  if (found != names.end()) return static_cast<Phase>(found - names.begin());
  throw error("{}: unknown phase '{}'{}", where, text,
              suggestion(text, std::vector<std::string>(names.begin(), names.end())));
}

std::vector<i64> numbers(const std::string& flag, const std::vector<std::string>& texts) {
  std::vector<i64> out;
  for (const std::string& text : texts) {
    const std::optional<i64> value = parse_integer(text, Unit::count);
    if (!value || *value < 1)
      throw error("{}: expected a whole number such as 4k, not '{}'", flag, text);
    out.push_back(*value);
  }
  return out;
}

/// A list of names or mappings, each back as text.
std::vector<std::string> texts_of(const YAML::Node& list, const std::string& where,
                                  Problems& problems) {
  std::vector<std::string> out;
  if (!list.IsDefined()) return out;
  if (!list.IsSequence()) {
    problems.add(fmt::format("{}: expected a list", where));
    return out;
  }
  for (const YAML::Node& item : list) {
    YAML::Emitter text;
    text << YAML::Flow << item;
    out.push_back(item.IsScalar() ? item.Scalar() : std::string(text.c_str()));
  }
  return out;
}

std::vector<BenchSweep> read_sweeps(const std::string& path) {
  const YAML::Node root = parse_yaml(read_configuration_file(path), path);
  const Source source{path, {}};
  Problems problems;
  YamlFields top(root, "", {source, problems});
  const YAML::Node list = top.claim("bench");
  top.finish();
  std::vector<BenchSweep> sweeps;
  if (!list.IsDefined() || !list.IsSequence() || list.size() == 0) {
    problems.add(fmt::format("{}: expected `bench`, a list of sweeps", path));
  } else {
    for (std::size_t i = 0; i < list.size(); ++i) {
      const std::string where = fmt::format("bench[{}]", i);
      BenchSweep sweep;
      YamlFields reader(list[i], where, {source, problems});
      sweep.backends = texts_of(reader.claim("backends"), source.place(list[i], where), problems);
      const YAML::Node phases = reader.claim("phases");
      if (phases.IsDefined()) sweep.phases.clear();
      for (const std::string& text : texts_of(phases, source.place(list[i], where), problems)) {
        sweep.phases.push_back(phase_of(source.place(list[i], where), text));
      }
      sweep.fields(reader);
      reader.finish();
      sweeps.push_back(std::move(sweep));
    }
  }
  problems.raise();
  return sweeps;
}

void override_with_flags(const BenchRequest& request, BenchSweep& sweep) {
  if (!request.backends.empty()) sweep.backends = request.backends;
  if (!request.phases.empty()) {
    sweep.phases.clear();
    for (const std::string& text : request.phases)
      sweep.phases.push_back(phase_of("--phases", text));
  }
  const auto replace = [](const char* flag, const std::vector<std::string>& with,
                          std::vector<i64>& list) {
    if (!with.empty()) list = numbers(flag, with);
  };
  replace("--lengths", request.lengths, sweep.lengths);
  replace("--head-sizes", request.head_sizes, sweep.head_sizes);
  replace("--groups", request.groups, sweep.groups);
  replace("--threads", request.threads, sweep.threads);
  if (request.heads) sweep.heads = *request.heads;
  if (request.batch) sweep.batch = *request.batch;
  if (sweep.backends.empty()) sweep.backends = attention::AttentionRegistry::instance().names();
  if (sweep.threads.empty()) sweep.threads = {omp_get_max_threads()};
}

/// Each case is timed for seconds.
void require_few(const BenchSweep& sweep, const std::string& file) {
  constexpr double kMostCases = 10000;
  double cases = 1;
  for (const std::size_t size :
       {sweep.backends.size(), sweep.phases.size(), sweep.lengths.size(), sweep.head_sizes.size(),
        sweep.groups.size(), sweep.threads.size()}) {
    cases *= static_cast<double>(size);
  }
  if (cases <= kMostCases) return;
  throw error("{}: a sweep of {:.4g} cases; at most {} are timed", file.empty() ? "bench" : file,
              cases, kMostCases);
}

}  // namespace

void BenchSweep::fields(Fields& f) {
  f("lengths", lengths, at_least(1, Unit::count), "tokens");
  f("head_sizes", head_sizes, at_least(2), "D");
  f("groups", groups, at_least(1), "query heads that share a key/value head");
  f("threads", threads, at_least(1), "OpenMP threads; all without");
  f("heads", heads, at_least(1), "query heads");
  f("batch", batch, at_least(1), "independent streams");
}

std::string BenchCase::name() const {
  return fmt::format("{}/{}/n:{}/d:{}/heads:{}/group:{}/batch:{}/threads:{}", backend,
                     EnumNames<Phase>::names[static_cast<std::size_t>(phase)], length, head_size,
                     heads, group, batch, threads);
}

std::vector<BenchCase> bench_cases(const BenchRequest& request) {
  std::vector<BenchSweep> sweeps{BenchSweep{}};
  if (!request.config.empty()) sweeps = read_sweeps(request.config);
  std::vector<BenchCase> cases;
  std::set<std::string> names;
  for (BenchSweep& sweep : sweeps) {
    override_with_flags(request, sweep);
    require_few(sweep, request.config);
    for (const std::string& backend : sweep.backends) {
      for (const i64 d : sweep.head_sizes) {
        for (const i64 group : sweep.groups) {
          if (sweep.heads % group != 0) {
            throw error("{} heads do not divide into groups of {}", sweep.heads, group);
          }
          make_backend("bench", backend, {sweep.heads, sweep.heads / group, d});  // or says why not
          for (const Phase phase : sweep.phases) {
            for (const i64 length : sweep.lengths) {
              for (const i64 threads : sweep.threads) {
                BenchCase c{backend, phase, length, d, sweep.heads, group, sweep.batch, threads};
                if (names.insert(c.name()).second) cases.push_back(std::move(c));
              }
            }
          }
        }
      }
    }
  }
  return cases;
}

}  // namespace longreach::harness
