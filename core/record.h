// A measurement, and the result row (cell x measurement) that every report and store reads.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/fields.h"
#include "core/tensor.h"

namespace longreach {

/// Raised when a column is dropped. Columns are only ever added: readers ignore those they do not
/// know, absent ones stay empty, and a column's name never changes its meaning.
inline constexpr i64 kSchemaVersion = 1;

enum class Status { ok, failed, oom, timeout, skipped, truncated, invalid };
template <>
struct EnumNames<Status> {
  static constexpr std::array<std::string_view, 7> names{
      "ok", "failed", "oom", "timeout", "skipped", "truncated", "invalid"};
};

/// One number with all that is needed to quote it. Absent numbers stay empty, never NaN.
struct Measurement {
  std::string metric;  ///< "perplexity/bits_per_byte", "passkey/exact_match"
  std::string unit;    ///< "bits/byte", "1", "ms", "bytes"
  std::optional<bool> higher_is_better;
  std::optional<double> value;
  std::optional<i64> n;  ///< independent units (documents, blocks, samples, repetitions)
  std::optional<double> standard_error;
  std::optional<double> ci_low, ci_high;
  std::string ci_method;  ///< "wilson 0.95", "bootstrap 0.95 over 40 blocks, 2000 resamples"
  std::optional<double> chance;
  /// Of a comparison (with the baseline, without a part): p of its test, p adjusted for all tests
  /// of its family (how, says ci_method), and the smallest true difference found with power 0.8.
  std::optional<double> p_value = {}, p_adjusted = {}, detectable = {};
  std::optional<i64> n_truncated;
  std::string subtask;   ///< what else tells rows of one metric apart ("digit", "decode@4096")
  std::string protocol;  ///< "ppl/1:ctx=1024:stride=512:score=tail:unit=token"
  std::optional<double> depth;     ///< per cent of the filler before the evidence
  std::optional<double> distance;  ///< tokens from evidence to answer (mean when pooled)
  std::optional<double> segments_crossed;
  std::string data_sha;  ///< content hash of the samples read
};

/// One cell's identity, circumstances and outcome; the same for each of its rows.
struct CellInfo {
  std::string run_id, cell_id;
  std::optional<i64> schema_version = kSchemaVersion;
  Status status = Status::ok;
  std::string reason;
  std::string backend;         ///< the user's name for it
  std::string backend_type;    ///< the registered name
  std::string backend_params;  ///< canonical
  bool baseline = false;
  std::string model, weights_sha, tokenizer_sha;
  std::optional<i64> n_parameters;
  std::string task;
  std::optional<i64> task_version, context_length, seed;
  std::optional<double> lr;
  std::optional<i64> state_bytes_analytic, state_bytes_measured;
  std::optional<double> flops;
  std::string build, compiler, flags, cpu, isa;
  /// Hash of what timings depend on besides the build: cpu, isa, cores, caches, memory. Timings of
  /// unlike machines are never merged.
  std::string machine;
  std::optional<i64> threads;
  std::string started_at;  ///< ISO 8601, UTC
  std::optional<double> wall_s;
  std::optional<i64> peak_bytes;  ///< most memory that the cell's process had resident
  std::optional<i64> attempt;     ///< 1 for the first time that this cell was run
  /// What the plan expected of wall_s and peak_bytes.
  std::optional<double> predicted_s;
  std::optional<i64> predicted_bytes;
};

/// One row of records.csv.
struct Record {
  CellInfo cell;
  Measurement measurement;

  /// Calls visit(name, field) for every column in order. Fields are std::string, bool, Status,
  /// std::optional of bool, i64 or double.
  template <class Visit>
  void columns(Visit&& visit) {
    columns_of(*this, visit);
  }
  template <class Visit>
  void columns(Visit&& visit) const {
    columns_of(*this, visit);
  }

 private:
  template <class Self, class Visit>
  static void columns_of(Self& self, Visit&& visit) {
    auto& c = self.cell;
    auto& m = self.measurement;
    visit("run_id", c.run_id);
    visit("cell_id", c.cell_id);
    visit("schema_version", c.schema_version);
    visit("status", c.status);
    visit("reason", c.reason);
    visit("backend", c.backend);
    visit("backend_type", c.backend_type);
    visit("backend_params", c.backend_params);
    visit("baseline", c.baseline);
    visit("model", c.model);
    visit("n_params", c.n_parameters);
    visit("weights_sha", c.weights_sha);
    visit("tokenizer_sha", c.tokenizer_sha);
    visit("task", c.task);
    visit("subtask", m.subtask);
    visit("task_version", c.task_version);
    visit("data_sha", m.data_sha);
    visit("protocol", m.protocol);
    visit("context_length", c.context_length);
    visit("depth", m.depth);
    visit("distance", m.distance);
    visit("segments_crossed", m.segments_crossed);
    visit("seed", c.seed);
    visit("lr", c.lr);
    visit("metric", m.metric);
    visit("unit", m.unit);
    visit("higher_is_better", m.higher_is_better);
    visit("value", m.value);
    visit("n", m.n);
    visit("stderr", m.standard_error);
    visit("ci_low", m.ci_low);
    visit("ci_high", m.ci_high);
    visit("ci_method", m.ci_method);
    visit("chance", m.chance);
    visit("p_value", m.p_value);
    visit("p_adjusted", m.p_adjusted);
    visit("detectable", m.detectable);
    visit("n_truncated", m.n_truncated);
    visit("state_bytes_analytic", c.state_bytes_analytic);
    visit("state_bytes_measured", c.state_bytes_measured);
    visit("flops", c.flops);
    visit("build", c.build);
    visit("compiler", c.compiler);
    visit("flags", c.flags);
    visit("cpu", c.cpu);
    visit("isa", c.isa);
    visit("threads", c.threads);
    visit("started_at", c.started_at);
    visit("wall_s", c.wall_s);
    visit("machine", c.machine);
    visit("peak_bytes", c.peak_bytes);
    visit("attempt", c.attempt);
    visit("predicted_s", c.predicted_s);
    visit("predicted_bytes", c.predicted_bytes);
  }
};

/// The outcome of one frozen sample, or of one of its questions: a line of samples.jsonl.
/// Comparisons pair equal hashes, those of one cluster as one unit.
struct SampleRecord {
  std::string cell_id;  ///< filled in by the harness
  i64 index = 0;
  /// Hash of what was read and asked: equal across backends. Repetitions of a timing have none.
  std::string sample_sha;
  std::string target, output;
  /// For people: what of the text before the answer it hangs on, and how that text ends; "": none.
  std::string excerpt = {};
  std::vector<std::pair<std::string, double>> scores;  ///< "exact_match" -> 1
  std::optional<double> depth, distance, segments_crossed;
  /// Records of one cluster are not independent: questions about one sample have its hash here.
  /// "": a cluster of its own.
  std::string cluster = {};
};

/// A series of points such as a training curve, kept beside the records.
struct Curve {
  std::string cell_id;               ///< filled in by the harness
  std::string name, x_unit, y_unit;  ///< "training/loss", "tokens", "nats/token"
  std::vector<double> x, y;
  std::string series = {};  ///< what tells one cell's curves of this name apart: "layer 0 head 3"
};

/// What one cell found.
struct Findings {
  std::vector<Measurement> measurements;
  std::vector<SampleRecord> samples;
  std::vector<Curve> curves;
};

}  // namespace longreach
