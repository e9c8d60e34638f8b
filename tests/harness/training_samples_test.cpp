// Tests harness/training_samples.cpp; the pairs that losses are compared on: held_out_test.cpp.
#include "harness/training_samples.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <map>

#include "trainings.h"

using namespace longreach;
using namespace longreach::harness;
using namespace longreach::tests;
using Catch::Matchers::Contains;

namespace {

/// Samples of 512 tokens, of which virtual repetition takes 70% from the start.
Training repeating() {
  Training training = rising();
  training.length = training.shortest = 512;
  training.virtual_repetition = {.share = 0.7, .after = 0, .ramp = 0, .most = 4096};
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
    const model::Batch batch = make_batch(training, data, step, 64, Rng(7));
    const i64 length = sample_length(training, step, Rng(7));
    CHECK(batch.tokens == length - 1);
    CHECK(batch.batch == std::max<i64>(1, 2048 / length));
    REQUIRE(batch.inputs.size() == static_cast<std::size_t>(batch.batch * batch.tokens));
    for (std::size_t i = 0; i < batch.inputs.size(); ++i) {
      REQUIRE(batch.targets[i] == batch.inputs[i] + 1);
      REQUIRE(batch.weights[i] == 1);
    }
    CHECK(batch.repeats.empty());  // unless asked for
  }
}

TEST_CASE("The weight of token i goes to the place that predicts it") {
  Training training = rising();
  training.length = training.shortest = 8;
  training.params.batch_tokens = 8;
  Counting data;
  data.weighted = true;
  const model::Batch batch = make_batch(training, data, 0, 0, Rng(1));
  CHECK(batch.weights == std::vector<float>{1, 2, 3, 4, 5, 6, 7});
}

TEST_CASE("The most repeats rise by equal factors over the ramp, from where they begin") {
  const VirtualRepetition repetition{.share = 1, .after = 0.25, .ramp = 0.5, .most = 65536};
  CHECK(most_repeats(repetition, 0, 1000) == 1);
  CHECK(most_repeats(repetition, 250, 1000) == 1);
  CHECK(most_repeats(repetition, 375, 1000) == Approx(16));
  CHECK(most_repeats(repetition, 500, 1000) == Approx(256));
  CHECK(most_repeats(repetition, 750, 1000) == Approx(65536));
  CHECK(most_repeats(repetition, 999, 1000) == Approx(65536));
  const VirtualRepetition at_once{.share = 1, .after = 0.25, .ramp = 0, .most = 100};
  CHECK(most_repeats(at_once, 251, 1000) == Approx(100));
}

TEST_CASE("One whole segment of nothing but filler is repeated, in the share asked for") {
  Counting data;
  // Whole segments of 64 in these: from 128, and from 256, 320 and 384.
  data.filler = {{70, 130}, {230, 270}};
  std::map<i64, i64> begins;
  i64 repeated = 0, below = 0, samples = 0;
  for (i64 step = 1; step < 100; ++step) {
    const model::Batch batch = make_batch(repeating(), data, step, 64, Rng(8));
    REQUIRE(batch.repeats.size() == batch.inputs.size());
    for (i64 stream = 0; stream < batch.batch; ++stream, ++samples) {
      const auto own = std::span(batch.repeats)
                           .subspan(static_cast<std::size_t>(stream * batch.tokens),
                                    static_cast<std::size_t>(batch.tokens));
      const auto first = std::ranges::find_if(own, [](float times) { return times != 1; });
      if (first == own.end()) continue;
      REQUIRE(std::count(own.begin(), own.end(), *first) == 64);
      REQUIRE(std::count(own.begin(), own.end(), 1.0F) == batch.tokens - 64);
      REQUIRE(std::all_of(first, first + 64, [&](float times) { return times == *first; }));
      CHECK(*first > 1);
      CHECK(*first <= 4096);
      ++begins[first - own.begin()];
      ++repeated;
      below += *first < 64;  // the geometric mean of 1 and 4096
    }
  }
  REQUIRE(begins.size() == 4);
  for (const i64 begin : {128, 256, 320, 384}) CHECK(begins.contains(begin));
  // Four standard errors of 396 samples.
  CHECK(static_cast<double>(repeated) / static_cast<double>(samples) == Approx(0.7).margin(0.093));
  CHECK(static_cast<double>(below) / static_cast<double>(repeated) == Approx(0.5).margin(0.121));
}

TEST_CASE("Virtual repetition leaves the samples alone and is the same for the same step") {
  Counting data, again, without;
  data.filler = again.filler = without.filler = {{0, 512}};
  Training off = repeating();
  off.virtual_repetition.share = 0;
  const model::Batch batch = make_batch(repeating(), data, 5, 64, Rng(9));
  CHECK(std::ranges::count(batch.repeats, 1.0F) < std::ssize(batch.repeats));
  CHECK(batch.repeats == make_batch(repeating(), again, 5, 64, Rng(9)).repeats);
  const model::Batch plain = make_batch(off, without, 5, 64, Rng(9));
  CHECK(plain.repeats.empty());
  CHECK(plain.inputs == batch.inputs);
  CHECK(plain.weights == batch.weights);
}

TEST_CASE("Nothing is repeated for a model without segments, before its time, or without filler") {
  Counting data;
  data.filler = {{0, 512}};
  CHECK(make_batch(repeating(), data, 5, 0, Rng(9)).repeats.empty());
  Training later = repeating();
  later.virtual_repetition.after = 0.5;
  CHECK(make_batch(later, data, 50, 64, Rng(9)).repeats.empty());
  CHECK_FALSE(make_batch(later, data, 51, 64, Rng(9)).repeats.empty());
  data.filler = {{0, 63}, {65, 126}};
  const model::Batch batch = make_batch(repeating(), data, 6, 64, Rng(9));
  CHECK(std::ranges::count(batch.repeats, 1.0F) == std::ssize(batch.repeats));
}
