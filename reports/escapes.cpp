// Text from data, made inert where it is put.
#include "reports/escapes.h"

#include <algorithm>

#include "reports/columns.h"

namespace longreach::reports {
namespace {

/// "" for what stands for itself in HTML.
std::string_view entity(char c) {
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    case '\'':
      return "&#39;";
    default:
      return "";
  }
}

}  // namespace

std::string csv_field(const std::string& raw) {
  const std::string text = valid_utf8(raw);
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

std::string html_text(const std::string& raw) {
  const std::string text = valid_utf8(raw);
  std::string out;
  for (const char c : text) {
    const std::string_view escaped = entity(c);
    escaped.empty() ? out += c : out += escaped;
  }
  return out;
}

std::string markdown_code(const std::string& text, bool in_table) {
  std::string inner;
  std::size_t ticks = 0, longest = 0;
  for (const char c : valid_utf8(text)) {
    ticks = c == '`' ? ticks + 1 : 0;
    longest = std::max(longest, ticks);
    if (c == '|' && in_table) inner += '\\';
    inner += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  }
  if (inner.empty()) return "";
  const std::string fence(longest + 1, '`');
  const bool pad = inner.front() == '`' || inner.back() == '`';
  const std::string space = pad ? " " : "";
  return fence + space + inner + space + fence;
}

}  // namespace longreach::reports
