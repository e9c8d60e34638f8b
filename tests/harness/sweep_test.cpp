// Ranges and sweeps: what they stand for, and that none runs past its end.
#include "harness/sweep.h"

#include <catch2/catch.hpp>

using namespace longreach;
using namespace longreach::harness;

namespace {

using Values = std::vector<std::string>;

std::optional<Values> range(const std::string& text) { return expand_range(text, Unit::count); }

}  // namespace

TEST_CASE("Ranges hold their ends, multiply or add, and leave other text as it is") {
  CHECK(range("512..4k*2") == Values{"512", "1024", "2048", "4096"});
  CHECK(range("512..4095*2") == Values{"512", "1024", "2048"});
  CHECK(range("1..4+1") == Values{"1", "2", "3", "4"});
  CHECK(range("1..4") == Values{"1", "2", "3", "4"});
  CHECK(range("-4..4+4") == Values{"-4", "0", "4"});
  CHECK(range("7..7*2") == Values{"7"});
  CHECK(range("a path") == Values{"a path"});
}

TEST_CASE("Ranges whose next value no integer can hold end before it") {
  CHECK(range("3..4*9223372036854775807") == Values{"3"});
  CHECK(range("1..1T+9223372036854775807") == std::nullopt);  // no count is written so
  CHECK(range("1..2+9223372036854775807") == Values{"1"});
  CHECK(range("1099511627775..1099511627776+1") == Values{"1099511627775", "1099511627776"});
}

TEST_CASE("Ranges that never end, run backwards, or are too long or too far are none") {
  for (const char* text : {"4..1+1", "1..4*1", "1..4+0", "1..4+-1", "0..4*2", "-1..4*2", "..4",
                           "1..", "1..4*", "1..4*2*2", "0..1000+1", "1..1099511627777*2",
                           "-9223372036854775807..1+1", "1..9223372036854775807*2", "a..b"}) {
    INFO(text);
    CHECK(range(text) == std::nullopt);
  }
  CHECK(range("0..999+1")->size() == 1000);
}

TEST_CASE("Combinations are the product of the lists met, and are visited once each") {
  Sweep sweep;
  const Values numbers{"1", "2", "3"}, rules{"a", "b"};
  int visited = 0;
  do {
    sweep.pick("x.numbers", "numbers", numbers);
    sweep.pick("x.rules", "rules", rules);
    ++visited;
  } while (sweep.advance());
  CHECK(sweep.combinations() == 6);
  CHECK(visited == 6);
}
