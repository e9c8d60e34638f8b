// Text from data, made inert where it is put: names in configurations are anyone's. Bytes that are
// not UTF-8, on which readers give up, become U+FFFD everywhere.
#pragma once

#include <string>

namespace longreach::reports {

/// A field of CSV (RFC 4180): quoted when it holds a comma, a quote or a line end.
std::string csv_field(const std::string& text);

/// Text and quoted attributes of HTML.
std::string html_text(const std::string& text);

/// A code span of Markdown, within which nothing is markup, HTML, a link or a mention. A bar would
/// end a table's cell: there it takes a backslash, which the table takes away again.
std::string markdown_code(const std::string& text, bool in_table);

}  // namespace longreach::reports
