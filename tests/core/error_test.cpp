// Suggestions for misspelt names, and the search for values that are not finite.
#include "core/error.h"

#include <catch2/catch.hpp>
#include <limits>

using namespace longreach;

TEST_CASE("A misspelt name finds its nearest neighbour") {
  const std::vector<std::string> known{"window", "sinks", "positions"};
  REQUIRE(nearest("windw", known) == "window");
  REQUIRE(nearest("sink", known) == "sinks");
  REQUIRE(suggestion("windw", known) == "; did you mean 'window'?");
}

TEST_CASE("A name near nothing lists what is known") {
  REQUIRE(nearest("zzzzzzzz", {"window", "sinks"}).empty());
  REQUIRE(suggestion("zzzzzzzz", {"window", "sinks"}) == "; known: window, sinks");
  REQUIRE(suggestion("x", {}).empty());
}

TEST_CASE("A value that is not finite is an error with its place") {
  const float values[] = {1, 2, std::numeric_limits<float>::infinity()};
  REQUIRE_NOTHROW(require_finite(values, 2, "x"));
  REQUIRE_THROWS_WITH(require_finite(values, 3, "layer 1"), "layer 1: value 2 is inf");
}
