// Registries: lookup, suggestions, clashes and where an entry came from.
#include "core/registry.h"

#include <catch2/catch.hpp>

using namespace longreach;

namespace {

struct Animal {
  virtual ~Animal() = default;
  virtual i64 legs() const = 0;
};
using AnimalRegistry = Registry<Animal, i64>;

struct Spider final : Animal {
  struct Params {
    void fields(Fields&) {}
  };
  Spider(const Params&, i64 pairs) : pairs_(pairs) {}
  i64 legs() const override { return 2 * pairs_; }
  i64 pairs_;
};

}  // namespace

template <>
AnimalRegistry& AnimalRegistry::instance() {
  static AnimalRegistry registry;
  return registry;
}

namespace {
const Registered<AnimalRegistry, Spider> registered{"spider", "eight legs"};
}

TEST_CASE("A type registers itself by one line and is made by name") {
  REQUIRE(AnimalRegistry::instance().find("spider").summary == "eight legs");
  REQUIRE(AnimalRegistry::instance().names() == std::vector<std::string>{"spider"});
}

TEST_CASE("An unknown name suggests the nearest") {
  REQUIRE_THROWS_WITH(AnimalRegistry::instance().find("spidr"),
                      "unknown name 'spidr'; did you mean 'spider'?");
}

TEST_CASE("A clash is a problem kept for later, not a crash") {
  AnimalRegistry registry;
  registry.add("a", {});
  registry.add("a", {});
  REQUIRE(registry.problems() == std::vector<std::string>{"'a' is registered twice"});
  REQUIRE(registry.entries().size() == 1);
}

TEST_CASE("An entry remembers which plugin it came from, and the program's own that they did not") {
  AnimalRegistry registry;
  registry.add("own", {});
  registry.set_plugin("abc");
  registry.add("theirs", {});
  registry.set_plugin("");
  registry.add("own too", {});
  REQUIRE(registry.find("own").plugin.empty());
  REQUIRE(registry.find("theirs").plugin == "abc");
  REQUIRE(registry.find("own too").plugin.empty());
}
