// Plain text tables for the terminal.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace longreach::harness {

/// Columns two spaces apart, aligned left but for those of numbers. In these every number of a cell
/// ("0.91 [0.88, 0.94]", "1.5 MiB") stands with its point below that of the row above.
class Table {
 public:
  /// `numbers`: places of the columns of numbers. A line break in the head makes it several lines.
  explicit Table(std::vector<std::string> head, std::vector<std::size_t> numbers = {});
  /// As many cells as the head; what is not printable in them is escaped.
  void add(std::vector<std::string> row);

  /// All in one piece; or, where it is wider than `columns`, columns below each other in several
  /// pieces, each after the first `keys` columns. A piece takes more than `columns` only where its
  /// keys and one column do.
  std::string text(std::size_t columns = std::string::npos, std::size_t keys = 1) const;

 private:
  struct Column;
  Column column(std::size_t place) const;

  std::vector<std::string> head_;
  std::vector<std::vector<std::string>> rows_;
  std::vector<std::size_t> numbers_;
};

}  // namespace longreach::harness
