// Tests metrics/coherence.cpp; tests/metrics/known_source_test.cpp holds it to the truth.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <set>

#include "core/error.h"
#include "tests/metrics/known_source.h"
#include "tests/metrics/models.h"
#include "tests/metrics/settings.h"

namespace longreach::metrics {
namespace {

using Catch::Matchers::Contains;

/// a b c ... p a b ..., all held out.
datasets::TextDataset alphabet(i64 count) {
  std::string text;
  for (i64 i = 0; i < count; ++i) {
    if (i > 0) text += ' ';
    text += static_cast<char>('a' + i % 16);
  }
  return datasets::TextDataset({text}, 1.0, letter_tokenizer(), Rng(1));
}

/// After a letter the next of the alphabet, by `logit`.
model::Transformer successor(double logit) {
  std::vector<std::vector<double>> logits(16, std::vector<double>(16));
  for (std::size_t last = 0; last < 16; ++last) logits[last][(last + 1) % 16] = logit;
  return table_model(logits);
}

TEST_CASE("The alphabet's order is preferred by whoever knows it, and disliked by the contrary") {
  const auto data = alphabet(200);
  const Settings settings{{"passages", "9"}, {"segments", "3"}, {"shuffles", "5"}};
  const Findings found = measure_text("coherence", successor(2), data, 18, {18}, settings);
  const Measurement& share = find(found, "coherence/real_order");
  CHECK(*share.value == 1);
  CHECK(share.n == 9);
  CHECK(share.chance == 0.5);
  CHECK_THAT(share.ci_method, Contains("wilson"));
  CHECK(share.protocol == "coherence/1:ctx=18:segments=3:shuffles=5:score=all:ties=half");
  CHECK(*find(measure_text("coherence", successor(-2), data, 18, {18}, settings),
              "coherence/real_order")
             .value == 0);
  // Of the joints before and within x|123 the orders 132, 213, 231, 312 and 321 break 2, 3, 2, 2
  // and 3 (segments of 6: no segment follows another by chance), 2 nats each.
  const Measurement& margin = find(found, "coherence/margin");
  CHECK(*margin.value == Approx(2 * 12.0 / 5 / 18).epsilon(1e-4));
  for (const SampleRecord& sample : found.samples) {
    CHECK(score(sample, "real_order") == 1);
    CHECK(score(sample, "margin") == Approx(*margin.value).epsilon(1e-4));
  }
}

TEST_CASE("One shuffle a passage gives a share with Wilson's interval, where no orders tie") {
  const auto data = CopySource{0.5, 10}.text(1, 4000, 3);
  const Findings found = measure_text("coherence", memoryless_model(2), data, 40, {40},
                                      {{"passages", "60"}, {"shuffles", "1"}});
  const Measurement& share = find(found, "coherence/real_order");
  double wins = 0;
  for (const SampleRecord& sample : found.samples) wins += score(sample, "real_order");
  CHECK((10 < wins && wins < 50));
  CHECK(*share.value == Approx(wins / 60));
  CHECK(share.n == 60);
  // Some joints are of the same letters in both orders.
  CHECK(wins != std::floor(wins));
  CHECK(share.ci_method == "bootstrap 0.95 over 60 passages, 200 resamples");
  const Findings known = measure_text("coherence", successor(2), alphabet(200), 18, {18},
                                      {{"segments", "3"}, {"shuffles", "1"}, {"passages", "9"}});
  CHECK(find(known, "coherence/real_order").ci_method == "wilson 0.95");
}

TEST_CASE("A model without preference between orders scores a half, at any length") {
  const auto data = CopySource{0.5, 10}.text(1, 2000, 3);
  for (const std::string shuffles : {"1", "3"}) {
    for (const i64 length : {40, 400}) {
      const Findings found = measure_text("coherence", uniform_model(16), data, length, {length},
                                          {{"passages", "4"}, {"shuffles", shuffles}});
      CHECK(*find(found, "coherence/real_order").value == 0.5);
      for (const SampleRecord& sample : found.samples) CHECK(score(sample, "real_order") == 0.5);
    }
  }
}

TEST_CASE("Long passages are as few as their tokens allow, and scored batch by batch as at once") {
  const auto data = CopySource{0.5, 10}.text(1, 30000, 3);
  const auto found = [&](i64 length, const std::string& tokens) {
    return measure_text("coherence", memoryless_model(2), data, length, {length},
                        {{"passages", "20"}, {"tokens", tokens}});
  };
  CHECK(found(1000, "0").samples.size() == 20);
  CHECK(found(1000, "5999").samples.size() == 5);
  CHECK(found(1000, "999").samples.size() == 1);
  CHECK(found(100, "5999").samples.size() == 20);
  // 8 passages of 1000 tokens at once: the ninth is in another batch. By hand it is the same.
  const Findings all = found(1000, "0");
  double mean = 0;
  for (const SampleRecord& sample : all.samples) mean += score(sample, "margin") / 20;
  CHECK(*find(all, "coherence/margin").value == Approx(mean));
}

TEST_CASE("Every order has the same tokens after the same one, and no order comes twice") {
  std::vector<std::vector<Token>> read;
  const model::Transformer model = oracle_model(
      16,
      [&read](std::span<const Token> seen) {
        if (seen.size() == 14) read.emplace_back(seen.begin(), seen.end());
        return -1;
      },
      1);
  const auto data = alphabet(15);  // one passage of 14 tokens after 'a'
  measure_text("coherence", model, data, 14, {14}, {{"segments", "3"}, {"shuffles", "5"}});
  // The 14th of 15 tokens is the last that is read; segments are b-e, f-j and k-o, and so the
  // orders differ in what they read.
  REQUIRE(read.size() == 6);
  CHECK(std::set<std::vector<Token>>(read.begin(), read.end()).size() == 6);
  for (const auto& tokens : read) CHECK(tokens.front() == 0);
  CHECK(std::ranges::count(read,
                           std::vector<Token>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}) == 1);
  CHECK(std::ranges::count(read,
                           std::vector<Token>{0, 10, 11, 12, 13, 14, 5, 6, 7, 8, 9, 1, 2, 3}) == 1);
}

TEST_CASE("Coherence repeats to the bit, and says what it cannot do") {
  const auto data = CopySource{0.5, 10}.text(1, 1000, 3);
  const model::Transformer model = memoryless_model(2);
  CHECK(text(measure_text("coherence", model, data, 40, {40}, {})) ==
        text(measure_text("coherence", model, data, 40, {40}, {})));
  CHECK_THROWS_WITH(make_metric("coherence", {{"segments", "2"}, {"shuffles", "2"}}),
                    Contains("2 segments have 1 other orders, not 2"));
  CHECK_NOTHROW(make_metric("coherence", {{"segments", "3"}, {"shuffles", "5"}}));
  CHECK_THROWS_WITH(measure_text("coherence", model, data, 3, {3}, {}),
                    Contains("3 tokens cannot be cut into 4"));
  CHECK_THROWS_WITH(make_metric("coherence")->measure(session(model, letter_tokenizer(), 64)),
                    Contains("coherence: the data has no held-out text"));
}

}  // namespace
}  // namespace longreach::metrics
