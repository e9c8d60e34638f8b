// Tests metrics/generation.cpp.
#include <catch2/catch.hpp>
#include <set>

#include "core/error.h"
#include "datasets/text.h"
#include "tests/metrics/models.h"
#include "tests/metrics/settings.h"

namespace longreach::metrics {
namespace {

using Catch::Matchers::Contains;

const std::unique_ptr<datasets::Tokenizer> bytes = datasets::byte_tokenizer();

std::string letters(i64 count) {
  Rng rng(13);
  std::string text;
  for (i64 i = 0; i < count; ++i) text += static_cast<char>('a' + rng.below(20));
  return text;
}

Findings measure(const model::Transformer& model, const std::string& text, i64 length,
                 const std::vector<i64>& lengths, Settings settings,
                 const datasets::Tokenizer& tokenizer = *bytes) {
  const datasets::TextDataset data({text}, 1.0, tokenizer, Rng(1));
  Session s = session(model, tokenizer, length, lengths);
  s.data = &data;
  return make_metric("generation", std::move(settings))->measure(s);
}

/// After any letter 'x', and then "yzxyz..."
model::Transformer cycle() {
  std::vector<std::vector<double>> logits(256, std::vector<double>(256));
  for (std::size_t last = 0; last < 256; ++last) {
    logits[last][last == 'x' ? 'y' : last == 'y' ? 'z' : 'x'] = 9;
  }
  return table_model(logits);
}

/// The byte numbered as many as it has read.
model::Transformer counter() {
  return oracle_model(
      256, [](std::span<const Token> seen) { return static_cast<Token>(seen.size()); }, 9);
}

TEST_CASE("A cycle of three repeats all of its runs of four but three") {
  const Findings found = measure(cycle(), letters(500), 32, {32}, {{"new_tokens", "12"}});
  REQUIRE(found.samples.size() == 4);
  for (const SampleRecord& sample : found.samples) CHECK(sample.output == "xyzxyzxyzxyz");
  // Nine runs of four, three of them different; eleven of two, three different.
  const Measurement& repeated = find(found, "generation/rep_4");
  CHECK(*repeated.value == Approx(6.0 / 9));
  CHECK(repeated.n == 4);
  CHECK(repeated.higher_is_better == false);
  CHECK(repeated.protocol == "generation/1:ctx=32:new=12:temperature=0:top_p=1:unit=token");
  CHECK_THAT(repeated.ci_method, Contains("over 4 samples"));
  CHECK(inside_interval(repeated));
  CHECK(*find(found, "generation/distinct_2").value == Approx(3.0 / 11));
  CHECK(find(found, "generation/distinct_2").higher_is_better == true);
}

TEST_CASE("Runs of other lengths are counted where asked for") {
  const Findings found =
      measure(cycle(), letters(500), 32, {32},
              {{"new_tokens", "12"}, {"rep_n", "1 2 3 4"}, {"distinct_n", "1 3"}});
  // Of "xyzxyzxyzxyz": 12, 11, 10 and 9 runs, three different ones of each length.
  for (int n = 1; n <= 4; ++n) {
    const Measurement& m = find(found, fmt::format("generation/rep_{}", n));
    CHECK(*m.value == Approx(1 - 3.0 / (13 - n)));
    CHECK(m.higher_is_better == false);
    CHECK(score(found.samples[0], fmt::format("rep_{}", n)) == Approx(*m.value));
  }
  CHECK(*find(found, "generation/distinct_1").value == Approx(3.0 / 12));
  CHECK(*find(found, "generation/distinct_3").value == Approx(3.0 / 10));
  CHECK(found.measurements.size() == 6);
}

TEST_CASE("A text without repetition has rep-4 0 and distinct-2 1, and follows its whole prompt") {
  const Findings found = measure(counter(), letters(500), 40, {40, 90}, {{"new_tokens", "16"}});
  // Byte 40 is '(' and comes after exactly 40 bytes.
  for (const SampleRecord& sample : found.samples) CHECK(sample.output == "()*+,-./01234567");
  CHECK(find(found, "generation/rep_4").value == 0.0);
  CHECK(find(found, "generation/distinct_2").value == 1.0);
  CHECK(*find(found, "generation/rep_4").ci_high > 0.1);  // four samples are not certainty
}

TEST_CASE("The places are the same at every length, evenly spread, with what truly follows") {
  const std::string text = letters(90 + 10 * 8);  // eight places at the longest
  const std::vector<i64> lengths{40, 90};
  const Settings settings{{"new_tokens", "10"}, {"samples", "2"}};
  const Findings longest = measure(counter(), text, 90, lengths, settings);
  const Findings shorter = measure(counter(), text, 40, lengths, settings);
  // Numbers (2i + 1) * 8 / 4 = 2 and 6, each ten tokens after 90 + 10 * number.
  REQUIRE(longest.samples.size() == 2);
  CHECK(longest.samples[0].target == text.substr(110, 10));
  CHECK(longest.samples[1].target == text.substr(150, 10));
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(shorter.samples[i].target == longest.samples[i].target);
    CHECK(shorter.samples[i].sample_sha == longest.samples[i].sample_sha);
    CHECK(shorter.samples[i].output != longest.samples[i].output);  // it has read less
  }
}

TEST_CASE("Drawn texts differ between places and repeat to the bit") {
  const model::Transformer model = uniform_model(256);
  const Settings settings{{"temperature", "1"}, {"new_tokens", "20"}};
  const Findings once = measure(model, letters(500), 32, {32}, settings);
  std::set<std::string> texts;
  for (const SampleRecord& sample : once.samples) texts.insert(sample.output);
  CHECK(texts.size() == 4);
  CHECK(text(once) == text(measure(model, letters(500), 32, {32}, settings)));
  CHECK(text(once) !=
        text(measure(model, letters(500), 32, {32},
                     {{"temperature", "1"}, {"new_tokens", "20"}, {"top_p", "0.5"}})));
}

/// Bytes, of which one ends the document.
class Ending final : public datasets::Tokenizer {
 public:
  explicit Ending(Token ending) : ending_(ending) {}
  std::string name() const override { return "ending"; }
  i64 vocabulary_size() const override { return bytes->vocabulary_size(); }
  std::vector<Token> encode(std::string_view text) const override { return bytes->encode(text); }
  std::string decode(std::span<const Token> tokens) const override { return bytes->decode(tokens); }
  std::vector<Token> endings() const override { return {ending_}; }
  std::string sha() const override { return ""; }

 private:
  Token ending_;
};

TEST_CASE("A document's ending ends the text, and what is too short for runs of four has none") {
  const Findings found =
      measure(counter(), letters(500), 40, {40}, {{"new_tokens", "16"}}, Ending('+'));
  for (const SampleRecord& sample : found.samples) CHECK(sample.output == "()*");
  CHECK_FALSE(find(found, "generation/rep_4").value);
  CHECK(find(found, "generation/rep_4").n == 0);
  CHECK(find(found, "generation/distinct_2").value == 1.0);
  CHECK(found.samples[0].scores.size() == 1);
}

TEST_CASE("Generation says what is missing when it cannot be measured") {
  CHECK_THROWS_WITH(make_metric("generation")->measure(session(cycle(), *bytes, 64)),
                    Contains("no held-out text"));
  CHECK_THROWS_WITH(measure(cycle(), letters(100), 64, {64}, {}),
                    Contains("generation:") && Contains("longest has 100"));
}

}  // namespace
}  // namespace longreach::metrics
