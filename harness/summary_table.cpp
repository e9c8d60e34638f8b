// Every setting with the main score of every task, as a table.
#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

#include "core/error.h"
#include "harness/summary.h"
#include "harness/table.h"
#include "harness/terminal.h"
#include "reports/main_scores.h"

namespace longreach::harness {
namespace {

std::string interval_text(const Measurement& m) {
  if (!m.value) return "-";
  std::string text = fmt::format("{:.4g}", *m.value);
  if (m.ci_low && m.ci_high) text += fmt::format(" [{:.4g}, {:.4g}]", *m.ci_low, *m.ci_high);
  return text;
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
    if (!metrics.empty()) leading[task] = reports::main_score(task, metrics);
  }
  return leading;
}

struct SummaryRow {
  std::string backend;
  i64 length = 0;
  std::string seed, lr;
  std::map<std::string, std::string> cells{};  ///< task -> text
};

/// Backends in the order in which their cells come, and lengths ascending.
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
  std::vector<SummaryRow> sorted() const {
    std::map<std::string, std::size_t> order;
    for (const SummaryRow& row : rows_) order.emplace(row.backend, order.size());
    std::vector<SummaryRow> rows = rows_;
    std::ranges::stable_sort(rows, {}, [&order](const SummaryRow& row) {
      return std::pair(order.at(row.backend), row.length);
    });
    return rows;
  }

 private:
  std::vector<SummaryRow> rows_;
  std::map<std::tuple<std::string, i64, std::string, std::string>, std::size_t> places_;
};

/// Whether a column tells rows apart.
bool differ(const std::vector<SummaryRow>& rows, std::string SummaryRow::*column) {
  return std::ranges::any_of(rows,
                             [&](const SummaryRow& row) { return row.*column != rows[0].*column; });
}

std::string model_table(const std::vector<Measured>& measured, const std::string& model,
                        std::size_t columns) {
  const std::map<std::string, std::string> leading = leading_metrics(measured, model);
  SummaryRows rows;
  std::map<std::string, std::string> units;
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
      if (m.metric != lead->second) continue;
      rows.of(info).cells.emplace(info.task, interval_text(m));
      units[info.task] = m.unit;
    }
  }
  const std::vector<SummaryRow> all = rows.sorted();
  if (all.empty()) return "";
  const bool seeds = differ(all, &SummaryRow::seed), rates = differ(all, &SummaryRow::lr);
  std::vector<std::string> head{model, "length"};
  if (seeds) head.emplace_back("seed");
  if (rates) head.emplace_back("lr");
  const std::size_t keys = head.size();
  for (const auto& [task, metric] : leading) {
    std::string name = metric.starts_with(task) ? metric : fmt::format("{}\n{}", task, metric);
    head.push_back(with_unit(std::move(name), units[task], '\n'));
  }
  std::vector<std::size_t> numbers(head.size() - 1);
  std::iota(numbers.begin(), numbers.end(), std::size_t{1});
  Table table(head, numbers);
  for (const SummaryRow& row : all) {
    std::vector<std::string> cells{row.backend, fmt::format("{}", row.length)};
    if (seeds) cells.push_back(row.seed);
    if (rates) cells.push_back(row.lr);
    for (const auto& [task, metric] : leading) {
      const auto found = row.cells.find(task);
      cells.push_back(found == row.cells.end() ? "-" : found->second);
    }
    table.add(cells);
  }
  return table.text(columns, keys) + "\n";
}

}  // namespace

std::string summary_table(const StoredResults& found, std::size_t columns) {
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
  for (const std::string& model : models) text += model_table(found.cells, model, columns);
  return text + printable(problems, "\n");
}

}  // namespace longreach::harness
