// Tests metrics/recall.cpp.
#include "datasets/recall.h"

#include <catch2/catch.hpp>
#include <limits>
#include <set>

#include "core/error.h"
#include "metrics/statistics.h"
#include "tests/metrics/models.h"
#include "tests/metrics/settings.h"

namespace longreach::metrics {
namespace {

using Catch::Matchers::Contains;

const std::unique_ptr<datasets::Tokenizer> words =
    datasets::word_tokenizer(datasets::recall_words());

/// What followed the last token where it stood before; -1 when it did not.
Token recall_from_context(std::span<const Token> seen) {
  for (std::size_t i = seen.size() - 1; i-- > 0;) {
    if (seen[i] == seen.back()) return seen[i + 1];
  }
  return -1;
}

model::Transformer recaller(i64 window = 0) {
  return oracle_model(words->vocabulary_size(), recall_from_context, 6, window);
}

Findings measure(const model::Transformer& model, i64 length,
                 std::map<std::string, std::string> settings = {}, i64 segment = 0) {
  Session s = session(model, *words, length);
  s.segment = segment;
  return make_metric("recall", std::move(settings))->measure(s);
}

TEST_CASE("A model that recalls from its whole context tells every value") {
  const Findings found = measure(recaller(), 150, {{"pairs", "3 10 32"}, {"samples", "5"}});
  REQUIRE(found.measurements.size() == 4);
  for (const Measurement& m : found.measurements) {
    INFO(m.subtask);
    CHECK(*m.value == 1);
    CHECK(*m.ci_low == Approx(wilson(*m.n, *m.n, 0.95).low));
    CHECK(m.higher_is_better == true);
    CHECK(*m.chance == Approx(1.0 / 128));
  }
  CHECK(found.measurements[0].subtask.empty());  // the pooled row leads
  CHECK(find(found, "recall/accuracy").n == 15);
  CHECK(find(found, "recall/accuracy", "pairs=10").n == 5);
  CHECK(find(found, "recall/accuracy", "pairs=32").protocol ==
        "recall/1:ctx=150:pairs=32:power=0.01:values=128");
  CHECK(find(found, "recall/accuracy").protocol ==
        "recall/1:ctx=150:pairs=3+10+32:power=0.01:values=128");
  for (const SampleRecord& sample : found.samples) CHECK(sample.output == sample.target);
}

TEST_CASE("Recall's longest gap and its keys in filler are measured as asked and named") {
  const Findings near = measure(
      recaller(), 300, {{"pairs", "8"}, {"samples", "5"}, {"power", "1"}, {"max_gap", "32"}});
  CHECK(find(near, "recall/accuracy").protocol ==
        "recall/1:ctx=300:pairs=8:power=1:values=128:gap=32");
  for (const SampleRecord& sample : near.samples) CHECK(*sample.distance <= 33);
  // Keys in the filler, followed by anything, now mislead a model that takes the latest.
  const Findings any = measure(
      recaller(), 900, {{"pairs", "32"}, {"samples", "5"}, {"power", "1"}, {"exclude", "false"}});
  CHECK(find(any, "recall/accuracy").protocol ==
        "recall/1:ctx=900:pairs=32:power=1:values=128:exclude=off");
  CHECK(*find(any, "recall/accuracy").value < 0.9);
  CHECK_THROWS_WITH(make_metric("recall", {{"pairs", "4 32"}, {"max_gap", "63"}}),
                    Contains("give at least 64"));
}

TEST_CASE("A model that sees a window only tells the values stated within it") {
  const i64 window = 16;
  const Findings found =
      measure(recaller(window), 64, {{"pairs", "4 8"}, {"samples", "6"}}, window);
  const Rng rng = Rng(7).fork(64);
  std::vector<double> all;
  std::size_t index = 0;
  for (const i64 pairs : {4, 8}) {
    std::vector<double> expected;
    double distances = 0;
    for (i64 i = 0; i < 6; ++i) {
      const datasets::Sample sample =
          datasets::make_recall(*words, 64, pairs, {}, rng.fork(pairs).fork(i));
      double near = 0, distance = 0;
      for (const datasets::Fact& fact : sample.facts) {
        const auto apart = static_cast<double>(fact.answer.begin - fact.stated[0].begin);
        near += apart < window;  // the key's first statement is the oldest token seen
        distance += apart;
      }
      const auto n = static_cast<double>(pairs);
      expected.push_back(near / n);
      all.push_back(near / n);
      distances += distance / n;
      CHECK(found.samples[index].sample_sha == sample.sha());
      CHECK(score(found.samples[index], "accuracy") == near / n);
      CHECK(*found.samples[index].distance == Approx(distance / n));
      CHECK(*found.samples[index].segments_crossed == Approx(distance / n / window));
      ++index;
    }
    const Measurement& m = find(found, "recall/accuracy", fmt::format("pairs={}", pairs));
    CHECK(*m.value == Approx(mean(expected)));
    CHECK(*m.distance == Approx(distances / 6));
  }
  const Measurement& pooled = find(found, "recall/accuracy");
  CHECK(*pooled.value == Approx(mean(all)));
  CHECK(*pooled.value > 0);
  CHECK(*pooled.value < 1);
  CHECK(inside_interval(pooled));
  CHECK_THAT(pooled.ci_method, Contains("bootstrap 0.95 over 12 samples"));
}

TEST_CASE("A model without opinion tells no value, its lowest token being a key") {
  const Findings found = measure(uniform_model(words->vocabulary_size()), 64);
  CHECK(*find(found, "recall/accuracy").value == 0);
  CHECK(*find(found, "recall/accuracy").ci_high > 0);
}

TEST_CASE("A value is told when it is the most likely of all tokens, not of the values") {
  // Each key is most likely to follow itself; its value comes second.
  const i64 n = words->vocabulary_size();
  std::vector<std::vector<double>> logits(static_cast<std::size_t>(n),
                                          std::vector<double>(static_cast<std::size_t>(n), 0));
  for (std::size_t key = 0; key < 128; ++key) {
    logits[key][key] = 2;
    for (std::size_t value = 128; value < 256; ++value) logits[key][value] = 1;
  }
  CHECK(*find(measure(table_model(logits), 64), "recall/accuracy").value == 0);
}

TEST_CASE("Numbers of pairs that do not fit are left out, unless none does") {
  const Findings found = measure(recaller(), 63, {{"samples", "2"}});
  CHECK(found.samples.size() == 4);  // 16 pairs need 64 tokens
  CHECK(find(found, "recall/accuracy", "pairs=8").n == 2);
  CHECK(found.measurements.size() == 3);
  CHECK_THROWS_WITH(measure(recaller(), 15), Contains("4 pairs in 15 tokens: does not fit; "
                                                      "smallest length is 16"));
  CHECK_THROWS_AS(make_metric("recall", {{"pairs", ""}}), Error);
}

TEST_CASE("Recall samples are the same for every model, and pairs asked for twice count once") {
  const Findings one = measure(recaller(), 64, {{"pairs", "8 4 8"}, {"samples", "3"}});
  const Findings other =
      measure(uniform_model(words->vocabulary_size()), 64, {{"pairs", "4 8"}, {"samples", "3"}});
  REQUIRE(one.samples.size() == 6);
  REQUIRE(other.samples.size() == 6);
  std::set<std::string> different;
  for (std::size_t i = 0; i < 6; ++i) {
    CHECK(one.samples[i].sample_sha == other.samples[i].sample_sha);
    different.insert(one.samples[i].sample_sha);
  }
  CHECK(different.size() == 6);
}

TEST_CASE("Answers do not depend on how many samples go side by side, nor on chunks of reading") {
  const model::Transformer model = full_model(words->vocabulary_size());
  // 1200 tokens are three chunks; 8 streams go two batches of 6 at once.
  const Findings found = measure(model, 1200, {{"pairs", "32"}, {"power", "1"}, {"samples", "8"}});
  const Findings alone = measure(model, 1200, {{"pairs", "32"}, {"power", "1"}, {"samples", "1"}});
  CHECK(alone.samples[0].sample_sha == found.samples[0].sample_sha);
  CHECK(alone.samples[0].output == found.samples[0].output);
  CHECK(*find(measure(recaller(), 1200, {{"power", "1"}, {"samples", "1"}}), "recall/accuracy")
             .value == 1);
}

TEST_CASE("A model that diverged is an error that says where") {
  model::Transformer model = full_model(words->vocabulary_size());
  std::ranges::fill(model.weights(), std::numeric_limits<float>::quiet_NaN());
  CHECK_THROWS_WITH(measure(model, 64), Contains("is not finite"));
}

TEST_CASE("The facts of recall are used by a model that recalls, and by none that does not") {
  const auto data = tests::make<datasets::DatasetRegistry>("recall", {}, *words, Rng(3));
  const auto efficiency = [&](const model::Transformer& model) {
    Session s = session(model, *words, 40);
    s.data = data.get();
    const Findings found = make_metric("context_utilization", {{"samples", "3"}})->measure(s);
    return *find(found, "utilization/efficiency").value;
  };
  CHECK(efficiency(recaller()) == 1);
  CHECK(efficiency(uniform_model(words->vocabulary_size())) == 0);
}

}  // namespace
}  // namespace longreach::metrics
