// One declaration, several uses: descriptions and the canonical text.
#include "core/fields.h"

#include <catch2/catch.hpp>

using namespace longreach;

namespace {

enum class Colour { red, green };

struct Inner {
  double theta = 10000;
  void fields(Fields& f) { f("theta", theta, at_least(1), "base"); }
};

struct Outer {
  i64 window = 256;
  bool on = true;
  std::string path = "it's";
  Colour colour = Colour::green;
  std::vector<double> depths{0, 50};
  std::optional<Inner> rope = Inner{};
  void fields(Fields& f) {
    f("window", window, at_least(1, Unit::count), "how far");
    f("on", on, "whether");
    f("path", path, "where");
    f("colour", colour, "which");
    f("depths", depths, between(0, 100), "depths");
    f("rope", rope, "positions");
  }
};

}  // namespace

template <>
struct longreach::EnumNames<Colour> {
  static constexpr std::array<std::string_view, 2> names{"red", "green"};
};

TEST_CASE("The canonical text names every value in order, and quotes text") {
  REQUIRE(canonical(Outer{}) ==
          "window: 256, on: true, path: 'it''s', colour: green, depths: [0, 50], "
          "rope: {theta: 10000}");
}

TEST_CASE("Line breaks stay in the canonical text, which is one line") {
  Outer outer;
  outer.path = "a\n\n\"b\\'";
  REQUIRE_THAT(canonical(outer), Catch::Contains(R"(path: "a\x0a\x0a\"b\\'",)"));
}

TEST_CASE("A group that is off is none in the canonical text") {
  Outer outer;
  outer.rope.reset();
  REQUIRE(canonical(outer).ends_with("rope: none"));
}

TEST_CASE("The canonical text tells apart numbers that print alike at six digits") {
  Inner a{1.0000001}, b{1.0000002};
  REQUIRE(canonical(a) != canonical(b));
}

TEST_CASE("Descriptions give key, default, what is allowed and the doc line") {
  const std::vector<FieldDescription> lines = describe(Outer{});
  REQUIRE(lines.size() == 7);
  REQUIRE(lines[0].key == "window");
  REQUIRE(lines[0].value == "256");
  REQUIRE(lines[0].allowed == "integer >= 1");
  REQUIRE(lines[3].allowed == "one of red, green");
  REQUIRE(lines[6].key == "rope.theta");
}
