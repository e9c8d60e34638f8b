// Recall horizon: by hand, and how often its interval covers the truth.
#include "metrics/recall_horizon.h"

#include <catch2/catch.hpp>
#include <cmath>

namespace longreach::metrics {
namespace {

const Statistics kStatistics{.confidence = 0.9, .bootstrap = 300};

/// `count` independent answers at a position, a share of them right.
void add(std::vector<Recalled>& answers, double position, double share, int count) {
  for (int i = 0; i < count; ++i) answers.push_back({position, i < share * count ? 1.0 : 0.0, ""});
}

RecallHorizon horizon(const std::vector<Recalled>& answers, double offset = 0) {
  return recall_horizon(answers, 0.5, offset, kStatistics, Rng(1));
}

TEST_CASE("The horizon lies between two tested distances, evenly in doublings") {
  std::vector<Recalled> answers;
  add(answers, 32, 0, 50);
  add(answers, 8, 1, 50);
  const RecallHorizon found = horizon(answers);
  CHECK(*found.position == Approx(16));  // halfway from 2^3 to 2^5
  // Nothing tells where between the two: no resample may claim so.
  CHECK(*found.low == Approx(8));
  CHECK(*found.high == Approx(32));
  CHECK(found.clusters == 100);
  CHECK(found.nearest == 8);
  CHECK(found.farthest == 32);
}

TEST_CASE("Scores that rise with distance are pooled before the level is looked for") {
  std::vector<Recalled> answers;
  for (const double position : {2.0, 4.0, 8.0, 16.0}) {
    add(answers, position, position == 4 || position == 8 ? 1 : 0, 30);
  }
  // 0 1 1 0 fits 2/3 2/3 2/3 0, which passes 1/2 a quarter of the way from 2^3 to 2^4.
  CHECK(*horizon(answers).position == Approx(std::exp2(3.25)));
}

TEST_CASE("Where scores never fall below the level, or lie below it at once, there is no horizon") {
  std::vector<Recalled> high, low;
  add(high, 8, 1, 20);
  add(high, 64, 0.9, 20);
  add(low, 8, 0.1, 20);
  add(low, 64, 0, 20);
  CHECK_FALSE(horizon(high).position);
  CHECK_FALSE(horizon(high).below);
  CHECK_FALSE(horizon(high).high);
  CHECK_FALSE(horizon(low).position);
  CHECK(horizon(low).below);
  CHECK_FALSE(horizon(low).low);
}

TEST_CASE("An end of the interval that too many resamples leave open is open") {
  std::vector<Recalled> answers;
  add(answers, 8, 1, 40);
  add(answers, 64, 0.45, 40);  // half the time a resample has more than one half right
  const RecallHorizon found = horizon(answers);
  CHECK(found.position);
  CHECK(*found.low == Approx(8));
  CHECK_FALSE(found.high);
}

TEST_CASE("Compressions may be none") {
  std::vector<Recalled> answers;
  add(answers, 0, 1, 30);
  add(answers, 3, 0, 30);
  CHECK(*horizon(answers, 1).position == Approx(1));  // halfway from log2 1 to log2 4
}

TEST_CASE("Answers of one cluster are drawn together") {
  std::vector<Recalled> apart, together;
  for (int i = 0; i < 6; ++i) {
    for (int copy = 0; copy < 20; ++copy) {
      // Right up to 16, 32, or 64.
      for (const double position : {8.0, 16.0, 32.0, 64.0, 128.0}) {
        const double score = position <= std::exp2(4 + i % 3) ? 1 : 0;
        apart.push_back({position, score, ""});
        together.push_back({position, score, std::to_string(i)});
      }
    }
  }
  const RecallHorizon wide = horizon(together), narrow = horizon(apart);
  CHECK(wide.clusters == 6);
  CHECK(narrow.clusters == 600);
  CHECK(*wide.position == Approx(*narrow.position));
  CHECK(*wide.high / *wide.low > *narrow.high / *narrow.low);
}

TEST_CASE("The horizon's interval covers the true one as often as it says") {
  // p = 1 / (1 + e^(1.5 (log2 d - 6))) is one half at 64 tokens.
  int covered = 0;
  double doublings = 0;
  constexpr int kRepetitions = 300;
  for (i64 repetition = 0; repetition < kRepetitions; ++repetition) {
    Rng rng = Rng(6).fork(repetition);
    std::vector<Recalled> answers;
    for (int i = 0; i < 120; ++i) {
      const double x = 3 + 6 * rng.uniform();
      const double right = 1 / (1 + std::exp(1.5 * (x - 6)));
      answers.push_back({std::exp2(x), rng.uniform() < right ? 1.0 : 0.0, ""});
    }
    const RecallHorizon found = recall_horizon(
        answers, 0.5, 0, {.confidence = 0.9, .bootstrap = 200}, rng.fork("resamples"));
    REQUIRE(found.low);
    REQUIRE(found.high);
    covered += *found.low <= 64 && 64 <= *found.high;
    doublings += std::log2(*found.high / *found.low) / kRepetitions;
  }
  CHECK(covered >= kRepetitions * (0.9 - 0.052));  // three deviations
  CHECK(doublings < 2);                            // of six tested
}

TEST_CASE("Buckets double, and what lies below 1 has one of its own") {
  CHECK(doubling_bucket(0) == -1);
  CHECK(doubling_bucket(0.99) == -1);
  CHECK(doubling_bucket(1) == 0);
  CHECK(doubling_bucket(63.9) == 5);
  CHECK(doubling_bucket(64) == 6);
  CHECK(doubling_middle(-1) == 0);
  CHECK(doubling_middle(6) == Approx(std::sqrt(64.0 * 128)));
}

}  // namespace
}  // namespace longreach::metrics
