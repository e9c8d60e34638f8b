// Tables of report.html: by column, each value once, numbers with six digits.
#pragma once

#include <cstddef>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "reports/columns.h"

namespace longreach::reports {

/// The number with six significant digits: the page shows four, records.csv has all.
double rounded(double number);

/// The values of one column, row after row.
class PageColumn {
 public:
  explicit PageColumn(std::string_view name) : name_(name) {}

  void add(Value value);
  const std::string& name() const { return name_; }
  /// {"all": value}; or {"dictionary": [values], "rows": [places in it]}; or a list of values.
  nlohmann::ordered_json json() const;

 private:
  std::string name_;
  std::map<Value, std::size_t> places_;
  std::vector<std::size_t> rows_;
};

/// {"rows": n, "columns": {name: column, ...}}, of columns that all have `rows` values.
nlohmann::ordered_json page_table(i64 rows, const std::vector<PageColumn>& columns);

}  // namespace longreach::reports
