// Google Benchmark's JSON, for tools/compare.py and whatever else reads it: each timing with its
// repetitions. Fields: src/json_reporter.cc and tools/gbench/report.py of google/benchmark.
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "core/error.h"
#include "reports/columns.h"
#include "reports/report.h"
#include "reports/trained.h"

namespace longreach::reports {
namespace {

using Json = nlohmann::ordered_json;

/// Nanoseconds in a unit, 1e6 of "ms/token"; 0 for what is no time.
double nanoseconds(const std::string& unit) {
  static const std::map<std::string, double> known{{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};
  const auto found = known.find(unit.substr(0, unit.find('/')));
  return found == known.end() ? 0 : found->second;
}

/// "decode" of "latency/decode": what the samples call it.
std::string score_name(const std::string& metric) {
  return metric.substr(metric.find_last_of('/') + 1);
}

/// Cell id -> score -> one time a repetition.
using Repetitions = std::map<std::string, std::map<std::string, std::vector<double>>>;

Repetitions repetitions_of(const Rows<SampleRecord>& samples, const std::set<std::string>& cells) {
  Repetitions found;
  samples.each([&](const SampleRecord& sample) {
    if (!cells.contains(sample.cell_id)) return;
    for (const auto& [name, value] : sample.scores) found[sample.cell_id][name].push_back(value);
  });
  return found;
}

Json context_of(const std::string& title, const CellInfo& cell) {
  return {{"date", cell.started_at},
          {"host_name", ""},
          {"executable", "longreach run"},
          {"num_cpus", cell.threads.value_or(0)},
          {"caches", Json::array()},
          {"load_avg", Json::array()},
          {"library_build_type", "release"},
          {"experiment", title},
          {"cpu", cell.cpu},
          {"isa", cell.isa},
          {"machine", cell.machine},
          {"compiler", cell.compiler},
          {"flags", cell.flags},
          {"longreach_build", cell.build},
          {"note", "cpu_time repeats real_time: only wall time is recorded"}};
}

/// What every entry of one timing begins with.
struct Timing {
  std::string name;
  i64 threads, family, instance;
  std::size_t repetitions;

  /// Of so many nanoseconds: compare.py prints whole ones of whatever the unit is.
  Json entry(const std::string& suffix, const char* run_type, double time) const {
    return {
        {"name", name + suffix}, {"family_index", family}, {"per_family_instance_index", instance},
        {"run_name", name},      {"run_type", run_type},   {"repetitions", repetitions},
        {"threads", threads},    {"iterations", 1},        {"real_time", time},
        {"cpu_time", time},      {"time_unit", "ns"}};
  }
};

class GoogleBenchmark final : public Report {
 public:
  struct Params {
    void fields(Fields&) {}
  };
  explicit GoogleBenchmark(const Params&) {}

  std::string file_name() const override { return "benchmark.json"; }
  bool of_every_run() const override { return false; }
  bool tells_runs_apart() const override { return false; }

  void write(const Results& results, std::ostream& out) const override {
    Trained trained;
    std::set<std::string> cells, tasks;
    results.records.each([&](const Record& record) {
      if (nanoseconds(record.measurement.unit) == 0) return;
      cells.insert(record.cell.cell_id);
      tasks.insert(record.cell.task);
    });
    if (cells.empty()) {
      throw error("gbench: no record is a time; a task with the metric latency has some");
    }
    results.records.each([&](const Record& record) {
      if (tasks.contains(record.cell.task)) trained.add(record.cell);
    });
    const Repetitions repetitions = repetitions_of(results.samples, cells);
    Json root;
    root["context"] = context_of(results.title, {});
    root["benchmarks"] = Json::array();
    std::map<std::string, std::pair<i64, i64>> families;  // -> its index, instances so far
    results.records.each([&](const Record& record) {
      if (!tasks.contains(record.cell.task)) return;
      if (root["benchmarks"].empty()) root["context"] = context_of(results.title, record.cell);
      add(record, trained.name(record.cell), repetitions, families, root["benchmarks"]);
    });
    out << root.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
  }

 private:
  static void add(const Record& record, const std::string& model, const Repetitions& repetitions,
                  std::map<std::string, std::pair<i64, i64>>& families, Json& benchmarks) {
    const CellInfo& cell = record.cell;
    const Measurement& m = record.measurement;
    const bool failed = cell.status != Status::ok;
    const double scale = nanoseconds(m.unit);
    if (!failed && (scale == 0 || !m.value)) return;
    std::string family = fmt::format("{}/{}", model, cell.task);
    if (!m.metric.empty()) family += "/" + score_name(m.metric);
    if (!m.subtask.empty()) family += "/" + m.subtask;
    auto& [index, instances] =
        families.try_emplace(family, static_cast<i64>(families.size()), 0).first->second;
    std::vector<double> times;
    if (m.subtask.empty() && repetitions.contains(cell.cell_id)) {
      const auto& mine = repetitions.at(cell.cell_id);
      const auto found = mine.find(score_name(m.metric));
      if (found != mine.end()) times = found->second;
    }
    const Timing timing{.name = fmt::format("{}/{}", family, cell.context_length.value_or(0)),
                        .threads = cell.threads.value_or(1),
                        .family = index,
                        .instance = instances++,
                        .repetitions = failed ? 0 : times.size()};
    if (failed) {
      Json row = timing.entry("", "iteration", 0);
      row["error_occurred"] = true;
      row["error_message"] = fmt::format(
          "{}: {}", EnumNames<Status>::names[static_cast<std::size_t>(cell.status)], cell.reason);
      benchmarks.push_back(std::move(row));
      return;
    }
    for (std::size_t i = 0; i < times.size(); ++i) {
      Json row = timing.entry("", "iteration", times[i] * scale);
      row["repetition_index"] = i;
      benchmarks.push_back(std::move(row));
    }
    Json row = timing.entry("_median", "aggregate", *m.value * scale);
    row["aggregate_name"] = "median";
    row["aggregate_unit"] = "time";
    row["iterations"] = m.n.value_or(static_cast<i64>(times.size()));
    if (m.ci_low) row["ci_low"] = *m.ci_low * scale;
    if (m.ci_high) row["ci_high"] = *m.ci_high * scale;
    if (cell.state_bytes_measured) row["state_bytes"] = *cell.state_bytes_measured;
    benchmarks.push_back(std::move(row));
  }
};

const Registered<ReportRegistry, GoogleBenchmark> registered{
    "gbench", "Google Benchmark's JSON: every timing, with its repetitions"};

}  // namespace
}  // namespace longreach::reports
