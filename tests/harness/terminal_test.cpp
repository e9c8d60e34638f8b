// Text that is fit for a terminal.
#include "harness/terminal.h"

#include <catch2/catch.hpp>

using namespace longreach::harness;

TEST_CASE("Printable text keeps every language, and nothing that drives a terminal") {
  CHECK(printable("naïve 日本語 🦜 e\u0301") == "naïve 日本語 🦜 e\u0301");
  CHECK(printable("\x1b[2J\a\r\n\t\x7f") == "\\x1b[2J\\x07\\x0d\\n\\x09\\x7f");
  CHECK(printable("\xc2\x9b"
                  "31m") == "\\u009b31m");  // CSI in one character
  CHECK(printable("a\u202Eb\u2028c") == "a\\u202eb\\u2028c");
  CHECK(printable("\xff\xc3") == "\\xff\\xc3");
  CHECK(printable("one\ttwo\n\x1b", "\n\t") == "one\ttwo\n\\x1b");
}

TEST_CASE("Width counts the columns of a terminal, not bytes or characters") {
  CHECK(display_width("plain") == 5);
  CHECK(display_width("naïve") == 5);
  CHECK(display_width("e\u0301") == 1);
  CHECK(display_width("日本語") == 6);
  CHECK(display_width("🦜") == 2);
}

TEST_CASE("Text is cut between characters, and never wider than asked") {
  CHECK(cut_to("short", 5) == "short");
  CHECK(cut_to("longer", 5) == "lo...");
  CHECK(cut_to("日本語文字", 8) == "日本...");  // a third would take two columns where one is left
  CHECK(cut_to("e\u0301e\u0301e\u0301e\u0301e\u0301", 4) == "e\u0301...");
  for (std::size_t columns = 0; columns < 12; ++columns) {
    CHECK(display_width(cut_to("日x本y語z文w字", columns)) <= columns);
  }
}
