// How much worse is a regression.
#include "harness/thresholds.h"

#include <catch2/catch.hpp>

using namespace longreach::harness;
using Catch::Matchers::Contains;

TEST_CASE("A threshold is an amount or a share, for all metrics or one") {
  const Thresholds thresholds({"0.01", "passkey/exact_match=2%", "odd=name=0"});
  CHECK(thresholds.of("perplexity/loss", false).amount == 0.01);
  CHECK_FALSE(thresholds.of("perplexity/loss", false).relative);
  CHECK(thresholds.of("passkey/exact_match", false).amount == 0.02);
  CHECK(thresholds.of("passkey/exact_match", false).relative);
  CHECK(thresholds.of("odd=name", false).amount == 0);
  CHECK(thresholds.metrics() == std::vector<std::string>{"odd=name", "passkey/exact_match"});
  CHECK(Thresholds({}).of("any", false).amount == 0);
  CHECK(Thresholds({}).of("any", true).text == "10%");
  CHECK(Thresholds({"3%"}).of("any", true).text == "3%");
}

TEST_CASE("A threshold that is no number, negative or given twice is refused") {
  for (const char* text : {"", "x", "-1", "-1%", "nan", "inf", "1%%", "a=", "2 percent", "%"}) {
    INFO(text);
    CHECK_THROWS_WITH(Thresholds({text}),
                      Contains("is neither an amount such as 0.01 nor a share"));
  }
  CHECK_THROWS_WITH(Thresholds({"1", "2%"}), Contains("what has no name has one already"));
  CHECK_THROWS_WITH(Thresholds({"a=1", "a=2"}), Contains("a has one already"));
}

TEST_CASE("An effect exceeds a threshold by more than it, in either direction") {
  const Threshold amount{0.5, false, "0.5"}, share{0.1, true, "10%"};
  CHECK_FALSE(exceeds(0.5, false, 1, amount));
  CHECK(exceeds(-0.75, false, 1, amount));
  CHECK_FALSE(exceeds(0.75, false, -8, share));  // of a base of -8 a tenth is 0.8
  CHECK(exceeds(0.875, false, -8, share));
  CHECK(exceeds(1.25, true, 1000, share));
  CHECK(exceeds(0.8, true, 1000, share));
  CHECK_FALSE(exceeds(1.05, true, 1000, share));
  CHECK_FALSE(exceeds(0.95, true, 1000, share));
}
