// Tests metrics/passkey.cpp.
#include "datasets/passkey.h"

#include <catch2/catch.hpp>
#include <set>

#include "core/error.h"
#include "metrics/statistics.h"
#include "tests/metrics/models.h"
#include "tests/metrics/settings.h"

namespace longreach::metrics {
namespace {

using Catch::Matchers::Contains;

const std::unique_ptr<datasets::Tokenizer> words =
    datasets::word_tokenizer(datasets::passkey_words());

model::Transformer copier(i64 window = 0) {
  return oracle_model(words->vocabulary_size(), copy_from_context, 6, window);
}

Findings measure(const model::Transformer& model, i64 length,
                 std::map<std::string, std::string> settings = {}, i64 segment = 0) {
  Session s = session(model, *words, length);
  s.segment = segment;
  return make_metric("passkey", std::move(settings))->measure(s);
}

TEST_CASE("A model that copies from its whole context retrieves every key at every depth") {
  const Findings found = measure(copier(), 200, {{"samples", "4"}});
  CHECK(found.samples.size() == 20);
  for (const Measurement& m : found.measurements) {
    INFO(m.metric << " " << m.subtask << " " << m.depth.value_or(-1));
    CHECK(*m.value == 1);
    CHECK(*m.ci_low == Approx(wilson(*m.n, *m.n, 0.95).low));
    CHECK(m.higher_is_better == true);
  }
  CHECK(find(found, "passkey/exact_match").n == 20);
  CHECK(find(found, "passkey/exact_match", "", 25.0).n == 4);
  CHECK(find(found, "passkey/rank", "control", 100.0).n == 4);
  CHECK(*find(found, "passkey/exact_match").chance == Approx(1e-5));
  CHECK(*find(found, "passkey/digit_accuracy").chance == Approx(0.1));
  CHECK(*find(found, "passkey/rank").chance == Approx(0.1));
  for (const SampleRecord& sample : found.samples) {
    CHECK(score(sample, "place") == 1);
    CHECK(sample.target.size() == 5);
    std::string digits = sample.output;  // "4 7 1 9 2": words are joined with spaces
    std::erase(digits, ' ');
    CHECK(digits == sample.target);
  }
}

TEST_CASE("A model that sees a window only retrieves what lies inside it") {
  const i64 window = datasets::smallest_passkey(*words);
  const Findings found = measure(copier(window), 200, {{"samples", "10"}}, window);
  CHECK(*find(found, "passkey/exact_match", "control", 100.0).value == 1);
  CHECK(*find(found, "passkey/exact_match", "near").value == 1);
  CHECK(find(found, "passkey/exact_match", "near").n == 10);
  for (const double depth : {0.0, 25.0, 50.0, 75.0}) {
    CHECK(*find(found, "passkey/exact_match", "", depth).value == 0);
  }
  CHECK(*find(found, "passkey/exact_match", "far").value == 0);
  CHECK(find(found, "passkey/exact_match", "far").n == 40);
  CHECK(*find(found, "passkey/exact_match").value == Approx(0.2));
  CHECK(*find(found, "passkey/rank", "near").value == 1);
  for (const SampleRecord& sample : found.samples) {  // told what the window did not see
    std::string text = sample.excerpt;  // this tokenizer puts a space after every digit
    std::erase(text, ' ');
    CHECK(text.find(sample.target) != std::string::npos);
  }
}

TEST_CASE("Without samples on both sides of the window there are no near and far rows") {
  const auto rows = [](const Findings& found, const std::string& subtask) {
    return std::count_if(found.measurements.begin(), found.measurements.end(),
                         [&](const Measurement& m) { return m.subtask == subtask; });
  };
  const model::Transformer model = copier();
  CHECK(rows(measure(model, 200, {{"samples", "1"}}, 200), "near") == 0);
  CHECK(rows(measure(model, 200, {{"samples", "1"}}, 10), "far") == 0);
  CHECK(rows(measure(model, 200, {{"samples", "1"}}, 60), "near") == 3);
  CHECK(rows(measure(model, 200, {{"samples", "1"}, {"depths", "0 50"}}), "control") == 0);
}

TEST_CASE("A model without opinion scores at chance, and no tie counts for it") {
  const Findings found = measure(uniform_model(words->vocabulary_size()), 200);
  CHECK(*find(found, "passkey/exact_match").value == 0);
  CHECK(*find(found, "passkey/rank").value == 0);
  // Its most likely token is the lowest, "0", at every place: right for the keys' zeros.
  double zeros = 0;
  std::set<std::string> keys;
  for (const SampleRecord& sample : found.samples) {
    zeros += static_cast<double>(std::count(sample.target.begin(), sample.target.end(), '0')) / 5;
    CHECK(score(sample, "place") == 10);
    keys.insert(sample.target);
  }
  const Measurement& digits = find(found, "passkey/digit_accuracy");
  CHECK(*digits.value == Approx(zeros / 100));
  CHECK(*digits.ci_low < 0.1);
  CHECK(*digits.ci_high > 0.1);
  CHECK(keys.size() > 95);
}

TEST_CASE("A key with one wrong digit is no exact match, though four digits are right") {
  // Copies the key, but writes 0 for its last digit.
  const model::Transformer model = oracle_model(
      words->vocabulary_size(),
      [](std::span<const Token> seen) {
        const Token next = copy_from_context(seen);
        const bool last = seen.size() == 99;  // the sample's 100th token is to come
        return last ? words->encode("0").front() : next;
      },
      6);
  const Findings found = measure(model, 100, {{"samples", "20"}});
  for (const SampleRecord& sample : found.samples) {
    const bool ends_in_zero = sample.target.back() == '0';
    CHECK(sample.scores[0].first == "exact_match");
    CHECK(sample.scores[0].second == (ends_in_zero ? 1 : 0));
    CHECK(sample.scores[1].second == Approx(ends_in_zero ? 1 : 0.8));
  }
}

TEST_CASE("Samples are the same for every model and state their distances") {
  const Findings one = measure(copier(), 150, {{"samples", "3"}}, 50);
  const Findings other = measure(uniform_model(words->vocabulary_size()), 150, {{"samples", "3"}});
  REQUIRE(one.samples.size() == other.samples.size());
  std::set<std::string> different;
  for (std::size_t i = 0; i < one.samples.size(); ++i) {
    CHECK(one.samples[i].sample_sha == other.samples[i].sample_sha);
    different.insert(one.samples[i].sample_sha);
    CHECK(*one.samples[i].segments_crossed == *one.samples[i].distance / 50);
    CHECK_FALSE(other.samples[i].segments_crossed);
  }
  CHECK(different.size() == one.samples.size());
  // At depth 0 the statement comes first and the answer last.
  CHECK(*find(one, "passkey/rank", "", 0.0).distance == 145);
  // At depth 100 all filler comes first.
  CHECK(*find(one, "passkey/rank", "", 100.0).distance ==
        static_cast<double>(datasets::smallest_passkey(*words) - 5));
  CHECK(*find(one, "passkey/rank", "", 0.0).segments_crossed == Approx(145.0 / 50));
}

TEST_CASE("Scores do not depend on how many samples go side by side, and repeat to the bit") {
  const model::Transformer model = full_model(words->vocabulary_size());
  const Findings found = measure(model, 300, {{"samples", "8"}});  // 40 streams, 27 at once
  CHECK(text(found) == text(measure(model, 300, {{"samples", "8"}})));
  const Findings alone = measure(model, 300, {{"samples", "1"}, {"depths", "0"}});
  CHECK(alone.samples[0].sample_sha == found.samples[0].sample_sha);
  CHECK(alone.samples[0].output == found.samples[0].output);
  CHECK(score(alone.samples[0], "place") == score(found.samples[0], "place"));
}

TEST_CASE("A limit of tokens leaves long contexts fewer samples at each depth, the first ones") {
  const model::Transformer model = uniform_model(words->vocabulary_size());
  const std::map<std::string, std::string> all{{"samples", "4"}, {"depths", "0 100"}};
  const auto limited = [&](i64 length, const std::string& tokens) {
    std::map<std::string, std::string> settings = all;
    settings["tokens"] = tokens;
    return measure(model, length, settings);
  };
  // 2 depths x 200 tokens: 1200 tokens hold 3 samples at each depth, 1199 hold 2.
  CHECK(find(limited(200, "1200"), "passkey/rank", "", 0.0).n == 3);
  CHECK(find(limited(200, "1199"), "passkey/rank", "", 100.0).n == 2);
  CHECK(find(limited(200, "1"), "passkey/rank").n == 2);
  CHECK(find(limited(100, "100000"), "passkey/rank").n == 8);
  const Findings whole = measure(model, 200, all), some = limited(200, "1200");
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(some.samples[i].sample_sha == whole.samples[i].sample_sha);
    CHECK(some.samples[3 + i].sample_sha == whole.samples[4 + i].sample_sha);
  }
}

TEST_CASE("Passkey needs room for its sentences and some depth") {
  const model::Transformer model = copier();
  CHECK_THROWS_WITH(measure(model, 10),
                    Contains(fmt::format("{}", datasets::smallest_passkey(*words))));
  CHECK_THROWS_AS(make_metric("passkey", {{"depths", ""}}), Error);
}

TEST_CASE("Without decoys there is no rank") {
  const Findings found = measure(copier(), 100, {{"decoys", "0"}, {"samples", "1"}});
  for (const Measurement& m : found.measurements) CHECK(m.metric != "passkey/rank");
  CHECK(*find(found, "passkey/exact_match").value == 1);
}

}  // namespace
}  // namespace longreach::metrics
