// Which samples a training step sees.
#include "harness/training.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <set>

using namespace longreach;
using namespace longreach::harness;

namespace {

/// Token i of sample n is n + i; remembers which numbers were asked for.
class Counting final : public datasets::Dataset {
 public:
  i64 version() const override { return 1; }
  i64 size(datasets::Split, i64) const override { return 1 << 30; }
  datasets::Sample sample(datasets::Split split, i64 index, i64 length) const override {
    REQUIRE(split == datasets::Split::train);
    REQUIRE(asked.insert(index).second);
    datasets::Sample made;
    for (i64 i = 0; i < length; ++i) {
      made.tokens.push_back(static_cast<Token>(index + i));
      if (weighted) made.weights.push_back(static_cast<float>(i));
    }
    return made;
  }
  bool weighted = false;
  mutable std::set<i64> asked;
};

Training rising() {
  Training training;
  training.params.steps = 100;
  training.params.batch_tokens = 2048;
  training.length = 1024;
  training.shortest = 128;
  training.ramp = 0.5;
  return training;
}

}  // namespace

TEST_CASE("Lengths are multiples of 64 whose longest rises over the ramp and then stays") {
  const Training training = rising();
  i64 longest = 0;
  for (i64 seed = 0; seed < 200; ++seed) {
    const Rng rng(static_cast<std::uint64_t>(seed));
    for (const i64 step : {0, 10, 25, 50, 99}) {
      const i64 length = sample_length(training, step, rng);
      const double share = std::min(1.0, static_cast<double>(step) / 50);
      CHECK(length >= 128);
      CHECK(static_cast<double>(length) <= 128 + share * (1024 - 128) + 32);  // rounding to 64
      CHECK(length % 64 == 0);
      longest = std::max(longest, length);
    }
  }
  CHECK(longest > 900);
}

TEST_CASE("After the ramp lengths are log-uniform: half lie below the geometric mean") {
  const Training training = rising();
  i64 below = 0;
  const i64 draws = 2000;
  for (i64 seed = 0; seed < draws; ++seed) {
    // sqrt(128 x 1024) = 362; 352 separates the multiples 320 and 384.
    below += sample_length(training, 99, Rng(static_cast<std::uint64_t>(seed))) < 352;
  }
  // ln(352 / 128) / ln(8) = 0.486; four standard errors of a share of 2000 are 0.045.
  CHECK(static_cast<double>(below) / static_cast<double>(draws) == Approx(0.486).margin(0.045));
}

TEST_CASE("One length alone is taken as it is") {
  Training training = rising();
  training.length = training.shortest = 100;
  CHECK(sample_length(training, 3, Rng(1)) == 100);
}

TEST_CASE("A batch shifts targets by one, fills its tokens, and no two steps share a sample") {
  const Training training = rising();
  const Counting data;
  for (i64 step = 0; step < 100; ++step) {
    const model::Batch batch = make_batch(training, data, step, Rng(7));
    const i64 length = sample_length(training, step, Rng(7));
    CHECK(batch.tokens == length - 1);
    CHECK(batch.batch == std::max<i64>(1, 2048 / length));
    REQUIRE(batch.inputs.size() == static_cast<std::size_t>(batch.batch * batch.tokens));
    for (std::size_t i = 0; i < batch.inputs.size(); ++i) {
      REQUIRE(batch.targets[i] == batch.inputs[i] + 1);
      REQUIRE(batch.weights[i] == 1);
    }
  }
}

TEST_CASE("The weight of token i goes to the place that predicts it") {
  Training training = rising();
  training.length = training.shortest = 8;
  training.params.batch_tokens = 8;
  Counting data;
  data.weighted = true;
  const model::Batch batch = make_batch(training, data, 0, Rng(1));
  CHECK(batch.weights == std::vector<float>{1, 2, 3, 4, 5, 6, 7});
}
