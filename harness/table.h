// Plain text tables for the terminal.
#pragma once

#include <string>
#include <vector>

namespace longreach::harness {

/// Characters, not bytes, of UTF-8 text.
std::size_t text_width(const std::string& text);

/// Left-aligned columns, two spaces apart.
class Table {
 public:
  explicit Table(std::vector<std::string> head) : rows_{std::move(head)} {}
  /// As many cells as the head.
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace longreach::harness
