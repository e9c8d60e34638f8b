// Tests metrics/perplexity.cpp.
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "datasets/text.h"
#include "model/import.h"
#include "tests/metrics/models.h"
#include "tests/metrics/settings.h"
#include "tests/model/checkpoints.h"
#include "tests/model/naive_transformer.h"
#include "tests/test_data.h"

namespace longreach::metrics {
namespace {

using Catch::Matchers::Contains;

const std::unique_ptr<datasets::Tokenizer> bytes = datasets::byte_tokenizer();

/// Random letters, all held out.
std::string letters(i64 count) {
  Rng rng(11);
  std::string text;
  for (i64 i = 0; i < count; ++i) text += static_cast<char>('a' + rng.below(20));
  return text;
}

datasets::TextDataset held_out(const std::string& text) {
  return datasets::TextDataset({text}, 1.0, *bytes, Rng(1));
}

Findings measure(const model::Transformer& model, const datasets::Dataset& data, i64 length,
                 std::vector<i64> lengths, std::map<std::string, std::string> settings) {
  Session s = session(model, *bytes, length, lengths);
  s.data = &data;
  return make_metric("perplexity", std::move(settings))->measure(s);
}

/// logits[last][next] of a table over bytes.
std::vector<std::vector<double>> table() {
  std::vector<std::vector<double>> logits(256, std::vector<double>(256));
  for (std::size_t last = 0; last < 256; ++last) {
    for (std::size_t next = 0; next < 256; ++next) {
      logits[last][next] = 0.3 * static_cast<double>((7 * next + 13 * last) % 11);
    }
  }
  return logits;
}

TEST_CASE("A uniform model over bytes has 8 bits per byte and perplexity 256") {
  const model::Transformer model = uniform_model(256);
  const auto data = held_out(letters(1000));
  const Findings found = measure(model, data, 128, {64, 128}, {{"stride", "32"}});
  CHECK(*find(found, "perplexity/bits_per_byte").value == Approx(8).epsilon(1e-6));
  CHECK(*find(found, "perplexity/token").value == Approx(256).epsilon(1e-6));
  CHECK(*find(found, "perplexity/byte").value == Approx(256).epsilon(1e-6));
  REQUIRE(found.curves.size() == 1);
  CHECK(found.curves[0].name == "perplexity/by_position");
  // Buckets [1], [2, 3], [4, 7], ..., [64, 127], [128].
  REQUIRE(found.curves[0].x.size() == 8);
  CHECK(found.curves[0].x[1] == Approx(std::sqrt(6.0)));
  CHECK(found.curves[0].x[7] == 128);
  for (const double bits : found.curves[0].y) CHECK(bits == Approx(8).epsilon(1e-6));
}

TEST_CASE("The perplexity of a table of next bytes is that of the table") {
  const auto logits = table();
  const model::Transformer model = table_model(logits);
  const std::string text = letters(1000);
  const auto data = held_out(text);
  const Findings found = measure(model, data, 64, {64}, {{"stride", "32"}, {"tokens", "0"}});
  // Ends 65, 97, ..., 993: targets are the bytes 33 to 992.
  double nats = 0;
  for (std::size_t t = 33; t <= 992; ++t) {
    const auto last = static_cast<unsigned char>(text[t - 1]);
    const auto next = static_cast<unsigned char>(text[t]);
    double sum = 0;
    for (const double logit : logits[last]) sum += std::exp(logit);
    nats += std::log(sum) - logits[last][next];
  }
  const double mean = nats / 960;
  const Measurement& bits = find(found, "perplexity/bits_per_byte");
  CHECK(*bits.value == Approx(mean / std::log(2.0)).epsilon(1e-5));
  CHECK(*find(found, "perplexity/token").value == Approx(std::exp(mean)).epsilon(1e-5));
  CHECK(bits.n == 30);
  for (const Measurement& m : found.measurements) {
    INFO(m.metric);
    CHECK(inside_interval(m));
    CHECK(*m.ci_low < *m.ci_high);
    CHECK(m.higher_is_better == false);
  }
  double sum = 0;
  for (const SampleRecord& sample : found.samples) sum += score(sample, "bits_per_byte");
  CHECK(sum / 30 == Approx(*bits.value));
}

TEST_CASE("Rolling scores the same targets at every length and for every model") {
  const auto data = held_out(letters(2000));
  const model::Transformer one = uniform_model(256), other = full_model(256);
  const std::vector<i64> lengths{64, 128, 512};
  const std::map<std::string, std::string> settings{{"stride", "64"}, {"tokens", "640"}};
  const Findings first = measure(one, data, 64, lengths, settings);
  CHECK(first.samples.size() == 10);
  for (const i64 length : lengths) {
    const Findings found = measure(other, data, length, lengths, settings);
    REQUIRE(found.samples.size() == first.samples.size());
    for (std::size_t i = 0; i < found.samples.size(); ++i) {
      CHECK(found.samples[i].sample_sha == first.samples[i].sample_sha);
    }
    CHECK(found.measurements[0].data_sha == first.measurements[0].data_sha);
  }
}

TEST_CASE("Longer context lowers the loss of a model that copies from it") {
  std::string period = letters(100), text;
  for (int i = 0; i < 10; ++i) text += period;
  const auto data = held_out(text);
  const model::Transformer model = oracle_model(256, copy_from_context, 6);
  const std::vector<i64> lengths{50, 150};
  const std::map<std::string, std::string> settings{{"stride", "25"}};
  const double near = *find(measure(model, data, 50, lengths, settings), "perplexity/token").value;
  const double far = *find(measure(model, data, 150, lengths, settings), "perplexity/token").value;
  // Nothing repeats within 50 letters, so all bytes are equally likely; within 150 the last 25
  // targets have been seen, and each gets the logit 6.
  CHECK(near == Approx(256).epsilon(1e-3));
  CHECK(far == Approx((255 + std::exp(6.0)) / std::exp(6.0)).epsilon(1e-3));
}

TEST_CASE("Disjoint windows score each target once, with only its own window before it") {
  const auto data = held_out(letters(101));
  // A model that is sure, and wrong, when it sees one token only; without opinion otherwise.
  const model::Transformer model = oracle_model(
      256, [](std::span<const Token> seen) { return seen.size() == 1 ? 0 : -1; }, 4);
  const Findings found = measure(model, data, 25, {25}, {{"protocol", "disjoint"}});
  CHECK(find(found, "perplexity/token").n == 4);
  const double wrong = std::log(255 + std::exp(4.0)), rest = std::log(256.0);
  CHECK(*find(found, "perplexity/token").value ==
        Approx(std::exp((wrong + 24 * rest) / 25)).epsilon(1e-5));
  CHECK(find(found, "perplexity/token").protocol == "ppl/1:ctx=25:stride=25:score=all:unit=token");
  CHECK(*find(found, "perplexity/bits_per_byte").standard_error == Approx(0).margin(1e-6));
}

TEST_CASE("Rows by position say where in the window the loss arises") {
  const auto data = held_out(letters(101));
  const model::Transformer model = oracle_model(
      256, [](std::span<const Token> seen) { return seen.size() == 1 ? 0 : -1; }, 4);
  const Findings found = measure(model, data, 25, {25}, {{"protocol", "disjoint"}});
  const Measurement& first = find(found, "perplexity/position_loss", "position=1");
  CHECK(*first.value == Approx(std::log(255 + std::exp(4.0))).epsilon(1e-5));
  CHECK(first.n == 4);
  CHECK(first.unit == "nats/token");
  CHECK_THAT(first.ci_method, Contains("over 4 blocks"));
  CHECK(first.protocol == "ppl/1:ctx=25:stride=25:score=all:unit=token");
  for (const char* position : {"2-3", "4-7", "8-15", "16-25"}) {
    const Measurement& m =
        find(found, "perplexity/position_loss", fmt::format("position={}", position));
    CHECK(*m.value == Approx(std::log(256.0)).epsilon(1e-5));
    CHECK(inside_interval(m));
  }
}

TEST_CASE("Word perplexity is by words that begin among the targets") {
  std::string text = "x";                                         // the first token is no target
  for (int i = 0; i < 40; ++i) text += " the cat\n\n sat\ton, ";  // 4 words in 19 bytes
  const auto data = held_out(text);
  const model::Transformer model = uniform_model(256);
  for (const char* context : {"20", "7", "1"}) {  // windows of one byte mostly begin no word
    INFO(context);
    const Findings found = measure(model, data, std::stoll(context), {std::stoll(context)},
                                   {{"protocol", "documents"}, {"tokens", "0"}});
    const Measurement& word = find(found, "perplexity/word");
    CHECK(std::log(*word.value) == Approx(19.0 / 4 * std::log(256.0)).epsilon(1e-5));
    CHECK(*word.ci_low <= *word.value * (1 + 1e-9));
    CHECK(word.protocol.ends_with(":unit=word"));
  }
  CHECK(find(measure(model, data, 1, {1}, {{"protocol", "documents"}, {"tokens", "0"}}),
             "perplexity/word")
            .n == 160);
  for (const Measurement& m :
       measure(model, held_out(letters(300)), 20, {20}, {{"stride", "20"}}).measurements) {
    CHECK(m.metric != "perplexity/word");  // there are none
  }
}

TEST_CASE("Words that are tokens are words") {
  const auto words = datasets::word_tokenizer({"a", "bcd"});
  std::string text;
  for (int i = 0; i < 50; ++i) text += "a bcd ";
  const datasets::TextDataset data({text}, 1.0, *words, Rng(1));
  const model::Transformer model = uniform_model(2);
  Session s = session(model, *words, 20);
  s.data = &data;
  CHECK(*find(make_metric("perplexity", {{"stride", "4"}})->measure(s), "perplexity/word").value ==
        Approx(2));
}

TEST_CASE("Documents are scored each from its own start, in windows of the context length") {
  // Random letters: 1 (nothing to score), 9, 21 (one window) and 50 tokens (20 + 20 + 9 targets).
  std::vector<std::string> texts;
  for (const std::size_t length : {1, 9, 21, 50}) {
    texts.push_back(letters(100).substr(length, length));
  }
  const datasets::TextDataset data(texts, 1.0, *bytes, Rng(1));
  const model::Transformer model = full_model(256);
  const std::map<std::string, std::string> settings{{"protocol", "documents"}, {"tokens", "0"}};
  const Findings found = measure(model, data, 20, {20}, settings);
  const model::NaiveTransformer naive(model);
  double nats = 0;
  for (const std::string& text : texts) {
    const std::vector<Token> tokens = bytes->encode(text);
    for (std::size_t t = 1; t < tokens.size(); ++t) {
      const std::size_t first = (t - 1) / 20 * 20;  // of the tokens its window reads
      const auto logits = naive.logits({tokens.begin() + static_cast<std::ptrdiff_t>(first),
                                        tokens.begin() + static_cast<std::ptrdiff_t>(t)});
      nats -= model::NaiveTransformer::log_probability_of(logits.back(), tokens[t]);
    }
  }
  const double mean = nats / (8 + 20 + 49);
  CHECK(*find(found, "perplexity/token").value == Approx(std::exp(mean)).epsilon(1e-5));
  CHECK(*find(found, "perplexity/bits_per_byte").value ==
        Approx(mean / std::log(2.0)).epsilon(1e-5));
  CHECK(find(found, "perplexity/token").n == 5);
  CHECK(find(found, "perplexity/token").protocol ==
        "ppl/1:ctx=20:stride=20:score=document:unit=token");
  CHECK(found.samples[4].target == "document 3, tokens 41 to 49");
  // Sizes 8, 20, 20, 20 and 9: the buckets' ends are 1, 3, 7, 15 and 20.
  REQUIRE(found.curves[0].x.size() == 5);
  CHECK(found.curves[0].x[4] == Approx(std::sqrt(16.0 * 20)));
}

TEST_CASE("A uniform model has the same loss on documents of every length") {
  const datasets::TextDataset data({letters(30), letters(7), letters(2)}, 1.0, *bytes, Rng(1));
  const Findings found =
      measure(uniform_model(256), data, 16, {16, 64}, {{"protocol", "documents"}});
  CHECK(*find(found, "perplexity/token").value == Approx(256).epsilon(1e-6));
  for (const double bits : found.curves[0].y) CHECK(bits == Approx(8).epsilon(1e-6));
  for (const SampleRecord& sample : found.samples) {
    CHECK(score(sample, "nats_per_token") == Approx(std::log(256.0)).epsilon(1e-6));
  }
}

TEST_CASE("Bytes are counted as decoded, not as tokens") {
  const auto words = datasets::word_tokenizer({"a", "bcd"});
  std::string text;
  for (int i = 0; i < 50; ++i) text += "a bcd ";
  const datasets::TextDataset data({text}, 1.0, *words, Rng(1));
  const model::Transformer model = uniform_model(2);
  Session s = session(model, *words, 20);
  s.data = &data;
  const Findings found = make_metric("perplexity", {{"stride", "4"}})->measure(s);
  CHECK(*find(found, "perplexity/token").value == Approx(2));
  // Four tokens, 4 bits, are "a bcd a bcd" or "bcd a bcd a": 11 bytes.
  CHECK(*find(found, "perplexity/bits_per_byte").value == Approx(4.0 / 11));
}

TEST_CASE("Perplexity names its protocol and repeats to the bit") {
  const auto data = held_out(letters(1000));
  const model::Transformer model = full_model(256);
  const Findings one = measure(model, data, 128, {128}, {{"stride", "64"}});
  CHECK(find(one, "perplexity/token").protocol == "ppl/1:ctx=128:stride=64:score=tail:unit=token");
  CHECK(find(one, "perplexity/bits_per_byte").protocol ==
        "ppl/1:ctx=128:stride=64:score=tail:unit=byte");
  CHECK(text(one) == text(measure(model, data, 128, {128}, {{"stride", "64"}})));
}

TEST_CASE("Perplexity says what is missing when it cannot be measured") {
  const model::Transformer model = uniform_model(256);
  const auto data = held_out(letters(300));
  CHECK_THROWS_WITH(measure(model, data, 128, {128}, {{"stride", "129"}}),
                    Contains("129 targets") && Contains("128"));
  CHECK_THROWS_WITH(measure(model, data, 128, {128, 300}, {{"stride", "64"}}),
                    Contains("longest has 300"));
  CHECK_THROWS_WITH(make_metric("perplexity")->measure(session(model, *bytes, 128)),
                    Contains("no held-out text"));
}

TEST_CASE("The published stories model has the perplexity that an independent program found") {
  const auto path = tests::test_data("stories260K.bin"), words = tests::test_data("tok512.bin"),
             stories = tests::test_data("tinystories_sample.txt");
  if (!path || !words || !stories) return;
  const model::ImportedModel headers = model::read_model_headers(*path);
  model::Transformer model = model::blank_model(headers.architecture, headers.rope);
  model::import_weights(*path, model);
  const auto tokenizer = datasets::read_tokenizer(*words);
  const datasets::TextDataset data(
      {.path = *stories, .held_out = 1, .field = {}, .separator = "<|endoftext|>"}, *tokenizer,
      Rng(0));
  Session s = session(model, *tokenizer, 512);
  s.data = &data;
  const Findings found = make_metric("perplexity", {{"protocol", "documents"}})->measure(s);
  // Figures of a float64 program: each story from BOS, a space before it, windows of 512 targets.
  CHECK(std::log(*find(found, "perplexity/token").value) == Approx(1.266).margin(5e-4));
  CHECK(*find(found, "perplexity/token").value == Approx(3.55).margin(5e-3));
  CHECK(*find(found, "perplexity/bits_per_byte").value == Approx(0.887).margin(5e-4));
}

}  // namespace
}  // namespace longreach::metrics
