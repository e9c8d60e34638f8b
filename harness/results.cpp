// Turns a store into files and a summary.
#include "harness/results.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "core/error.h"
#include "harness/across_lengths.h"
#include "harness/comparison.h"
#include "harness/manifest.h"
#include "harness/table.h"
#include "reports/report.h"

namespace longreach::harness {
namespace {

namespace fs = std::filesystem;

/// What to show of a task in the summary: the first of these that it measured, else its first.
constexpr std::array<std::string_view, 7> kLeading{
    "perplexity/bits_per_byte", "perplexity/token", "passkey/exact_match", "utilization/efficiency",
    "utilization/gain",         "latency/decode",   "memory/state"};

/// Calls `write` on a temporary beside `path`, which then replaces it.
template <class Write>
void replace_file(const std::string& path, const Write& write) {
  const std::string temporary = path + ".new";
  const auto refuse = [&](const std::string& reason) {
    std::error_code ignored;
    fs::remove(temporary, ignored);
    return error("{}: cannot be written ({}); check its folder and the disk's free space", path,
                 reason);
  };
  errno = 0;
  std::ofstream out(temporary, std::ios::binary);
  if (!out) throw refuse(std::strerror(errno));
  write(out);
  out.close();
  if (!out) throw refuse(errno != 0 ? std::strerror(errno) : "write error");
  std::error_code failure;
  fs::rename(temporary, path, failure);
  if (failure) throw refuse(failure.message());
}

std::string interval_text(const Measurement& m) {
  if (!m.value) return "-";
  std::string text = fmt::format("{:.4g}", *m.value);
  if (m.ci_low && m.ci_high) text += fmt::format(" [{:.4g}, {:.4g}]", *m.ci_low, *m.ci_high);
  return m.unit.empty() || m.unit == "1" ? text : text + " " + m.unit;
}

/// Which metric leads each of a model's tasks.
std::map<std::string, std::string> leading_metrics(const std::vector<Record>& records,
                                                   const std::string& model) {
  std::map<std::string, std::vector<std::string>> seen;
  for (const Record& record : records) {
    const bool measured = record.cell.model == model && record.cell.task != "training";
    if (measured && !record.measurement.metric.empty()) {
      seen[record.cell.task].push_back(record.measurement.metric);
    }
  }
  std::map<std::string, std::string> leading;
  for (const auto& [task, metrics] : seen) {
    leading[task] = metrics[0];
    for (const std::string_view name : kLeading) {
      const auto found = std::find(metrics.begin(), metrics.end(), name);
      if (found == metrics.end()) continue;
      leading[task] = *found;
      break;
    }
  }
  return leading;
}

struct SummaryRow {
  std::string backend;
  i64 length = 0;
  std::string seed, lr;
  std::map<std::string, std::string> cells;  ///< task -> text
};

SummaryRow& row_of(std::vector<SummaryRow>& rows, const CellInfo& info) {
  const i64 length = info.context_length.value_or(0);
  const std::string seed = info.seed ? fmt::format("{}", *info.seed) : "-";
  const std::string lr = info.lr ? fmt::format("{}", *info.lr) : "-";
  for (SummaryRow& row : rows) {
    if (row.backend == info.backend && row.length == length && row.seed == seed && row.lr == lr) {
      return row;
    }
  }
  rows.push_back({info.backend, length, seed, lr, {}});
  return rows.back();
}

std::string model_table(const std::vector<Record>& records, const std::string& model) {
  const std::map<std::string, std::string> leading = leading_metrics(records, model);
  std::vector<SummaryRow> rows;
  for (const Record& record : records) {
    const CellInfo& info = record.cell;
    const auto lead = leading.find(info.task);
    if (info.model != model || lead == leading.end()) continue;
    if (info.status != Status::ok) {
      const auto status = EnumNames<Status>::names[static_cast<std::size_t>(info.status)];
      row_of(rows, info).cells[info.task] = std::string(status);
    } else if (record.measurement.metric == lead->second) {
      // The pooled row comes first; those by subtask or depth follow.
      row_of(rows, info).cells.emplace(info.task, interval_text(record.measurement));
    }
  }
  if (rows.empty()) return "";
  std::vector<std::string> head{model, "length", "seed", "lr"};
  for (const auto& [task, metric] : leading) {
    head.push_back(metric.starts_with(task) ? metric : fmt::format("{}: {}", task, metric));
  }
  Table table(head);
  for (const SummaryRow& row : rows) {
    std::vector<std::string> cells{row.backend, fmt::format("{}", row.length), row.seed, row.lr};
    for (const auto& [task, metric] : leading) {
      const auto found = row.cells.find(task);
      cells.push_back(found == row.cells.end() ? "-" : found->second);
    }
    table.add(cells);
  }
  return table.text() + "\n";
}

}  // namespace

std::vector<std::string> write_reports(const Store& store, const std::string& output) {
  Stored stored = store.read();
  StatisticsChoice statistics;
  visit_params(store.meta("statistics"), [&](Fields& f) { statistics.fields(f); });
  const i64 seed = parse_integer(store.meta("seed"), Unit::none).value_or(0);
  std::vector<Record> derived = derive_across_lengths(stored, statistics, seed);
  std::ranges::move(compare_to_baseline(stored, statistics, seed), std::back_inserter(derived));
  std::ranges::move(derived, std::back_inserter(stored.records));

  const std::string manifest = manifest_text(store);
  const reports::Results results{.title = store.meta("name"),
                                 .configuration = store.meta("written"),
                                 .manifest = manifest,
                                 .command = store.meta("command"),
                                 .records = stored.records,
                                 .samples = stored.samples,
                                 .curves = stored.curves};
  std::vector<std::string> paths;
  for (const auto& [name, entry] : reports::ReportRegistry::instance().entries()) {
    std::unique_ptr<reports::Report> report;
    visit_params("", [&](Fields& reader) { report = entry.make(reader); });
    paths.push_back((fs::path(output) / report->file_name()).string());
    replace_file(paths.back(), [&](std::ostream& out) { report->write(results, out); });
  }
  paths.push_back(write_manifest(store, output));
  return paths;
}

std::string summary_table(const Store& store) {
  const Stored stored = store.read();
  std::vector<std::string> models;
  std::string problems;
  for (const Record& record : stored.records) {
    const CellInfo& info = record.cell;
    if (std::find(models.begin(), models.end(), info.model) == models.end()) {
      models.push_back(info.model);
    }
    if (info.status == Status::ok) continue;
    const auto status = EnumNames<Status>::names[static_cast<std::size_t>(info.status)];
    const std::string line =
        fmt::format("{}: {} {} {} {} {}: {}\n", status, info.cell_id, info.model, info.backend,
                    info.task, info.context_length.value_or(0), info.reason);
    if (problems.find(line) == std::string::npos) problems += line;
  }
  std::string text;
  for (const std::string& model : models) text += model_table(stored.records, model);
  return text + problems;
}

Verdict verdict(const Store& store) {
  Verdict result;
  for (const std::string& id : store.plan()) {
    const std::optional<CellInfo> info = store.find(id);
    if (!info) continue;
    result.all_ok &= info->status == Status::ok;
    result.any_invalid |= info->status == Status::invalid;
  }
  return result;
}

}  // namespace longreach::harness
