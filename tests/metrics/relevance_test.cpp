// Tests metrics/relevance.cpp; tests/metrics/known_source_test.cpp holds it to the truth.
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

/// Documents of one letter each, but that every fifth letter is 'p'.
datasets::TextDataset themes(i64 documents, i64 length) {
  std::vector<std::string> texts;
  for (i64 d = 0; d < documents; ++d) {
    std::string& text = texts.emplace_back();
    for (i64 t = 0; t < length; ++t) {
      if (t > 0) text += ' ';
      text += static_cast<char>(t % 5 == 4 ? 'p' : 'a' + d);
    }
  }
  return datasets::TextDataset(std::move(texts), 1.0, letter_tokenizer(), Rng(1));
}

/// The commonest letter among the first 20, by `logit`.
model::Transformer theme_reader(double logit) {
  return oracle_model(
      16,
      [](std::span<const Token> seen) {
        std::array<int, 16> counts{};
        for (const Token token : seen.first(std::min<std::size_t>(20, seen.size()))) {
          ++counts[static_cast<std::size_t>(token)];
        }
        return static_cast<Token>(std::max_element(counts.begin(), counts.end()) - counts.begin());
      },
      logit);
}

const Settings kSettings{{"targets", "10"}, {"near", "5"}, {"blocks", "12"}, {"foreign", "3"}};

TEST_CASE("A reader of themes finds every continuation likelier after its own theme") {
  const auto data = themes(4, 120);
  const Findings found = measure_text("relevance", theme_reader(3), data, 50, {50}, kSettings);
  for (const char* kind : {"true_continuation", "own_continuation"}) {
    const Measurement& share = find(found, fmt::format("relevance/{}", kind));
    CHECK(*share.value == 1);
    CHECK(share.n == 12);
    CHECK(share.chance == 0.5);
    CHECK(share.protocol == "relevance/1:ctx=50:near=5:targets=10:foreign=3:ties=half");
    CHECK_THAT(share.ci_method, Contains("wilson"));
  }
  // Eight of ten true targets are the theme's letter, and two 'p': 3 nats each. All of its own are.
  CHECK(*find(found, "relevance/true_continuation_margin").value == Approx(2.4).epsilon(1e-4));
  CHECK(*find(found, "relevance/own_continuation_margin").value == Approx(3).epsilon(1e-4));
  for (const SampleRecord& sample : found.samples) {
    CHECK(sample.output == std::string{} + sample.output[0] + " " + sample.output.substr(2));
    CHECK(std::set<char>(sample.output.begin(), sample.output.end()).size() == 2);
    CHECK(score(sample, "true_continuation") == 1);
    CHECK(score(sample, "own_continuation_margin") == Approx(3).epsilon(1e-4));
  }
}

TEST_CASE("A reader that dislikes its theme finds none likelier after its own") {
  const Findings found =
      measure_text("relevance", theme_reader(-3), themes(4, 120), 50, {50}, kSettings);
  CHECK(*find(found, "relevance/true_continuation").value == 0);
  CHECK(*find(found, "relevance/true_continuation_margin").value == Approx(-2.4).epsilon(1e-4));
}

TEST_CASE("Foreign contexts that say the same count half") {
  // A single theme: every context is alike.
  const Findings found =
      measure_text("relevance", theme_reader(3), themes(2, 120), 50, {50}, kSettings);
  CHECK(*find(found, "relevance/true_continuation").value == 1);
  const Findings alike =
      measure_text("relevance", theme_reader(3), themes(1, 300), 50, {50}, kSettings);
  const Measurement& share = find(alike, "relevance/true_continuation");
  CHECK(*share.value == 0.5);
  CHECK(inside_interval(share));
}

TEST_CASE("Continuations are as few as the tokens of their contexts allow") {
  const auto samples = [](const std::string& tokens) {
    Settings settings = kSettings;
    settings["tokens"] = tokens;
    return measure_text("relevance", theme_reader(3), themes(2, 120), 50, {50}, settings)
        .samples.size();
  };
  CHECK(samples("0") == samples("1000000"));
  CHECK(samples("0") > 3);
  CHECK(samples("199") == 3);
  CHECK(samples("49") == 1);
}

TEST_CASE("The near tokens stay, so a join does not decide") {
  // What reads five letters reads the same ones after every context with its own last five; with
  // four the theme of another shows.
  const model::Transformer copies = CopySource{0.5, 5}.oracle(5);
  const auto nearest = [&](const char* near) {
    return *find(measure_text("relevance", copies, themes(4, 120), 50, {50},
                              {{"targets", "10"}, {"near", near}}),
                 "relevance/true_continuation")
                .value;
  };
  CHECK(nearest("5") == 0.5);
  CHECK(nearest("4") > 0.5);
  // The same letter again, whatever came before.
  std::vector<std::vector<double>> logits(16, std::vector<double>(16));
  for (std::size_t last = 0; last < 16; ++last) logits[last][last] = 4;
  const Findings found = measure_text("relevance", table_model(logits), themes(4, 120), 50, {50},
                                      {{"targets", "10"}, {"near", "1"}});
  CHECK(*find(found, "relevance/true_continuation").value == 0.5);
}

TEST_CASE("Relevance repeats to the bit, and says what it cannot do") {
  const auto data = themes(3, 200);
  const model::Transformer model = theme_reader(1);
  CHECK(text(measure_text("relevance", model, data, 50, {50}, kSettings)) ==
        text(measure_text("relevance", model, data, 50, {50}, kSettings)));
  CHECK_THROWS_WITH(measure_text("relevance", model, data, 14, {14}, kSettings),
                    Contains("lengths of 15 or more"));
  CHECK_NOTHROW(measure_text("relevance", model, data, 15, {15}, kSettings));
  CHECK_THROWS_WITH(make_metric("relevance")->measure(session(model, letter_tokenizer(), 128)),
                    Contains("relevance: the data has no held-out text"));
}

}  // namespace
}  // namespace longreach::metrics
