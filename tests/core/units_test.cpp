// Numbers as people write them.
#include "core/units.h"

#include <catch2/catch.hpp>

using namespace longreach;

TEST_CASE("Counts read k and M as powers of 1024") {
  REQUIRE(parse_integer("4k", Unit::count) == 4096);
  REQUIRE(parse_integer("1M", Unit::count) == 1048576);
  REQUIRE(parse_integer("0.5k", Unit::count) == 512);
  REQUIRE(parse_integer("512", Unit::count) == 512);
}

TEST_CASE("Bytes tell binary from decimal units") {
  REQUIRE(parse_integer("8GiB", Unit::bytes) == 8589934592);
  REQUIRE(parse_integer("1kB", Unit::bytes) == 1000);
  REQUIRE(parse_integer("1 KiB", Unit::bytes) == 1024);
}

TEST_CASE("Times read s, m, h and ms") {
  REQUIRE(parse_number("10m", Unit::seconds) == 600.0);
  REQUIRE(parse_number("1.5h", Unit::seconds) == 5400.0);
  REQUIRE(parse_number("250ms", Unit::seconds) == Approx(0.25));
}

TEST_CASE("Exponents are numbers, which YAML 1.1 reads as text") {
  REQUIRE(parse_number("1e-3", Unit::none) == Approx(0.001));
  REQUIRE(parse_integer("1e3", Unit::count) == 1000);
}

TEST_CASE("What is no number is refused, not guessed") {
  for (const char* text : {"", "k", "4q", "4kk", "nan", "inf", "4 0", "0x10", "1e999", "--1"}) {
    INFO(text);
    REQUIRE_FALSE(parse_number(text, Unit::count));
  }
  REQUIRE_FALSE(parse_integer("1.5", Unit::count));
  REQUIRE_FALSE(parse_integer("1e30", Unit::count));
  REQUIRE_FALSE(parse_number("4k", Unit::none));
}

TEST_CASE("Whole numbers beyond 2^53 are exact") {
  REQUIRE(parse_integer("9007199254740993", Unit::count) == 9007199254740993);
}

TEST_CASE("Formats are short and say their unit") {
  REQUIRE(format_bytes(640) == "640 B");
  REQUIRE(format_bytes(1536) == "1.5 KiB");
  REQUIRE(format_seconds(0.12) == "120ms");
  REQUIRE(format_seconds(200) == "3m20s");
  REQUIRE(format_seconds(3720) == "1h02m");
  REQUIRE(format_count(4096) == "4k");
  REQUIRE(format_count(1000) == "1000");
  REQUIRE(format_count(1 << 20) == "1M");
  REQUIRE(format_count((1 << 20) + 1024) == "1025k");
}
