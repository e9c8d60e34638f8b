// Effective length: by hand, and how often its interval covers the truth.
#include "metrics/effective_length.h"

#include <catch2/catch.hpp>

namespace longreach::metrics {
namespace {

const Statistics kStatistics{.confidence = 0.9, .bootstrap = 400};

/// `right` of `count` samples score 1.
LengthScores at(i64 length, i64 right, i64 count) {
  LengthScores scores{length, {"samples", {}, {}}};
  for (i64 i = 0; i < count; ++i) scores.units.add(i < right ? 1 : 0);
  return scores;
}

std::optional<i64> length_of(const std::vector<LengthScores>& scores,
                             const LengthThreshold& threshold) {
  return effective_length(scores, threshold, kStatistics, Rng(1)).length;
}

TEST_CASE("The effective length is the longest up to which every length holds") {
  const std::vector<LengthScores> scores{at(64, 100, 100), at(128, 90, 100), at(256, 60, 100),
                                         at(512, 90, 100)};
  // 0.6 < 0.85 at 256: that 512 holds again does not count.
  CHECK(length_of(scores, {.value = 0.85, .relative = true}) == 128);
  CHECK(length_of(scores, {.value = 0.6, .relative = false}) == 512);
  CHECK(length_of(scores, {.value = 0.61, .relative = false}) == 128);
  CHECK(effective_length(scores, {.value = 0.5}, kStatistics, Rng(1)).censored);
  CHECK_FALSE(effective_length(scores, {.value = 0.85}, kStatistics, Rng(1)).censored);
}

TEST_CASE("A relative threshold is a share of the score at the shortest length") {
  const std::vector<LengthScores> scores{at(64, 50, 100), at(128, 43, 100), at(256, 42, 100)};
  CHECK(length_of(scores, {.value = 0.85, .relative = true}) == 128);  // 0.425
  CHECK(length_of(scores, {.value = 0.85, .relative = false}) == std::nullopt);
}

TEST_CASE("Scores that guessing reaches hold at no length") {
  const std::vector<LengthScores> scores{at(64, 10, 100), at(128, 10, 100)};
  CHECK(length_of(scores, {.value = 0.85, .chance = 0.1}) == std::nullopt);
  CHECK(length_of(scores, {.value = 0.85, .chance = 0.09}) == 128);
  const std::vector<LengthScores> nothing{at(64, 0, 20), at(128, 0, 20)};
  const EffectiveLength found = effective_length(nothing, {}, kStatistics, Rng(1));
  CHECK(found.length == std::nullopt);
  CHECK(found.low == 0);
}

TEST_CASE("Units of unequal size count by it") {
  LengthScores longer{128, {"clusters", {}, {}}};
  longer.units.add(9, 10);  // 9 right of 10
  longer.units.add(0, 2);   // 9 of 12 in all = 0.75, where the mean of shares is 0.45
  const std::vector<LengthScores> scores{at(64, 2, 2), longer};
  CHECK(length_of(scores, {.value = 0.75}) == 128);
  CHECK(length_of(scores, {.value = 0.76}) == 64);
}

TEST_CASE("Samples that all score alike do not make a certain effective length") {
  // 20 of 20 right: each draw of 20 from those and one wrong has two wrong or more, below 0.95,
  // with 1 - 2 (20/21)^20 = 0.246.
  const std::vector<LengthScores> scores{at(64, 20, 20), at(128, 0, 20)};
  const EffectiveLength found =
      effective_length(scores, {.value = 0.95, .relative = false}, kStatistics, Rng(1));
  CHECK(found.length == 64);
  CHECK(found.low == 0);
  CHECK(found.high == 64);
  // At 0.8 it takes five wrong ones, of which there are 0.4%.
  CHECK(effective_length(scores, {.value = 0.8, .relative = false}, kStatistics, Rng(1)).low == 64);
}

TEST_CASE("The interval covers the true effective length as often as it says") {
  // Threshold 0.7: the true one is 256, with 0.78 right there and 0.6 at the next.
  const std::vector<double> truth{0.99, 0.95, 0.78, 0.6, 0.1};
  int covered = 0, open = 0;
  constexpr int kRepetitions = 300;
  for (i64 repetition = 0; repetition < kRepetitions; ++repetition) {
    Rng rng = Rng(5).fork(repetition);
    std::vector<LengthScores> scores;
    for (std::size_t i = 0; i < truth.size(); ++i) {
      i64 right = 0;
      for (int k = 0; k < 40; ++k) right += rng.uniform() < truth[i];
      scores.push_back(at(64 << i, right, 40));
    }
    const EffectiveLength found =
        effective_length(scores, {.value = 0.7, .relative = false},
                         {.confidence = 0.9, .bootstrap = 200}, rng.fork("resamples"));
    covered += found.low <= 256 && 256 <= found.high;
    open += found.low == 0 || found.high == 1024;
  }
  // Ends are tested lengths, so it covers at least as often as asked; three deviations below 0.9.
  CHECK(covered >= kRepetitions * (0.9 - 0.052));
  CHECK(open == 0);  // and not by claiming nothing
}

}  // namespace
}  // namespace longreach::metrics
