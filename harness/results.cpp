// Turns a store into files and a summary.
#include "harness/results.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <map>
#include <tuple>

#include "core/atomic_file.h"
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

std::string interval_text(const Measurement& m) {
  if (!m.value) return "-";
  std::string text = fmt::format("{:.4g}", *m.value);
  if (m.ci_low && m.ci_high) text += fmt::format(" [{:.4g}, {:.4g}]", *m.ci_low, *m.ci_high);
  return m.unit.empty() || m.unit == "1" ? text : text + " " + m.unit;
}

/// Which metric leads each of a model's tasks.
std::map<std::string, std::string> leading_metrics(const std::vector<Measured>& cells,
                                                   const std::string& model) {
  std::map<std::string, std::vector<std::string>> seen;
  for (const Measured& cell : cells) {
    if (cell.info->model != model || cell.info->task == "training") continue;
    std::vector<std::string>& metrics = seen[cell.info->task];
    for (const Measurement& m : cell.measurements) {
      if (std::find(metrics.begin(), metrics.end(), m.metric) == metrics.end()) {
        metrics.push_back(m.metric);
      }
    }
  }
  std::map<std::string, std::string> leading;
  for (const auto& [task, metrics] : seen) {
    if (metrics.empty()) continue;
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

/// In the order in which their cells come.
class SummaryRows {
 public:
  SummaryRow& of(const CellInfo& info) {
    const i64 length = info.context_length.value_or(0);
    const std::string seed = info.seed ? fmt::format("{}", *info.seed) : "-";
    const std::string lr = info.lr ? fmt::format("{}", *info.lr) : "-";
    const auto [at, added] =
        places_.emplace(std::tuple(info.backend, length, seed, lr), rows_.size());
    if (added) rows_.push_back({info.backend, length, seed, lr, {}});
    return rows_[at->second];
  }
  const std::vector<SummaryRow>& all() const { return rows_; }

 private:
  std::vector<SummaryRow> rows_;
  std::map<std::tuple<std::string, i64, std::string, std::string>, std::size_t> places_;
};

std::string model_table(const std::vector<Measured>& measured, const std::string& model) {
  const std::map<std::string, std::string> leading = leading_metrics(measured, model);
  SummaryRows rows;
  for (const Measured& cell : measured) {
    const CellInfo& info = *cell.info;
    const auto lead = leading.find(info.task);
    if (info.model != model || lead == leading.end()) continue;
    if (info.status != Status::ok) {
      const auto status = EnumNames<Status>::names[static_cast<std::size_t>(info.status)];
      rows.of(info).cells[info.task] = std::string(status);
      continue;
    }
    for (const Measurement& m : cell.measurements) {
      // The pooled row comes first; those by subtask or depth follow.
      if (m.metric == lead->second) rows.of(info).cells.emplace(info.task, interval_text(m));
    }
  }
  if (rows.all().empty()) return "";
  std::vector<std::string> head{model, "length", "seed", "lr"};
  for (const auto& [task, metric] : leading) {
    head.push_back(metric.starts_with(task) ? metric : fmt::format("{}: {}", task, metric));
  }
  Table table(head);
  for (const SummaryRow& row : rows.all()) {
    std::vector<std::string> cells{row.backend, fmt::format("{}", row.length), row.seed, row.lr};
    for (const auto& [task, metric] : leading) {
      const auto found = row.cells.find(task);
      cells.push_back(found == row.cells.end() ? "-" : found->second);
    }
    table.add(cells);
  }
  return table.text() + "\n";
}

/// What comparisons and lengths are derived within: no sample of another is needed.
std::map<std::string, std::vector<std::size_t>> groups_of(const std::vector<Measured>& cells) {
  std::map<std::string, std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const CellInfo& info = *cells[i].info;
    groups[fmt::format("{}|{}|{}|{}", info.task, info.model, info.seed.value_or(0),
                       info.lr.value_or(0))]
        .push_back(i);
  }
  return groups;
}

/// Reads the samples of one group at a time.
std::vector<Derived> derive(const Store& store, std::vector<Measured>& cells) {
  StatisticsChoice statistics;
  visit_params(store.meta("statistics"), [&](Fields& f) { statistics.fields(f); });
  const i64 seed = parse_integer(store.meta("seed"), Unit::none).value_or(0);
  std::vector<Derived> derived;
  std::vector<Comparison> compared;
  for (const auto& [name, members] : groups_of(cells)) {
    std::vector<Measured> group;
    for (const std::size_t i : members) {
      group.push_back(std::move(cells[i]));
      group.back().samples = store.samples(group.back().info->cell_id);
    }
    std::ranges::move(derive_across_lengths(group, statistics, seed), std::back_inserter(derived));
    std::ranges::move(comparisons(group, statistics, seed), std::back_inserter(compared));
    for (std::size_t k = 0; k < members.size(); ++k) {
      group[k].samples = {};
      cells[members[k]] = std::move(group[k]);
    }
  }
  std::ranges::move(adjusted(std::move(compared), statistics.correction),
                    std::back_inserter(derived));
  return derived;
}

}  // namespace

StoredResults read_results(const Store& store) {
  StoredResults results{store, measured_cells(store), {}};
  results.derived = derive(store, results.cells);
  return results;
}

void StoredResults::each(const std::function<void(const Record&)>& use) const {
  Record record;
  for (const Measured& cell : cells) {
    record.cell = *cell.info;
    if (cell.measurements.empty()) {
      record.measurement = {};
      use(record);
    }
    for (const Measurement& measurement : cell.measurements) {
      record.measurement = measurement;
      use(record);
    }
  }
  for (const Derived& one : derived) {
    record.cell = *one.cell;
    record.measurement = one.measurement;
    use(record);
  }
}

WrittenReports write_reports(const StoredResults& found, const std::string& output) {
  const Store& store = found.store;
  const std::string manifest = manifest_text(store);
  const reports::Results results{
      .title = store.meta("name"),
      .configuration = store.meta("written"),
      .manifest = manifest,
      .command = store.meta("command"),
      .records = reports::Rows<Record>([&](const auto& use) { found.each(use); }),
      .samples = reports::Rows<SampleRecord>([&](const auto& use) { store.each_sample(use); }),
      .curves = reports::Rows<Curve>([&](const auto& use) { store.each_curve(use); })};
  WrittenReports written;
  const auto attempt = [&](const std::string& path, const auto& write) {
    try {
      write();
      written.paths.push_back(path);
    } catch (const Error& failure) {
      written.problems.push_back(failure.what());
    }
  };
  for (const auto& [name, entry] : reports::ReportRegistry::instance().entries()) {
    std::unique_ptr<reports::Report> report;
    visit_params("", [&](Fields& reader) { report = entry.make(reader); });
    const std::string path = (fs::path(output) / report->file_name()).string();
    attempt(path,
            [&] { replace_file(path, [&](std::ostream& out) { report->write(results, out); }); });
  }
  attempt((fs::path(output) / "manifest.json").string(), [&] { write_manifest(store, output); });
  return written;
}

std::string summary_table(const StoredResults& found) {
  std::vector<std::string> models;
  std::string problems;
  for (const Measured& cell : found.cells) {
    const CellInfo& info = *cell.info;
    if (std::find(models.begin(), models.end(), info.model) == models.end()) {
      models.push_back(info.model);
    }
    if (info.status == Status::ok) continue;
    const auto status = EnumNames<Status>::names[static_cast<std::size_t>(info.status)];
    problems += fmt::format("{}: {} {} {} {} {}: {}\n", status, info.cell_id, info.model,
                            info.backend, info.task, info.context_length.value_or(0), info.reason);
  }
  std::string text;
  for (const std::string& model : models) text += model_table(found.cells, model);
  return text + problems;
}

Verdict verdict(const Store& store) {
  Verdict result;
  for (const auto& [status, count] : store.statuses()) {
    result.all_ok &= status == "ok" || status == "not run";
    result.any_invalid |= status == "invalid";
  }
  return result;
}

}  // namespace longreach::harness
