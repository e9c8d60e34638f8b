// Whether two runs found the same.
#include "harness/equality.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <span>

#include "core/error.h"
#include "reports/columns.h"

namespace longreach::harness {
namespace {

constexpr std::array<std::string_view, 7> kTimesColumns{
    "run_id", "started_at", "wall_s", "peak_bytes", "attempt", "predicted_s", "predicted_bytes"};

/// Names begin with one of these: what is derived of a metric ("latency/decode_difference") too.
constexpr std::array<std::string_view, 4> kTimesMetrics{
    "latency/", "memory/peak_rss", "training/tokens_per_second", "training/mfu"};

/// Of a measurement made of times: how often it was taken depends on how long it took. Whether
/// there is a value at all is compared.
constexpr std::array<std::string_view, 9> kNumbers{"n",          "stderr",     "ci_low",
                                                   "ci_high",    "ci_method",  "p_value",
                                                   "p_adjusted", "detectable", "value"};

bool among(std::string_view name, std::span<const std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

/// A row as names and texts, which two rows that are equal to the bit share.
using Row = std::vector<std::pair<std::string, std::string>>;

Row row_of(const Record& record) {
  const bool times = times_metric(record.measurement.metric);
  Row row;
  for (const reports::Column& column : reports::columns(record)) {
    std::string text = reports::to_text(column.value);
    if (times_column(column.name)) continue;
    if (times && among(column.name, kNumbers)) {
      if (column.name != "value") continue;
      text = text.empty() ? "none" : "some";
    }
    row.emplace_back(column.name, text);
  }
  return row;
}

Row row_of(const SampleRecord& sample) {
  const auto number = [](const std::optional<double>& value) {
    return value ? fmt::format("{}", *value) : "";
  };
  Row row{{"index", fmt::format("{}", sample.index)},
          {"sample_sha", sample.sample_sha},
          {"target", sample.target},
          {"output", sample.output},
          {"depth", number(sample.depth)},
          {"distance", number(sample.distance)},
          {"segments_crossed", number(sample.segments_crossed)},
          {"cluster", sample.cluster},
          {"excerpt", sample.excerpt}};
  for (const auto& [name, value] : sample.scores) row.emplace_back(name, fmt::format("{}", value));
  return row;
}

Row row_of(const Curve& curve) {
  const auto axis = [](const std::string& unit, const std::vector<double>& values) {
    const bool times = unit == "s" || unit.ends_with("/s");
    return times ? fmt::format("{} points", values.size())
                 : fmt::format("{}", fmt::join(values, " "));
  };
  return {{"curve", curve.name},
          {"series", curve.series},
          {"x_unit", curve.x_unit},
          {"y_unit", curve.y_unit},
          {"x", axis(curve.x_unit, curve.x)},
          {"y", axis(curve.y_unit, curve.y)}};
}

/// One cell's rows, each with what people call it.
struct Cell {
  std::string name;
  std::vector<std::pair<std::string, Row>> rows;
  std::set<std::string> timed;  ///< what repetitions were timed of
};

std::map<std::string, Cell> cells_of(const Stored& stored) {
  std::map<std::string, Cell> cells;
  for (const Record& record : stored.records) {
    const CellInfo& info = record.cell;
    Cell& cell = cells[info.cell_id];
    cell.name = fmt::format("cell {} ({} {} {} {})", info.cell_id, info.model, info.backend,
                            info.task, info.context_length.value_or(0));
    cell.rows.emplace_back(record.measurement.metric, row_of(record));
  }
  for (const SampleRecord& sample : stored.samples) {
    Cell& cell = cells[sample.cell_id];
    if (sample.sample_sha.empty()) {  // repetitions of a timing have none
      for (const auto& [name, value] : sample.scores) cell.timed.insert(name);
    } else {
      cell.rows.emplace_back(fmt::format("sample {}", sample.index), row_of(sample));
    }
  }
  for (const Curve& curve : stored.curves) {
    cells[curve.cell_id].rows.emplace_back("curve " + curve.name, row_of(curve));
  }
  return cells;
}

/// A long text cut around where it begins to differ from `other`.
std::string excerpt(const std::string& text, const std::string& other) {
  constexpr std::size_t kBefore = 16, kShown = 64;
  if (text.size() <= kShown) return "'" + text + "'";
  const auto differs =
      static_cast<std::size_t>(std::ranges::mismatch(text, other).in1 - text.begin());
  const std::size_t begin = differs < kBefore ? 0 : differs - kBefore;
  return "'..." + text.substr(begin, kShown) + "...'";
}

std::string difference(const Row& first, const Row& second) {
  for (std::size_t i = 0; i < std::min(first.size(), second.size()); ++i) {
    if (first[i] == second[i]) continue;
    if (first[i].first != second[i].first) {
      return fmt::format("{} in the first, {} in the second", first[i].first, second[i].first);
    }
    return fmt::format("{} is {} in the first, {} in the second", first[i].first,
                       excerpt(first[i].second, second[i].second),
                       excerpt(second[i].second, first[i].second));
  }
  return first.size() == second.size()
             ? ""
             : fmt::format("{} fields in the first, {} in the second", first.size(), second.size());
}

std::string difference(const Cell& first, const Cell& second) {
  for (std::size_t i = 0; i < std::min(first.rows.size(), second.rows.size()); ++i) {
    const auto& [name, row] = first.rows[i];
    if (const std::string found = difference(row, second.rows[i].second); !found.empty()) {
      return name.empty() ? found : fmt::format("{}: {}", name, found);
    }
  }
  if (first.rows.size() != second.rows.size()) {
    return fmt::format("{} rows in the first, {} in the second", first.rows.size(),
                       second.rows.size());
  }
  if (first.timed == second.timed) return "";
  return fmt::format("timed [{}] in the first, [{}] in the second", fmt::join(first.timed, ", "),
                     fmt::join(second.timed, ", "));
}

}  // namespace

bool times_column(std::string_view name) { return among(name, kTimesColumns); }

bool times_metric(std::string_view metric) {
  return std::ranges::any_of(kTimesMetrics,
                             [&](std::string_view name) { return metric.starts_with(name); });
}

std::string equal_but_for_times(const Stored& first, const Stored& second) {
  const std::map<std::string, Cell> a = cells_of(first), b = cells_of(second);
  for (const auto& [id, cell] : b) {
    if (!a.contains(id)) return cell.name + ": in the second only";
  }
  for (const auto& [id, cell] : a) {
    const auto other = b.find(id);
    if (other == b.end()) return cell.name + ": in the first only";
    const std::string found = difference(cell, other->second);
    if (!found.empty()) return fmt::format("{}: {}", cell.name, found);
  }
  return "";
}

}  // namespace longreach::harness
