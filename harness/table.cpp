// Plain text tables for the terminal.
#include "harness/table.h"

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "core/error.h"
#include "harness/terminal.h"

namespace longreach::harness {
namespace {

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, at);) parts.push_back(part);
  return parts;
}

/// Where a number's whole part ends; 0 for a word.
std::size_t point_of(const std::string& piece) {
  const std::size_t end = std::min(piece.find_first_not_of("+-[0123456789"), piece.size());
  return piece.substr(0, end).find_first_of("0123456789") == std::string::npos ? 0 : end;
}

/// The pieces of one cell: 'n' for a number, 't' for a word.
std::string shape_of(const std::vector<std::string>& pieces) {
  std::string shape;
  for (const std::string& piece : pieces) shape += point_of(piece) > 0 ? 'n' : 't';
  return shape;
}

std::string spaces(std::size_t count) { return std::string(count, ' '); }

/// Cells of one shape, or the beginnings of it, as pieces below each other.
class Aligned {
 public:
  void measure(const std::vector<std::string>& pieces) {
    places_.resize(std::max(places_.size(), pieces.size()));
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      const std::size_t point = point_of(pieces[i]);
      places_[i].before = std::max(places_[i].before, point);
      places_[i].after = std::max(places_[i].after, display_width(pieces[i]) - point);
    }
  }
  std::string text(const std::vector<std::string>& pieces) const {
    std::string line;
    for (std::size_t i = 0; i < places_.size(); ++i) {
      const std::string piece = i < pieces.size() ? pieces[i] : "";
      const std::size_t point = point_of(piece);
      line += spaces(places_[i].before - point + (i > 0)) + piece +
              spaces(places_[i].after - (display_width(piece) - point));
    }
    return line;
  }

 private:
  struct Place {
    std::size_t before = 0, after = 0;  ///< columns up to the point, and from it on
  };
  std::vector<Place> places_;
};

/// Aligns the numbers in cells whose pieces are alike; other cells stay as they are, and so do
/// numbers with a unit: "8     KiB" reads as two columns.
void align_numbers(std::vector<std::string>& cells) {
  std::vector<std::vector<std::string>> pieces;
  std::vector<std::string> shapes;
  for (const std::string& cell : cells) {
    pieces.push_back(split(cell, ' '));
    const std::string shape = shape_of(pieces.back());
    shapes.push_back(shape == "nt" ? "" : shape);
  }
  // In order, a shape comes before all that begin with it.
  const std::set<std::string> kinds(shapes.begin(), shapes.end());
  std::map<std::string, Aligned> groups;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (!shapes[i].starts_with('n')) continue;
    for (auto next = kinds.upper_bound(shapes[i]);
         next != kinds.end() && next->starts_with(shapes[i]); ++next) {
      shapes[i] = *next;
    }
    groups[shapes[i]].measure(pieces[i]);
  }
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (shapes[i].starts_with('n')) cells[i] = groups[shapes[i]].text(pieces[i]);
  }
}

}  // namespace

/// The lines of its head, from the last one up, and its cells, all of one width.
struct Table::Column {
  std::vector<std::string> head, cells;
  std::size_t width = 0;
};

Table::Table(std::vector<std::string> head, std::vector<std::size_t> numbers)
    : head_(std::move(head)), numbers_(std::move(numbers)) {}

void Table::add(std::vector<std::string> row) {
  check(row.size() == head_.size(), "a table's rows are as long as its head");
  for (std::string& cell : row) cell = printable(cell);
  rows_.push_back(std::move(row));
}

Table::Column Table::column(std::size_t place) const {
  Column made{.head = split(head_[place], '\n'), .cells = {}};
  for (std::string& line : made.head) line = printable(line);
  std::ranges::reverse(made.head);
  for (const auto& row : rows_) made.cells.push_back(row[place]);
  const bool right = std::ranges::find(numbers_, place) != numbers_.end();
  if (right) align_numbers(made.cells);
  for (auto* texts : {&made.head, &made.cells}) {
    for (const std::string& text : *texts) made.width = std::max(made.width, display_width(text));
  }
  for (auto* texts : {&made.head, &made.cells}) {
    for (std::string& text : *texts) {
      const std::string space = spaces(made.width - display_width(text));
      text = right ? space + text : text + space;
    }
  }
  return made;
}

std::string Table::text(std::size_t columns, std::size_t keys) const {
  std::vector<Column> made;
  for (std::size_t i = 0; i < head_.size(); ++i) made.push_back(column(i));
  keys = std::min(keys, made.size());
  std::string text;
  for (std::size_t next = keys; next < made.size() || text.empty();) {
    std::vector<const Column*> piece;
    std::size_t width = 0, lines = 1;
    const auto take = [&](const Column& one) {
      piece.push_back(&one);
      width += one.width + 2;
      lines = std::max(lines, one.head.size());
    };
    for (std::size_t i = 0; i < keys; ++i) take(made[i]);
    do {
      if (next < made.size()) take(made[next++]);
    } while (next < made.size() && width + made[next].width <= columns);
    const auto print = [&](const auto& cell) {
      std::string line;
      for (const Column* one : piece) line += (one == piece.front() ? "" : "  ") + cell(*one);
      text += line.erase(line.find_last_not_of(' ') + 1) + '\n';
    };
    if (!text.empty()) text += '\n';
    for (std::size_t i = lines; i-- > 0;) {
      print(
          [i](const Column& one) { return i < one.head.size() ? one.head[i] : spaces(one.width); });
    }
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      print([i](const Column& one) { return one.cells[i]; });
    }
  }
  return text;
}

}  // namespace longreach::harness
