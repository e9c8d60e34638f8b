// Which segment goes, against hand-computed shares.
#include "attention/kept_segments.h"

#include <catch2/catch.hpp>

namespace longreach::attention {

TEST_CASE("The least sum of both shares goes") {
  // Relevance e : 1 : 1 is .576, .212, .212; masses are shares .1, .6, .3.
  const std::vector<Candidate> candidates{{1, 0.05}, {0, 0.3}, {0, 0.15}};
  CHECK(least_worth(candidates, true, true) == 2);   // .676, .812, .512
  CHECK(least_worth(candidates, true, false) == 1);  // of equals the older
  CHECK(least_worth(candidates, false, true) == 0);
  CHECK(least_worth(candidates, false, false) == 0);
}

TEST_CASE("Sums decide, not products or single shares") {
  // Shares of relevance .5, .25, .25 and of mass 0, .4, .6: sums .5, .65, .85, products 0, .1, .15.
  const std::vector<Candidate> candidates{{std::log(2.0), 0}, {0, 0.4}, {0, 0.6}};
  CHECK(least_worth(candidates, true, true) == 0);
  // .8, .1, .1 and .1, .3, .6: sums .9, .4, .7.
  CHECK(least_worth({{std::log(8.0), 0.1}, {0, 0.3}, {0, 0.6}}, true, true) == 1);
}

TEST_CASE("Without any mass relevance alone decides") {
  CHECK(least_worth({{0.5, 0}, {0.1, 0}, {0.3, 0}}, true, true) == 1);
}

TEST_CASE("A running mass is half of the last segment and half of what was") {
  CHECK(running_mass(running_mass(1.0, 0.0), 0.5) == 0.5);
  CHECK(running_mass(0.2F, 0.6F) == Approx(0.4F));
}

}  // namespace longreach::attention
