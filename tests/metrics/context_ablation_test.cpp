// Tests metrics/context_ablation.cpp; tests/metrics/known_source_test.cpp holds it to the truth.
#include <catch2/catch.hpp>
#include <cmath>

#include "core/error.h"
#include "tests/metrics/known_source.h"
#include "tests/metrics/models.h"
#include "tests/metrics/settings.h"

namespace longreach::metrics {
namespace {

using Catch::Matchers::Contains;

const CopySource kSource{0.9, 50};
const Settings kSettings{{"targets", "16"}, {"near", "24"}, {"segment", "8"}, {"blocks", "12"}};

Findings measure(const model::Transformer& model, i64 length, const std::vector<i64>& lengths,
                 const Settings& settings = kSettings) {
  static const auto data = kSource.text(2, 600, 3);
  return measure_text("context_ablation", model, data, length, lengths, settings);
}

TEST_CASE("A model that context does not help has no shares of help, and loses nothing") {
  for (const model::Transformer& model : {uniform_model(16), memoryless_model(3)}) {
    const Findings found = measure(model, 100, {100});
    for (const char* name : {"drop", "shuffle", "foreign", "shuffle_of_drop", "foreign_of_drop"}) {
      const Measurement& m = find(found, fmt::format("ablation/{}", name));
      CHECK_FALSE(m.value);
      CHECK_FALSE(m.ci_low);
      CHECK(m.n == 12);
      CHECK_THAT(m.ci_method, Contains("not clearly above 0"));
    }
    for (const char* name : {"help", "drop_loss", "shuffle_loss", "foreign_loss"}) {
      const Measurement& m = find(found, fmt::format("ablation/{}", name));
      CHECK(*m.value == Approx(0).margin(1e-6));
      CHECK(m.chance == 0.0);
    }
  }
}

TEST_CASE("Losses are the means of their samples' scores and shares the ratios of their sums") {
  const Findings found = measure(kSource.oracle(), 100, {100});
  REQUIRE(found.samples.size() == 12);
  std::map<std::string, double> sums;
  for (const SampleRecord& sample : found.samples) {
    for (const auto& [name, value] : sample.scores) sums[name] += value;
  }
  for (const char* name : {"help", "drop_loss", "shuffle_loss", "foreign_loss"}) {
    const Measurement& m = find(found, fmt::format("ablation/{}", name));
    CHECK(*m.value == Approx(sums[name] / 12));
    CHECK(inside_interval(m));
    CHECK(m.unit == "nats/token");
  }
  for (const char* name : {"drop", "shuffle", "foreign"}) {
    const Measurement& m = find(found, fmt::format("ablation/{}", name));
    CHECK(*m.value == Approx(sums[fmt::format("{}_loss", name)] / sums["help"]));
    CHECK(inside_interval(m));
    CHECK(m.n == 12);
    CHECK(m.protocol == "ablation/1:ctx=100:near=24:segment=8:targets=16:score=tail:unit=token");
  }
  CHECK(*find(found, "ablation/foreign_of_drop").value ==
        Approx(sums["foreign_loss"] / sums["drop_loss"]));
}

TEST_CASE("Shuffling a far context whose segments all agree takes nothing") {
  // One letter over and over, and a model that copies from 50 back: any order is the same text.
  const std::string text = [] {
    std::string letters = "a";
    for (int i = 0; i < 600; ++i) letters += " a";
    return letters;
  }();
  const datasets::TextDataset data({text}, 1.0, letter_tokenizer(), Rng(1));
  const Findings found =
      measure_text("context_ablation", kSource.oracle(), data, 100, {100}, kSettings);
  CHECK(*find(found, "ablation/shuffle").value == Approx(0).margin(1e-6));
  CHECK(*find(found, "ablation/foreign").value == Approx(0).margin(1e-6));
  CHECK(*find(found, "ablation/drop").value == Approx(1));
}

TEST_CASE("A shuffled far context holds the same letters in whole segments, never as they were") {
  for (const i64 back : {i64{25}, i64{32}, i64{33}, i64{40}}) {
    INFO(back);
    const CopySource source{0.6, back};
    const auto data = source.text(8, 600, 5);
    // One target; its source lies in the last (25 to 32 back) or the second last of two segments of
    // 8: the only other order of two swaps them, so that it is lost for certain.
    const Findings found =
        measure_text("context_ablation", source.oracle(), data, 40, {40},
                     {{"targets", "1"}, {"near", "24"}, {"segment", "8"}, {"blocks", "300"}});
    const double misled = (source.misled() - source.known()) / source.gain();
    const Measurement& m = find(found, "ablation/shuffle");
    CHECK(*m.ci_low <= misled);
    CHECK(misled <= *m.ci_high);
  }
}

TEST_CASE("Ablations are of the same targets at every length, and repeat to the bit") {
  const model::Transformer model = kSource.oracle();
  const Findings one = measure(model, 80, {80, 120}), other = measure(model, 120, {80, 120});
  CHECK(find(one, "ablation/help").data_sha == find(other, "ablation/help").data_sha);
  CHECK(text(one) == text(measure(model, 80, {80, 120})));
}

TEST_CASE("Ablations of few tokens are of few blocks, batches of blocks score as each alone") {
  const auto data = CopySource{0.5, 10}.text(1, 20000, 3);
  const auto measured = [&](i64 length, const std::string& tokens) {
    Settings settings = kSettings;
    settings["tokens"] = tokens;
    return measure_text("context_ablation", memoryless_model(2), data, length, {length}, settings);
  };
  CHECK(measured(1000, "0").samples.size() == 12);
  CHECK(measured(1000, "5999").samples.size() == 5);
  CHECK(measured(1000, "999").samples.size() == 1);
  CHECK(measured(100, "5999").samples.size() == 12);
  // Of 1000 tokens eight blocks go at once: the last four are of another batch. Whoever looks at
  // no more than the last token gets nothing from any of their contexts.
  for (const SampleRecord& sample : measured(1000, "0").samples) {
    CHECK(score(sample, "foreign_loss") == Approx(0).margin(1e-5));
  }
}

TEST_CASE("Ablation says what is missing when it cannot be measured") {
  const model::Transformer model = uniform_model(16);
  CHECK_THROWS_WITH(measure(model, 54, {54}), Contains("lengths of 55 or more"));
  CHECK_NOTHROW(measure(model, 55, {55}));
  CHECK_THROWS_WITH(
      make_metric("context_ablation")->measure(session(model, letter_tokenizer(), 400)),
      Contains("context_ablation: the data has no held-out text"));
}

}  // namespace
}  // namespace longreach::metrics
