// What a terminal can show.
#include "harness/terminal.h"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utf8proc.h>

namespace longreach::harness {
namespace {

/// A character and how many bytes it takes; a negative code for bytes that are none.
struct Character {
  utf8proc_int32_t code = -1;
  std::size_t bytes = 1;
};

Character first_of(std::string_view text) {
  Character first;
  const utf8proc_ssize_t bytes =
      utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                       static_cast<utf8proc_ssize_t>(text.size()), &first.code);
  if (bytes > 0) first.bytes = static_cast<std::size_t>(bytes);
  return first;
}

bool drives(utf8proc_int32_t code) {
  const bool turns = code == 0x200E || code == 0x200F || (code >= 0x202A && code <= 0x202E) ||
                     (code >= 0x2066 && code <= 0x2069);
  const utf8proc_category_t category = utf8proc_category(code);
  return turns || category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_ZL ||
         category == UTF8PROC_CATEGORY_ZP;
}

std::size_t width_of(const Character& character) {
  return character.code < 0 ? 1 : static_cast<std::size_t>(utf8proc_charwidth(character.code));
}

bool is_set(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

std::size_t columns_of(int fd) {
  winsize size{};
  return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

std::string printable(std::string_view text, std::string_view kept) {
  std::string out;
  while (!text.empty()) {
    const Character first = first_of(text);
    const auto byte = static_cast<unsigned char>(text[0]);
    if (first.bytes == 1 && kept.find(text[0]) != std::string_view::npos) {
      out += text[0];
    } else if (text[0] == '\n') {
      out += "\\n";
    } else if (first.code < 0 || (first.code < 0x80 && drives(first.code))) {
      out += fmt::format("\\x{:02x}", byte);
    } else if (drives(first.code)) {
      out += fmt::format("\\u{:04x}", first.code);
    } else {
      out += text.substr(0, first.bytes);
    }
    text.remove_prefix(first.bytes);
  }
  return out;
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    const Character first = first_of(text);
    width += width_of(first);
    text.remove_prefix(first.bytes);
  }
  return width;
}

std::string cut_to(std::string_view text, std::size_t columns) {
  if (display_width(text) <= columns) return std::string(text);
  const std::string_view end = std::string_view("...").substr(0, std::min<std::size_t>(3, columns));
  std::size_t bytes = 0, width = end.size();
  while (true) {
    const Character next = first_of(text.substr(bytes));
    width += width_of(next);
    if (width > columns) return std::string(text.substr(0, bytes)) += end;
    bytes += next.bytes;
  }
}

Screen screen_of(int fd) {
  const char* kind = std::getenv("TERM");
  Screen screen;
  screen.redraws = isatty(fd) == 1 && is_set("TERM") && std::string_view(kind) != "dumb";
  screen.colours = screen.redraws && !is_set("NO_COLOR");
  screen.columns = [fd] { return columns_of(fd); };
  return screen;
}

std::size_t table_columns() {
  return isatty(STDOUT_FILENO) == 1 ? std::max<std::size_t>(columns_of(STDOUT_FILENO), 80) : 120;
}

}  // namespace longreach::harness
