// Cross-entropy against its definition.
#include "model/loss.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "tests/model/models.h"

namespace longreach::model {
namespace {

TEST_CASE("cross-entropy is the weighted mean of minus the log-probability") {
  Floats logits{0, std::log(3.0f), std::log(2.0f), std::log(6.0f)};  // p = (1/4, 3/4), (1/4, 3/4)
  const std::vector<Token> targets{0, 1};
  const std::vector<float> weights{1, 3};
  const double expected = (1 * std::log(4.0) + 3 * std::log(4.0 / 3)) / 4;
  const MutableMatrix rows(logits.data(), 2, 2);
  CHECK(cross_entropy(rows, targets, weights, Gradient::none) == Approx(expected).epsilon(1e-6));
  CHECK(logits[1] == std::log(3.0f));  // untouched
  CHECK(cross_entropy(rows, targets, weights, Gradient::in_place) ==
        Approx(expected).epsilon(1e-6));
  // weight / total * (p - one-hot)
  CHECK(logits[0] == Approx(0.25 * (0.25 - 1)));
  CHECK(logits[1] == Approx(0.25 * 0.75));
  CHECK(logits[2] == Approx(0.75 * 0.25));
  CHECK(logits[3] == Approx(0.75 * (0.75 - 1)));
}

TEST_CASE("parts of a batch add up to its cross-entropy, and a part may weigh nothing") {
  const Floats logits{0, 1, 2, -1, 0.5f, 0.25f, 3, 1};
  const std::vector<Token> targets{0, 1, 1, 0};
  const std::vector<float> weights{0, 0, 1, 3};
  Floats whole = logits, parts = logits;
  const double expected =
      cross_entropy(MutableMatrix(whole.data(), 4, 2), targets, weights, Gradient::in_place);
  double sum = 0;
  for (const std::size_t begin : {0u, 2u}) {
    sum +=
        cross_entropy(MutableMatrix(&parts[2 * begin], 2, 2), std::span(targets).subspan(begin, 2),
                      std::span(weights).subspan(begin, 2), Gradient::in_place, 4);
  }
  CHECK(sum == Approx(expected));
  CHECK(parts == whole);
}

TEST_CASE("cross-entropy of huge logits neither overflows nor loses the difference") {
  Floats logits{3e4f, 3e4f - 1, -3e4f};
  const std::vector<Token> targets{1};
  const std::vector<float> weights{1};
  // ln(e^1 + e^0 + 0) above the target
  CHECK(cross_entropy(MutableMatrix(logits.data(), 1, 3), targets, weights, Gradient::none) ==
        Approx(std::log(std::exp(1.0) + 1)).epsilon(1e-6));
}

TEST_CASE("a row of weight zero has no gradient and its target is not looked at") {
  Floats logits{1, 2, 3, 4};
  const std::vector<Token> targets{-7, 0};
  const std::vector<float> weights{0, 1};
  cross_entropy(MutableMatrix(logits.data(), 2, 2), targets, weights, Gradient::in_place);
  CHECK(logits[0] == 0);
  CHECK(logits[1] == 0);
  CHECK(logits[2] != 0);
}

TEST_CASE("targets outside the vocabulary and useless weights are errors") {
  Floats logits{1, 2};
  const auto loss = [&](Token target, float weight) {
    return message_of([&] {
      cross_entropy(MutableMatrix(logits.data(), 1, 2), std::vector<Token>{target},
                    std::vector<float>{weight}, Gradient::none);
    });
  };
  CHECK_THAT(loss(2, 1), Catch::Contains("token 2"));
  CHECK_THAT(loss(-1, 1), Catch::Contains("token -1"));
  CHECK_THAT(loss(0, 0), Catch::Contains("every loss weight is 0"));
  CHECK_THAT(loss(0, -1), Catch::Contains("not negative"));
}

}  // namespace
}  // namespace longreach::model
