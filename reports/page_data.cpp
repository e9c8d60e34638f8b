// What report.html holds of a run.
#include "reports/page_data.h"

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "reports/columns.h"
#include "reports/page_choice.h"
#include "reports/page_table.h"

namespace longreach::reports {
namespace {

using Json = nlohmann::ordered_json;

/// Long hashes, and what few look for: records.csv has all.
constexpr std::array<std::string_view, 6> kNotShown{
    "schema_version", "tokenizer_sha", "data_sha", "stderr", "p_value", "n_truncated"};
/// Points kept of a curve, more than a figure has pixels to tell apart, and of all curves.
constexpr std::size_t kCurvePoints = 600, kAllPoints = 40000, kFewestPoints = 20;
/// Kinds of rows left out that the page names.
constexpr std::size_t kNamed = 12;

/// The cells and measurements of the records that are shown, column by column.
class PageTables {
 public:
  PageTables() {
    Record record;
    record.columns([&](std::string_view name, const auto& field) {
      const bool wanted = std::find(kNotShown.begin(), kNotShown.end(), name) == kNotShown.end();
      of_cell_.push_back(is_of_cell(record, &field));
      wanted_.push_back(wanted);
      if (wanted) (of_cell_.back() ? cells_ : rows_).emplace_back(name);
    });
  }

  void add(const Record& record) {
    const auto [cell, added] = places_.emplace(record.cell.cell_id, places_.size());
    rows_[0].add(static_cast<i64>(cell->second));
    std::vector<Column> values = columns(record);
    std::size_t next_cell = 0, next_row = 1;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!wanted_[i]) continue;
      if (!of_cell_[i]) {
        rows_[next_row++].add(std::move(values[i].value));
      } else if (added) {
        cells_[next_cell++].add(std::move(values[i].value));
      }
    }
    ++count_;
  }

  Json cells() const { return page_table(static_cast<i64>(places_.size()), cells_); }
  Json records() const { return page_table(count_, rows_); }

 private:
  std::vector<bool> of_cell_, wanted_;
  std::vector<PageColumn> cells_;
  std::vector<PageColumn> rows_{PageColumn("cell")};
  std::map<std::string, std::size_t> places_;
  i64 count_ = 0;
};

/// At most `most` points, evenly spread, the last one always among them.
Json thinned(const Curve& curve, std::size_t most) {
  const std::size_t points = std::min(curve.x.size(), curve.y.size());
  Curve kept{curve.cell_id, curve.name, curve.x_unit, curve.y_unit, {}, {}, curve.series};
  const std::size_t count = std::min(points, most);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t from = count == points ? i : i * (points - 1) / (count - 1);
    kept.x.push_back(rounded(curve.x[from]));
    kept.y.push_back(rounded(curve.y[from]));
  }
  return to_json(kept);
}

}  // namespace

Json page_records(const Rows<Record>& records, i64 limit) {
  PageChoice choice;
  i64 total = 0;
  std::map<std::string, i64> statuses;
  std::string last_cell;
  std::set<std::string> seen;
  records.each([&](const Record& record) {
    choice.count(record);
    ++total;
    if (record.cell.cell_id == last_cell || !seen.insert(record.cell.cell_id).second) return;
    last_cell = record.cell.cell_id;
    ++statuses[std::string(EnumNames<Status>::names[static_cast<std::size_t>(record.cell.status)])];
  });
  choice.choose(limit);
  PageTables tables;
  records.each([&](const Record& record) {
    if (choice.shown(record)) tables.add(record);
  });
  Json left_out = Json::array();
  for (const PageChoice::LeftOut& kind : choice.left_out()) {
    if (left_out.size() < kNamed) left_out.push_back({{"what", kind.what}, {"rows", kind.rows}});
  }
  return {{"total", total},
          {"statuses", statuses},
          {"left_out", std::move(left_out)},
          {"cells", tables.cells()},
          {"records", tables.records()}};
}

Json page_curves(const Rows<Curve>& curves) {
  std::size_t total = 0;
  curves.each([&](const Curve&) { ++total; });
  const std::size_t points =
      std::clamp(kAllPoints / std::max<std::size_t>(1, total), kFewestPoints, kCurvePoints);
  Json shown = Json::array();
  curves.each([&](const Curve& curve) {
    if (shown.size() * points < kAllPoints) shown.push_back(thinned(curve, points));
  });
  return {{"total", total}, {"shown", std::move(shown)}};
}

}  // namespace longreach::reports
