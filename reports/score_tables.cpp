// Puts records together as tables of backends by context length.
#include "reports/score_tables.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "core/error.h"
#include "core/units.h"
#include "reports/main_scores.h"

namespace longreach::reports {
namespace {

/// A pooled score, or that a cell has none, with what it is told apart by.
struct Entry {
  std::string metric = {}, unit = {};
  std::optional<bool> higher_is_better = {};
  std::string cell_id, run_id, backend;
  std::optional<i64> seed, length;
  std::optional<double> lr;
  Score score;
};

/// One model's task.
struct Task {
  std::string model, name;
  std::vector<Entry> entries;  ///< of cells that are not ok one each, without a metric
  std::vector<std::string> metrics;
};

bool is_pooled(const Measurement& m) { return m.subtask.empty() && !m.depth; }

Entry entry_of(const Record& record) {
  const CellInfo& c = record.cell;
  const Measurement& m = record.measurement;
  Entry entry{.cell_id = c.cell_id,
              .run_id = c.run_id,
              .backend = c.backend,
              .seed = c.seed,
              .length = c.context_length,
              .lr = c.lr,
              .score = {.status = c.status}};
  if (c.status != Status::ok) return entry;
  entry.metric = m.metric;
  entry.unit = m.unit;
  entry.higher_is_better = m.higher_is_better;
  entry.score = {c.status, m.value, m.ci_low, m.ci_high, m.n, m.ci_method};
  return entry;
}

std::vector<Task> tasks_of(const Rows<Record>& records) {
  std::vector<Task> tasks;
  std::map<std::pair<std::string, std::string>, std::size_t> places;
  records.each([&](const Record& record) {
    const bool ok = record.cell.status == Status::ok;
    if (ok && (record.measurement.metric.empty() || !is_pooled(record.measurement))) return;
    const auto [at, added] =
        places.emplace(std::pair(record.cell.model, record.cell.task), tasks.size());
    if (added) tasks.push_back({record.cell.model, record.cell.task, {}, {}});
    Task& task = tasks[at->second];
    const bool told = !ok && !task.entries.empty() &&
                      task.entries.back().cell_id == record.cell.cell_id &&
                      task.entries.back().run_id == record.cell.run_id;
    if (!told) task.entries.push_back(entry_of(record));
    const std::string& metric = record.measurement.metric;
    if (ok && std::ranges::find(task.metrics, metric) == task.metrics.end()) {
      task.metrics.push_back(metric);
    }
  });
  return tasks;
}

/// What a backend's rows may differ in.
std::vector<std::string> run_parts(const Entry& entry) {
  return {entry.seed ? fmt::format("seed {}", *entry.seed) : "",
          entry.lr ? fmt::format("lr {}", *entry.lr) : "", entry.run_id};
}

/// Which of those parts tell rows apart: those of which some backend has several, and the run only
/// where two scores would share a place.
std::vector<bool> telling_parts(const std::vector<const Entry*>& entries) {
  std::map<std::string, std::vector<std::set<std::string>>> seen;
  std::map<std::tuple<std::string, std::string, std::string, std::optional<i64>>, const Entry*>
      places;
  bool clash = false;
  for (const Entry* entry : entries) {
    const std::vector<std::string> parts = run_parts(*entry);
    std::vector<std::set<std::string>>& mine = seen[entry->backend];
    mine.resize(parts.size());
    for (std::size_t i = 0; i < parts.size(); ++i) mine[i].insert(parts[i]);
    const auto [at, added] =
        places.emplace(std::tuple(entry->backend, parts[0], parts[1], entry->length), entry);
    clash |= !added && at->second->run_id != entry->run_id;
  }
  std::vector<bool> telling(3);
  for (const auto& [backend, mine] : seen) {
    for (std::size_t i = 0; i < mine.size(); ++i) telling[i] = telling[i] || mine[i].size() > 1;
  }
  telling[2] = clash;
  return telling;
}

std::string run_text(const Entry& entry, const std::vector<bool>& telling) {
  std::vector<std::string> told;
  const std::vector<std::string> parts = run_parts(entry);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (telling[i] && !parts[i].empty()) told.push_back(parts[i]);
  }
  return fmt::format("{}", fmt::join(told, ", "));
}

ScoreTable table_of(const Task& task, const std::string& metric) {
  std::vector<const Entry*> entries;
  std::set<std::optional<i64>> lengths;
  for (const Entry& entry : task.entries) {
    if (entry.score.status == Status::ok && entry.metric != metric) continue;
    entries.push_back(&entry);
    lengths.insert(entry.length);
  }
  ScoreTable table{.model = task.model, .task = task.name, .metric = metric};
  table.lengths.assign(lengths.begin(), lengths.end());
  const std::vector<bool> telling = telling_parts(entries);
  for (const Entry* entry : entries) {
    if (entry->score.status == Status::ok) {
      table.unit = entry->unit;
      table.higher_is_better = entry->higher_is_better;
    }
    const std::string run = run_text(*entry, telling);
    auto row = std::ranges::find_if(table.rows, [&](const ScoreTable::Row& one) {
      return one.backend == entry->backend && one.run == run;
    });
    if (row == table.rows.end()) {
      row = table.rows.insert(row, {entry->backend, run, {}});
      row->scores.resize(table.lengths.size());
    }
    const auto column = std::ranges::find(table.lengths, entry->length) - table.lengths.begin();
    auto& place = row->scores[static_cast<std::size_t>(column)];
    if (!place) place = entry->score;
  }
  return table;
}

/// Digits before the point, less one: 2 for 512, -2 for .05.
int magnitude(double value) { return static_cast<int>(std::floor(std::log10(std::abs(value)))); }

}  // namespace

std::optional<i64> ScoreTable::common_n() const {
  std::set<std::optional<i64>> seen;
  for (const Row& row : rows) {
    for (const auto& score : row.scores) {
      if (score && score->value) seen.insert(score->n);
    }
  }
  return seen.size() == 1 ? *seen.begin() : std::nullopt;
}

std::vector<std::string> ScoreTable::methods() const {
  std::vector<std::string> seen;
  for (const Row& row : rows) {
    for (const auto& score : row.scores) {
      if (!score || !score->value || (!score->ci_low && !score->ci_high)) continue;
      const std::string method = score->ci_method.substr(0, score->ci_method.find(" over "));
      if (std::ranges::find(seen, method) == seen.end()) seen.push_back(method);
    }
  }
  return seen;
}

int ScoreTable::decimals() const {
  constexpr int most = 6;
  std::vector<double> halves, values;
  bool whole = true;
  for (const Row& row : rows) {
    for (const auto& score : row.scores) {
      if (!score || !score->value) continue;
      const double value = *score->value;
      whole &= value == std::round(value);
      if (value != 0) values.push_back(std::abs(value));
      if (!score->ci_low || !score->ci_high) continue;
      const double half = (*score->ci_high - *score->ci_low) / 2;
      if (half > 0) halves.push_back(half);
    }
  }
  if (!halves.empty()) {
    std::ranges::nth_element(halves, halves.begin() + std::ssize(halves) / 2);
    const int wanted = 1 - magnitude(halves[halves.size() / 2]);
    return wanted > most ? -1 : std::max(wanted, 0);
  }
  if (whole || values.empty()) return 0;
  const int wanted = 3 - magnitude(*std::ranges::min_element(values));
  return wanted > most ? -1 : std::max(wanted, 0);
}

std::vector<ScoreTable> score_tables(const Rows<Record>& records, Scores which) {
  std::vector<ScoreTable> tables;
  for (const Task& task : tasks_of(records)) {
    std::vector<std::string> metrics = task.metrics;
    if (which == Scores::main || metrics.empty()) {
      metrics = {main_score(task.name, task.metrics)};
    }
    for (const std::string& metric : metrics) tables.push_back(table_of(task, metric));
  }
  return tables;
}

std::string number_text(double value, int decimals) {
  if (decimals < 0) return fmt::format("{:.3g}", value);
  const std::string text = fmt::format("{:.{}f}", value, decimals);
  return text.find_first_not_of("-0.") == std::string::npos && text.starts_with('-')
             ? text.substr(1)  // no number is -0.00
             : text;
}

std::string length_text(const std::optional<i64>& length) {
  return length ? format_count(*length) : "";
}

}  // namespace longreach::reports
