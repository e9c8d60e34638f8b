// Tables for the terminal.
#include "harness/table.h"

#include <catch2/catch.hpp>

using namespace longreach::harness;

TEST_CASE("Numbers of a column stand with their points below each other, and intervals too") {
  Table table({"backend", "score", "state"}, {1, 2});
  table.add({"full", "0.9 [0.85, 0.95]", "6.001 MiB"});
  table.add({"window", "12.25 [-1, 25.125]", "8 KiB"});  // a unit stays beside its number
  table.add({"none", "-", "103.5 KiB"});
  table.add({"few", "3", "-"});
  CHECK(table.text() ==
        "backend                  score      state\n"
        "full      0.9   [0.85,  0.95]   6.001 MiB\n"
        "window   12.25 [-1,    25.125]      8 KiB\n"
        "none                         -  103.5 KiB\n"
        "few       3                             -\n");
}

TEST_CASE("A wide table comes in pieces that fit, each with its keys") {
  Table table({"backend", "length", "one", "another", "third"}, {1, 2, 3, 4});
  table.add({"full", "512", "0.5", "0.25", "1"});
  table.add({"window", "1024", "0.75", "0.5", "2"});
  CHECK(table.text(32, 2) ==
        "backend  length   one  another\n"
        "full        512  0.5      0.25\n"
        "window     1024  0.75     0.5\n"
        "\n"
        "backend  length  third\n"
        "full        512      1\n"
        "window     1024      2\n");
  CHECK(table.text(1, 2).find("third") != std::string::npos);  // no narrower than it can be
}

TEST_CASE("Columns are as wide as a terminal shows them, and heads may have lines") {
  Table table({"name", "task\nscore"}, {1});
  table.add({"日本", "1"});
  table.add({"e\u0301", "10"});
  table.add({"a\x1b[2J\nb", "2"});
  CHECK(table.text() ==
        "              task\n"
        "name         score\n"
        "日本             1\n"
        "e\u0301               10\n"
        "a\\x1b[2J\\nb      2\n");
}
