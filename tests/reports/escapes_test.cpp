// Text from data, made inert where it is put.
#include "reports/escapes.h"

#include <catch2/catch.hpp>

using namespace longreach::reports;

TEST_CASE("A field of CSV is quoted only where it must be") {
  CHECK(csv_field("plain; text") == "plain; text");
  CHECK(csv_field("a,b") == "\"a,b\"");
  CHECK(csv_field("say \"a\"") == "\"say \"\"a\"\"\"");
  CHECK(csv_field("two\nlines") == "\"two\nlines\"");
}

TEST_CASE("HTML reads no tag, attribute or entity out of text") {
  CHECK(html_text("<b title='x' id=\"y\">&amp;") ==
        "&lt;b title=&#39;x&#39; id=&quot;y&quot;&gt;&amp;amp;");
}

TEST_CASE("Markdown reads no markup, HTML, cell or line out of a code span") {
  CHECK(markdown_code("<b> *a* @all", false) == "`<b> *a* @all`");
  CHECK(markdown_code("a|b", true) == "`a\\|b`");
  CHECK(markdown_code("a|b", false) == "`a|b`");
  CHECK(markdown_code("a`b``c", false) == "```a`b``c```");
  CHECK(markdown_code("`a`", false) == "`` `a` ``");
  CHECK(markdown_code("two\nlines", false) == "`two lines`");
  CHECK(markdown_code("", true).empty());
}

TEST_CASE("Bytes that are not UTF-8 become U+FFFD in every format") {
  const std::string raw = "a\xff";
  CHECK(csv_field(raw) == "a\ufffd");
  CHECK(html_text(raw) == "a\ufffd");
  CHECK(markdown_code(raw, false) == "`a\ufffd`");
}
