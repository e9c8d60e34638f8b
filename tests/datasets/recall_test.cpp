// Tests datasets/recall.cpp.
#include "datasets/recall.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "core/error.h"
#include "tests/datasets/settings.h"

namespace longreach::datasets {
namespace {

using Catch::Matchers::Contains;

const std::unique_ptr<Tokenizer> words = word_tokenizer(recall_words());

bool is_key(Token token) { return token < kRecallWords; }

/// What a sample states, key -> value, read from its tokens.
std::map<Token, Token> stated(const Sample& sample) {
  std::map<Token, Token> pairs;
  for (std::size_t i = 0; i < sample.facts.size(); ++i) {
    pairs[sample.tokens[2 * i]] = sample.tokens[2 * i + 1];
  }
  return pairs;
}

Token at(const Sample& sample, i64 place) { return sample.tokens[static_cast<std::size_t>(place)]; }

TEST_CASE("The vocabulary is as many keys as values, the keys first") {
  const std::vector<std::string> list = recall_words();
  REQUIRE(std::ssize(list) == 2 * kRecallWords);
  CHECK(std::set<std::string>(list.begin(), list.end()).size() == list.size());
  CHECK(list.front() == "k0");
  CHECK(list[static_cast<std::size_t>(kRecallWords)] == "v0");
  CHECK(task_vocabulary("recall") == list);
}

TEST_CASE("Lengths are exact for every length and number of pairs that fits") {
  for (const i64 pairs : {i64{1}, i64{4}, i64{31}, kMostRecallPairs}) {
    for (const i64 more : {0, 1, 2, 57}) {
      const Sample sample = make_recall(*words, smallest_recall(pairs) + more, pairs, {}, Rng(1));
      CHECK(std::ssize(sample.tokens) == smallest_recall(pairs) + more);
      CHECK(std::ssize(sample.facts) == pairs);
    }
  }
}

TEST_CASE("Pairs that do not fit are refused with the smallest length") {
  // Two tokens to state and two to ask each of 4 pairs.
  CHECK_THROWS_WITH(make_recall(*words, 15, 4, {}, Rng(1)),
                    Contains("recall: 4 pairs in 15 tokens: does not fit; smallest length is 16"));
  CHECK_NOTHROW(make_recall(*words, 16, 4, {}, Rng(1)));
}

TEST_CASE("Distinct keys with distinct values come first, and each key once more with its value") {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const Sample sample = make_recall(*words, 201, 40, {}, Rng(seed));
    const std::map<Token, Token> pairs = stated(sample);
    REQUIRE(pairs.size() == 40);
    std::set<Token> values;
    for (const auto& [key, value] : pairs) {
      CHECK(is_key(key));
      CHECK_FALSE(is_key(value));
      values.insert(value);
      // Filler never holds a key that has a value.
      CHECK(std::count(sample.tokens.begin(), sample.tokens.end(), key) == 2);
    }
    CHECK(values.size() == 40);
    std::set<Token> asked;
    for (std::size_t t = 80; t < sample.tokens.size(); ++t) {
      const auto pair = pairs.find(sample.tokens[t]);
      if (pair == pairs.end()) continue;
      CHECK(t % 2 == 0);
      CHECK(sample.tokens[t + 1] == pair->second);
      asked.insert(pair->first);
    }
    CHECK(asked.size() == 40);
  }
}

TEST_CASE("Facts tell where each pair is stated and asked, and swap in a value of no pair") {
  const Sample sample = make_recall(*words, 128, 20, {}, Rng(3));
  const std::map<Token, Token> pairs = stated(sample);
  std::set<Token> values;
  for (const auto& [key, value] : pairs) values.insert(value);
  i64 last = 0;
  for (const Fact& fact : sample.facts) {
    REQUIRE(fact.stated.size() == 1);
    CHECK(fact.stated[0].length == 1);
    CHECK(fact.answer.length == 1);
    CHECK(fact.answer.begin >= 40);
    const Token key = at(sample, fact.stated[0].begin - 1);
    CHECK(at(sample, fact.answer.begin - 1) == key);
    CHECK(at(sample, fact.stated[0].begin) == pairs.at(key));
    CHECK(at(sample, fact.answer.begin) == pairs.at(key));
    REQUIRE(fact.counterfactual.size() == 1);
    CHECK_FALSE(is_key(fact.counterfactual[0]));
    CHECK_FALSE(values.contains(fact.counterfactual[0]));
    last = std::max(last, fact.answer.begin);
  }
  CHECK(sample.last().answer.begin == last);
  CHECK(sample.last().answer.length == 1);
  CHECK(at(sample, sample.last().evidence.front().begin) == at(sample, last - 1));
}

TEST_CASE("Only the answers weigh in the loss, and all of them alike") {
  const Sample sample = make_recall(*words, 99, 10, {}, Rng(4));
  std::vector<float> expected(99, 0.0F);
  for (const Fact& fact : sample.facts) {
    expected[static_cast<std::size_t>(fact.answer.begin)] = 1;
  }
  CHECK(std::accumulate(expected.begin(), expected.end(), 0.0F) == 10);
  CHECK(sample.weights == expected);
}

TEST_CASE("Filler is all that pairs and questions leave, of any words") {
  const Sample sample = make_recall(*words, 4001, 5, {}, Rng(5));
  std::vector<bool> covered(4001, false);
  const auto cover = [&](const Span& span) {
    for (i64 t = span.begin; t < span.end(); ++t) {
      CHECK_FALSE(covered[static_cast<std::size_t>(t)]);
      covered[static_cast<std::size_t>(t)] = true;
    }
  };
  cover({0, 10});
  for (const Fact& fact : sample.facts) cover({fact.answer.begin - 1, 2});
  std::set<Token> seen;
  i64 keys = 0, end = 0;
  for (const Span& span : sample.filler) {
    CHECK(span.length > 0);
    CHECK(span.begin > end);
    end = span.end();
    cover(span);
    for (i64 t = span.begin; t < span.end(); ++t) {
      seen.insert(at(sample, t));
      keys += is_key(at(sample, t));
    }
  }
  CHECK(std::find(covered.begin(), covered.end(), false) == covered.end());
  // 3981 draws among 123 keys and 128 values: each is missed with probability 1e-7, and keys are
  // 1951 +- 32.
  CHECK(seen.size() == 251);
  CHECK(std::abs(keys - 1951) < 160);
}

/// The share of 4000 samples of two slots that ask their only pair in the first.
double share_in_first(double power) {
  i64 first = 0;
  for (i64 i = 0; i < 4000; ++i) {
    first += make_recall(*words, 6, 1, {.power = power}, Rng(6).fork(i)).last().answer.begin == 3;
  }
  return static_cast<double>(first) / 4000;
}

TEST_CASE("A slot is drawn by the paper's power law") {
  // p(1) : p(2) = 1 : 2^(power - 1); five standard deviations of a share of 4000 are 0.04.
  for (const double power : {0.01, 1.0, 3.0}) {
    CHECK(share_in_first(power) == Approx(1 / (1 + std::pow(2, power - 1))).margin(0.04));
  }
}

TEST_CASE("Later pairs are drawn from the slots that earlier ones left") {
  // Of 3 slots with weights 1, 1/2, 1/3 (power 0), two are drawn: p(1st, then 2nd) = 6/11 * 3/5.
  i64 hits = 0;
  for (i64 i = 0; i < 4000; ++i) {
    const Sample sample = make_recall(*words, 10, 2, {.power = 0}, Rng(7).fork(i));
    hits += sample.facts[0].answer.begin == 5 && sample.facts[1].answer.begin == 7;
  }
  CHECK(static_cast<double>(hits) / 4000 == Approx(18.0 / 55).margin(0.04));
}

TEST_CASE("No question is further from its pair than the longest gap") {
  const auto seed = GENERATE(41U, 42U);
  INFO("seed " << seed);
  for (const i64 gap : {40, 41, 60, 200}) {
    i64 longest = 0;
    for (i64 i = 0; i < 200; ++i) {
      const Sample sample =
          make_recall(*words, 500, 20, {.power = 1, .max_gap = gap}, Rng(seed).fork(i));
      REQUIRE(sample.questions.size() == 20);
      std::set<i64> places;
      for (const Fact& fact : sample.facts) {
        longest = std::max(longest, fact.answer.begin - fact.stated[0].begin);
        places.insert(fact.answer.begin);
        CHECK(at(sample, fact.answer.begin) == at(sample, fact.stated[0].begin));
      }
      CHECK(places.size() == 20);
    }
    CHECK(longest == gap / 2 * 2);  // statements and questions begin at even places
  }
}

TEST_CASE("Within the longest gap slots are drawn by the power law from those left") {
  // Two pairs, gap 6: the first goes to slot 0 or 1, the second to 0, 1 or 2 without that one.
  // Weights 1, 1/2, 1/3 (power 0): p(0, then 1) = 2/3 * (1/2) / (1/2 + 1/3) = 2/5.
  i64 hits = 0;
  for (i64 i = 0; i < 4000; ++i) {
    const Sample sample = make_recall(*words, 40, 2, {.power = 0, .max_gap = 6}, Rng(8).fork(i));
    hits += sample.facts[0].answer.begin == 5 && sample.facts[1].answer.begin == 7;
  }
  CHECK(static_cast<double>(hits) / 4000 == Approx(0.4).margin(0.04));
}

TEST_CASE("A gap as long as the sample is none, and one too short for the pairs is refused") {
  CHECK(make_recall(*words, 101, 9, {.max_gap = 101}, Rng(9)).sha() ==
        make_recall(*words, 101, 9, {}, Rng(9)).sha());
  CHECK_THROWS_WITH(make_dataset("recall", {{"pairs", "9"}, {"max_gap", "17"}}, *words, Rng(1)),
                    Contains("max_gap: 17 tokens are too few to ask 9 pairs; give at least 18"));
  CHECK_NOTHROW(make_dataset("recall", {{"pairs", "9"}, {"max_gap", "18"}}, *words, Rng(1))
                    ->sample(Split::test, 0, 100));
}

TEST_CASE("Filler holds keys of the sample only where they are not excluded") {
  const auto keys_in_filler = [](const std::string& exclude) {
    const auto data =
        make_dataset("recall", {{"pairs", "20"}, {"exclude", exclude}}, *words, Rng(10));
    const Sample sample = data->sample(Split::test, 0, 2000);
    const std::map<Token, Token> pairs = stated(sample);
    i64 found = 0;
    for (const Span& span : sample.filler) {
      for (i64 t = span.begin; t < span.end(); ++t) found += pairs.contains(at(sample, t));
    }
    return found;
  };
  CHECK(keys_in_filler("true") == 0);
  // 1920 draws, 20 of 256 words: 150 +- 12.
  CHECK(std::abs(keys_in_filler("false") - 150) < 60);
}

TEST_CASE("Pairs depend on the stream alone, not on length or power") {
  const auto pairs = [](i64 length, double power, std::uint64_t seed) {
    return stated(make_recall(*words, length, 8, {.power = power}, Rng(seed)));
  };
  CHECK(pairs(32, 0.01, 1) == pairs(501, 2, 1));
  CHECK(pairs(32, 0.01, 1) != pairs(32, 0.01, 2));
}

TEST_CASE("The number of pairs is log-uniform between fewest and the most that fit") {
  const auto data = make_dataset("recall", {{"pairs", "32"}, {"fewest", "4"}}, *words, Rng(11));
  const auto count = [&](i64 length, i64 i) {
    return std::ssize(data->sample(Split::train, i, length).facts);
  };
  std::map<i64, i64> counts;
  for (i64 i = 0; i < 2000; ++i) ++counts[count(128, i)];
  CHECK(counts.begin()->first == 4);
  CHECK(counts.rbegin()->first == 32);
  i64 below_12 = 0;
  for (const auto& [pairs, n] : counts) below_12 += pairs < 12 ? n : 0;
  // ln(12 / 4) / ln(33 / 4) = 0.5206; five standard deviations of a share of 2000 are 0.056.
  CHECK(static_cast<double>(below_12) / 2000 == Approx(0.5206).margin(0.056));
  for (i64 i = 0; i < 200; ++i) {
    CHECK(count(43, i) <= 10);
    CHECK(count(16, i) == 4);
  }
  CHECK_THROWS_WITH(count(15, 0), Contains("smallest length is 16"));
}

TEST_CASE("Without fewest every sample has all pairs") {
  const auto data = make_dataset("recall", {{"pairs", "7"}}, *words, Rng(12));
  for (i64 i = 0; i < 100; ++i) CHECK(data->sample(Split::test, i, 64).facts.size() == 7);
  CHECK_THROWS_WITH(data->sample(Split::test, 0, 27), Contains("smallest length is 28"));
  CHECK_THROWS_WITH(make_dataset("recall", {{"pairs", "3"}, {"fewest", "4"}}, *words, Rng(1)),
                    Contains("fewest: 4 pairs are more than pairs: 3"));
}

TEST_CASE("Recall samples are functions of seed, split, number and length") {
  const auto sha = [](std::uint64_t seed, Split split, i64 index, i64 length) {
    return make_dataset("recall", {}, *words, Rng(seed))->sample(split, index, length).sha();
  };
  const std::string one = sha(13, Split::test, 5, 64);
  CHECK(one == sha(13, Split::test, 5, 64));
  const std::set<std::string> all{one, sha(14, Split::test, 5, 64), sha(13, Split::train, 5, 64),
                                  sha(13, Split::test, 6, 64), sha(13, Split::test, 5, 66)};
  CHECK(all.size() == 5);
}

TEST_CASE("A tokenizer that cuts the words is refused") {
  CHECK_THROWS_WITH(make_dataset("recall", {}, *byte_tokenizer(), Rng(1)),
                    Contains("'bytes' writes 'k0' with 2 tokens"));
  CHECK_THROWS_WITH(make_dataset("recall", {}, *word_tokenizer({"the"}), Rng(1)), Contains("'k0'"));
}

}  // namespace
}  // namespace longreach::datasets
