// Results small enough to write down by hand what each format makes of them.
#pragma once

#include <string>
#include <vector>

#include "core/record.h"
#include "reports/report.h"

namespace longreach::reports {

struct Tiny {
  std::vector<Record> records;
  std::vector<SampleRecord> samples;
  std::vector<Curve> curves;

  Record& add(const std::string& backend, const std::string& task, i64 length,
              const std::string& metric, std::optional<double> value) {
    Record& record = records.emplace_back();
    CellInfo& cell = record.cell;
    cell.run_id = "tiny@2026-01-02T03:04:05Z";
    cell.cell_id = backend + task + std::to_string(length);
    cell.backend = cell.backend_type = backend;
    cell.model = "reader";
    cell.n_parameters = 1000;
    cell.weights_sha = "cafe";
    cell.task = task;
    cell.task_version = 3;
    cell.context_length = length;
    cell.seed = 7;
    cell.lr = 0.004;
    cell.threads = 2;
    cell.started_at = "2026-01-02T03:04:05Z";
    cell.wall_s = 1.5;
    record.measurement.metric = metric;
    record.measurement.unit = "1";
    record.measurement.value = value;
    record.measurement.protocol = "p/1";
    record.measurement.data_sha = "da7a";
    return record;
  }

  Record& score(const std::string& backend, i64 length, double value, double low, double high) {
    Record& record = add(backend, "find", length, "passkey/exact_match", value);
    Measurement& m = record.measurement;
    m.higher_is_better = true;
    m.ci_low = low;
    m.ci_high = high;
    m.ci_method = "wilson 0.95";
    m.n = 200;
    return record;
  }

  Record& without_result(const std::string& backend, const std::string& task, i64 length,
                         Status status, const std::string& reason) {
    Record& record = add(backend, task, length, "", {});
    record.cell.status = status;
    record.cell.reason = reason;
    record.measurement = {};
    return record;
  }

  /// A timing in ms with its repetitions.
  void timing(const std::string& backend, i64 length, double median,
              const std::vector<double>& repetitions) {
    Record& record = add(backend, "time", length, "latency/decode", median);
    record.measurement.unit = "ms/token";
    record.measurement.higher_is_better = false;
    record.measurement.n = static_cast<i64>(repetitions.size());
    for (const double one : repetitions) {
      SampleRecord& sample = samples.emplace_back();
      sample.cell_id = record.cell.cell_id;
      sample.scores = {{"decode", one}};
    }
  }

  /// Views this object.
  Results results() const { return {"tiny", "", "", "", records, samples, curves}; }
};

/// Two backends at two lengths, one of which ran out of memory.
inline Tiny tiny() {
  Tiny made;
  made.score("full", 512, 0.98, 0.95, 0.992);
  made.without_result("full", "find", 4096, Status::oom, "wanted 9 GiB");
  made.score("window", 512, 0.2, 0.15, 0.261);
  made.score("window", 4096, 0.185, 0.137, 0.245);
  return made;
}

/// Names that mean something to one format or another.
inline std::vector<std::string> hostile_names() {
  return {"<script>alert(1)</script>",
          "a|b",
          "a\\|b",
          "`code` ``two``",
          "*bold* _it_ [x](http://x.org) ![i](x)",
          "@octocat #1 https://x.org",
          "$x^2$ & 50% of #1 {~}",
          "\\input{/etc/passwd}",
          "\\end{tabular}",
          "two\nlines\r\nthree",
          "\"quoted\", 'single'",
          "[option]",
          "*",
          "-- --- << >> ?` !`",
          "caf\xc3\xa9 \xc3\x9f \xc3\x97",
          "\xe4\xb8\xad\xe6\x96\x87 \xf0\x9f\x98\x80",
          "bad\xff utf8",
          "=HYPERLINK(\"http://x.org\")",
          "../../etc/passwd",
          "",
          "."};
}

}  // namespace longreach::reports
