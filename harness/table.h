// Plain text tables for the terminal.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace longreach::harness {

/// Characters, not bytes, of UTF-8 text.
std::size_t text_width(const std::string& text);

/// Columns two spaces apart, aligned left but for those numbered in `right`.
class Table {
 public:
  explicit Table(std::vector<std::string> head, std::vector<std::size_t> right = {})
      : rows_{std::move(head)}, right_(std::move(right)) {}
  /// As many cells as the head.
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<std::size_t> right_;
};

}  // namespace longreach::harness
