// Plain text tables for the terminal.
#include "harness/table.h"

#include <algorithm>

#include "core/error.h"
#include "harness/terminal.h"

namespace longreach::harness {

void Table::add(std::vector<std::string> row) {
  for (std::string& cell : row) cell = printable(cell);
  rows_.push_back(std::move(row));
}

std::string Table::text() const {
  std::vector<std::size_t> widths(rows_[0].size());
  for (const auto& row : rows_) {
    check(row.size() == widths.size(), "a table's rows are as long as its head");
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], display_width(row[i]));
  }
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i > 0) line.append(2, ' ');
      const std::size_t space = widths[i] - display_width(row[i]);
      const bool right = std::find(right_.begin(), right_.end(), i) != right_.end();
      if (right) line.append(space, ' ');
      line += row[i];
      if (!right) line.append(space, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);  // empty last cells leave nothing behind
    text += line + '\n';
  }
  return text;
}

}  // namespace longreach::harness
