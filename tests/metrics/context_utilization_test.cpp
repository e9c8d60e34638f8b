// Tests metrics/context_utilization.cpp.
#include <catch2/catch.hpp>
#include <cmath>

#include "core/error.h"
#include "datasets/passkey.h"
#include "datasets/text.h"
#include "metrics/statistics.h"
#include "tests/metrics/models.h"
#include "tests/metrics/settings.h"

namespace longreach::metrics {
namespace {

using Catch::Matchers::Contains;

const std::unique_ptr<datasets::Tokenizer> bytes = datasets::byte_tokenizer();
const std::unique_ptr<datasets::Tokenizer> words =
    datasets::word_tokenizer(datasets::passkey_words());
constexpr double kLogit = 5;

/// 300 random bytes, again and again, all held out.
datasets::TextDataset repeating_text() {
  Rng rng(11);
  std::string period, text;
  for (int i = 0; i < 300; ++i) period += static_cast<char>(rng.below(256));
  for (int i = 0; i < 6; ++i) text += period;
  return datasets::TextDataset({text}, 1.0, *bytes, Rng(1));
}

Findings gain(const model::Transformer& model, i64 length, Settings settings = {}) {
  static const auto data = repeating_text();
  static const std::vector<i64> lengths{128, 256, 512};
  Session s = session(model, *bytes, length, lengths);
  s.data = &data;
  return make_metric("context_utilization", std::move(settings))->measure(s);
}

std::unique_ptr<datasets::Dataset> passkey_data() {
  return tests::make<datasets::DatasetRegistry>("passkey", {}, *words, Rng(2));
}

Findings facts(const model::Transformer& model, i64 length, Settings settings = {}) {
  const auto data = passkey_data();
  Session s = session(model, *words, length);
  s.data = data.get();
  return make_metric("context_utilization", std::move(settings))->measure(s);
}

TEST_CASE("A model without opinion gains nothing from context") {
  const model::Transformer model = uniform_model(256);
  for (const i64 length : {128, 512}) {
    const Findings found = gain(model, length);
    CHECK(*find(found, "utilization/gain").value == 0);
    CHECK(*find(found, "utilization/loss").value == Approx(std::log(256.0)));
  }
}

TEST_CASE("A model that copies gains its whole loss once the context holds the original") {
  const model::Transformer model = oracle_model(256, copy_from_context, kLogit);
  // The text repeats after 300 bytes: contexts of 128 and 256 hold no repetition.
  CHECK(*find(gain(model, 256), "utilization/gain").value == Approx(0).margin(1e-6));
  const Findings found = gain(model, 512);
  const double copied = std::log(255 + std::exp(kLogit)) - kLogit;
  const Measurement& g = find(found, "utilization/gain");
  CHECK(*g.value == Approx(std::log(256.0) - copied).epsilon(1e-5));
  CHECK(inside_interval(g));
  CHECK(*find(found, "utilization/loss").value == Approx(copied).epsilon(1e-5));
  CHECK(g.protocol == "gain/1:ctx=512:shortest=128:targets=64:score=tail:unit=token");
  for (const SampleRecord& sample : found.samples) {
    CHECK(score(sample, "gain") == Approx(*g.value).epsilon(1e-5));
  }
}

TEST_CASE("At the shortest length the gain is 0 by definition, without an interval") {
  const model::Transformer model = full_model(256);
  const Findings found = gain(model, 128);
  const Measurement& g = find(found, "utilization/gain");
  CHECK(*g.value == 0);
  CHECK(g.n == std::ssize(found.samples));
  CHECK(g.ci_method == "reference");
  CHECK_FALSE(g.ci_low);
  CHECK(inside_interval(find(found, "utilization/loss")));
}

TEST_CASE("Gain is counted on the same targets at every length") {
  const model::Transformer model = full_model(256);
  const Findings one = gain(model, 128), other = gain(model, 512);
  // Contexts of 512 leave room for 1 + (1800 - 513) / 64 = 21 blocks.
  REQUIRE(one.samples.size() == 21);
  REQUIRE(other.samples.size() == 21);
  for (std::size_t i = 0; i < 21; ++i) {
    CHECK(one.samples[i].sample_sha == other.samples[i].sample_sha);
    CHECK(score(other.samples[i], "gain") ==
          Approx(score(one.samples[i], "loss") - score(other.samples[i], "loss")).margin(1e-9));
  }
}

TEST_CASE("A model without opinion uses no fact") {
  const Findings found = facts(uniform_model(words->vocabulary_size()), 150);
  const Measurement& efficiency = find(found, "utilization/efficiency");
  CHECK(*efficiency.value == 0);
  CHECK(*efficiency.chance == 0);
  CHECK(efficiency.n == 24);
  CHECK(*efficiency.ci_high == Approx(wilson(0, 24, 0.95).high));
  CHECK(*find(found, "utilization/fact_effect").value == 0);
}

TEST_CASE("A model that copies uses every fact, with its whole logit as the effect") {
  const model::Transformer model =
      oracle_model(words->vocabulary_size(), copy_from_context, kLogit);
  const Findings found = facts(model, 150, {{"samples", "6"}});
  CHECK(*find(found, "utilization/efficiency").value == 1);
  CHECK(find(found, "utilization/efficiency").n == 6);
  // Copied or not, the other digit's logit is 0: each answer moves by exactly the logit.
  CHECK(*find(found, "utilization/fact_effect").value == Approx(kLogit).epsilon(1e-5));
  CHECK(found.samples.size() == 6);
  CHECK(score(found.samples[0], "efficiency") == 1);
  CHECK(found.samples[0].distance);
  const Findings strict = facts(model, 150, {{"samples", "6"}, {"margin", "5.1"}});
  CHECK(*find(strict, "utilization/efficiency").value == 0);
}

TEST_CASE("A model that sees a window only uses the facts inside it") {
  const i64 window = 60;
  const model::Transformer model =
      oracle_model(words->vocabulary_size(), copy_from_context, kLogit, window);
  const Findings found = facts(model, 150, {{"samples", "12"}});
  int inside = 0;
  for (const SampleRecord& sample : found.samples) {
    // Whole statement in the window of every answer digit, or all of it (34 tokens or so) before.
    const bool seen = *sample.distance + 5 <= window;
    const bool unseen = *sample.distance > window + 25;
    inside += seen;
    if (seen) CHECK(score(sample, "efficiency") == 1);
    if (unseen) CHECK(score(sample, "efficiency") == 0);
  }
  CHECK(inside > 0);
  CHECK(inside < 12);
}

TEST_CASE("A fact is unused when one answer falls and the other does not rise") {
  // Copies even digits only, with a logit of 2: swapping an even digit for an odd one costs the
  // answer 2 nats but gives the other digit only what the softmax has to share out, 0.1.
  const model::Transformer model = oracle_model(
      words->vocabulary_size(),
      [](std::span<const Token> seen) {
        const Token next = copy_from_context(seen);
        return next < 10 && next % 2 == 1 ? -1 : next;
      },
      2);
  const auto data = passkey_data();
  double both_even = 0, sum = 0;
  for (i64 i = 0; i < 24; ++i) {
    const datasets::Sample sample = data->sample(datasets::Split::test, i, 150);
    for (const datasets::Fact& fact : sample.facts) {
      const Token stated = sample.tokens[static_cast<std::size_t>(fact.answer.begin)];
      both_even += stated % 2 == 0 && fact.counterfactual[0] % 2 == 0;
      ++sum;
    }
  }
  REQUIRE(both_even > 0);
  const Measurement efficiency = find(facts(model, 150), "utilization/efficiency");
  CHECK(*efficiency.value == Approx(both_even / sum));
  CHECK(inside_interval(efficiency));
  CHECK(efficiency.ci_method == "bootstrap 0.95 over 24 samples, 200 resamples");
}

TEST_CASE("Context utilization repeats to the bit") {
  const model::Transformer texts = full_model(256), tasks = full_model(words->vocabulary_size());
  CHECK(text(gain(texts, 256)) == text(gain(texts, 256)));
  CHECK(text(facts(tasks, 150)) == text(facts(tasks, 150)));
}

TEST_CASE("Context utilization says what is missing when it cannot be measured") {
  const model::Transformer model = uniform_model(256);
  CHECK_THROWS_WITH(gain(model, 100), Contains("100 tokens") && Contains("128"));
  CHECK_THROWS_WITH(make_metric("context_utilization", {{"shortest", "64"}}),
                    Contains("more than the 64 targets"));
  CHECK_THROWS_WITH(make_metric("context_utilization")->measure(session(model, *bytes, 128)),
                    Contains("name the data"));
  CHECK(make_metric("context_utilization")->default_data().empty());
}

}  // namespace
}  // namespace longreach::metrics
