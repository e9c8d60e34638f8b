// Plain text tables for the terminal.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace longreach::harness {

/// Columns two spaces apart, aligned left but for those numbered in `right`.
class Table {
 public:
  explicit Table(std::vector<std::string> head, std::vector<std::size_t> right = {})
      : right_(std::move(right)) {
    add(std::move(head));
  }
  /// As many cells as the head; what is not printable in them is escaped.
  void add(std::vector<std::string> row);
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<std::size_t> right_;
};

}  // namespace longreach::harness
