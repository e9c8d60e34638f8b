// What a terminal can show, and text that is fit for one.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace longreach::harness {

/// Text that drives no terminal, whatever strangers put in it: control characters, those that turn
/// the direction of writing, and bytes that are not UTF-8 are escaped ("\x1b", "\u202e"). `kept`
/// are let through.
std::string printable(std::string_view text, std::string_view kept = "");

/// Columns that printable text takes: none for a combining mark, two for a wide character.
std::size_t display_width(std::string_view text);

/// The beginning of printable text that takes at most so many columns; "..." ends what was cut.
std::string cut_to(std::string_view text, std::size_t columns);

/// What the reader of a stream sees.
struct Screen {
  bool redraws = false;  ///< a terminal, which can draw a line again
  bool colours = false;
  std::function<std::size_t()> columns = [] { return std::size_t{80}; };  ///< of the moment
};

/// Nothing is redrawn where TERM is "dumb" or not set, nothing coloured where NO_COLOR is set
/// (no-color.org).
Screen screen_of(int fd);

/// Columns that a table on standard output may take: those of the terminal, but at least 80; 120
/// where it is none.
std::size_t table_columns();

/// Clears the line that the cursor is in.
inline constexpr std::string_view kClearLine = "\r\x1b[K";

}  // namespace longreach::harness
