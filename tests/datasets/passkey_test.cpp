// Tests datasets/passkey.cpp.
#include "datasets/passkey.h"

#include <catch2/catch.hpp>
#include <numeric>
#include <set>

#include "core/error.h"
#include "tests/datasets/settings.h"

namespace longreach::datasets {
namespace {

using Catch::Matchers::Contains;

const std::unique_ptr<Tokenizer> bytes = byte_tokenizer();
const std::unique_ptr<Tokenizer> words = word_tokenizer(passkey_words());

/// As a subword tokenizer that begins every text with a mark of its own.
class MarkedBytes final : public Tokenizer {
 public:
  std::string name() const override { return "marked"; }
  i64 vocabulary_size() const override { return 256; }
  std::vector<Token> encode(std::string_view text) const override {
    std::string marked = "_";
    marked += text;
    return bytes->encode(marked);
  }
  std::string decode(std::span<const Token> tokens) const override { return bytes->decode(tokens); }
  std::string sha() const override { return ""; }
};

/// Bytes whose documents begin with two tokens that stand for no text.
class OpenedBytes final : public Tokenizer {
 public:
  std::string name() const override { return "opened"; }
  i64 vocabulary_size() const override { return 258; }
  std::vector<Token> opening() const override { return {256, 257}; }
  std::vector<Token> encode(std::string_view text) const override { return bytes->encode(text); }
  std::string decode(std::span<const Token> tokens) const override { return bytes->decode(tokens); }
  std::string sha() const override { return ""; }
};

std::vector<Token> part(const Sample& sample, i64 begin, i64 length) {
  return {sample.tokens.begin() + begin, sample.tokens.begin() + begin + length};
}

/// "4 7 1 9 2" (words) or "47192" (bytes) -> "47192".
std::string digits(const Tokenizer& tokenizer, std::span<const Token> tokens) {
  std::string text = tokenizer.decode(tokens);
  std::erase(text, ' ');
  return text;
}

TEST_CASE("The closed vocabulary is small, holds each digit and spells every sample") {
  const std::vector<std::string> list = passkey_words();
  CHECK(list.size() <= 66);
  CHECK(std::set<std::string>(list.begin(), list.end()).size() == list.size());
  for (std::size_t d = 0; d < 10; ++d) CHECK(list[d] == std::to_string(d));
  CHECK(task_vocabulary("passkey") == list);
}

TEST_CASE("Lengths are exact for every length, depth and tokenizer that fits") {
  for (const Tokenizer* tokenizer : {bytes.get(), words.get()}) {
    const i64 smallest = smallest_passkey(*tokenizer);
    for (i64 length = smallest; length < smallest + 300; length += 13) {
      for (const double depth : {0.0, 33.3, 50.0, 100.0}) {
        const Sample sample = make_passkey(*tokenizer, length, depth, Rng(1));
        REQUIRE(static_cast<i64>(sample.tokens.size()) == length);
        CHECK(sample.last().answer.end() == length);
        CHECK(sample.last().answer.length == 5);
      }
    }
  }
}

TEST_CASE("A sample that does not fit names the smallest length") {
  // remember this : the gate code is ##### . again , the gate code is ##### . = 7 + 5 + 7 + 5 + 1
  // what is the gate code ? the gate code is ##### = 10 + 5
  CHECK(smallest_passkey(*words) == 40);
  CHECK_THROWS_WITH(make_passkey(*words, 39, 50, Rng(1)),
                    Contains("does not fit; smallest length is 40"));
  CHECK_NOTHROW(make_passkey(*words, 40, 50, Rng(1)));
  CHECK_THROWS_WITH(make_passkey(*words, 100, 101, Rng(1)), Contains("0 to 100"));
}

TEST_CASE("The smallest sample reads as worded, the key stated twice and asked once") {
  const Sample sample = make_passkey(*bytes, smallest_passkey(*bytes), 50, Rng(5));
  const std::string key = digits(*bytes, part(sample, sample.last().answer.begin, 5));
  CHECK(bytes->decode(sample.tokens) == "remember this : the gate code is " + key +
                                            " . again , the gate code is " + key +
                                            " . what is the gate code ? the gate code is " + key);
}

TEST_CASE("A sample begins with the tokenizer's opening, before any filler") {
  const OpenedBytes opened;
  CHECK(smallest_passkey(opened) == smallest_passkey(*bytes) + 2);
  for (const double depth : {0.0, 40.0, 100.0}) {
    // Otherwise it is the sample of the same bytes, everything two places later.
    const Sample sample = make_passkey(opened, 402, depth, Rng(5));
    const Sample plain = make_passkey(*bytes, 400, depth, Rng(5));
    REQUIRE(sample.tokens.size() == 402);
    CHECK(part(sample, 0, 2) == std::vector<Token>{256, 257});
    CHECK(part(sample, 2, 400) == plain.tokens);
    CHECK(sample.last().evidence.front().begin == plain.last().evidence.front().begin + 2);
    CHECK(sample.last().answer.begin == plain.last().answer.begin + 2);
    CHECK(sample.depth == plain.depth);
    REQUIRE(sample.filler.size() == plain.filler.size());
    CHECK(sample.filler.front().begin == plain.filler.front().begin + 2);
    for (std::size_t d = 0; d < 5; ++d) {
      CHECK(sample.facts[d].stated[0].begin == plain.facts[d].stated[0].begin + 2);
    }
  }
}

TEST_CASE("Bytes and words tell the same story for the same stream") {
  // A byte sample whose filler is empty spells the word sample.
  const Sample in_bytes = make_passkey(*bytes, smallest_passkey(*bytes), 0, Rng(9));
  const Sample in_words = make_passkey(*words, smallest_passkey(*words), 0, Rng(9));
  CHECK(words->encode(bytes->decode(in_bytes.tokens)) == in_words.tokens);
}

TEST_CASE("The statement lies at the depth asked for") {
  const i64 length = 1040, filler = length - 40;
  for (const double depth : {0.0, 12.5, 25.0, 50.0, 99.9, 100.0}) {
    const Sample sample = make_passkey(*words, length, depth, Rng(2));
    CHECK(sample.last().evidence.front().begin == std::llround(filler * depth / 100));
    CHECK(sample.depth == depth);
    CHECK(words->decode(part(sample, sample.last().evidence.front().begin, 4)) ==
          "remember this : the");
  }
}

TEST_CASE("Filler is varied, has no digits and ends with whole sentences") {
  const Sample sample = make_passkey(*words, 2000, 60, Rng(3));
  const i64 before = sample.last().evidence.front().begin, statement = 25, question = 15;
  const i64 after = before + statement;
  const std::string first = words->decode(part(sample, 0, before));
  const std::string second = words->decode(part(sample, after, 2000 - question - after));
  for (const std::string& text : {first, second}) {
    CHECK(text.find_first_of("0123456789") == std::string::npos);
    CHECK(text.find("gate") == std::string::npos);
    CHECK(text.ends_with(" ."));
  }
  // 10 sentences at random: the same hundred tokens twice would need 12 equal draws in a row.
  std::set<std::string> hundreds;
  for (i64 i = 0; i + 100 <= before; i += 100) {
    hundreds.insert(words->decode(part(sample, i, 100)));
  }
  CHECK(static_cast<i64>(hundreds.size()) == before / 100);
}

TEST_CASE("The key depends on the stream alone, not on length, depth or tokenizer") {
  const auto key = [](const Tokenizer& tokenizer, i64 length, double depth, const Rng& rng) {
    const Sample sample = make_passkey(tokenizer, length, depth, rng);
    return digits(tokenizer, part(sample, sample.last().answer.begin, 5));
  };
  CHECK(key(*words, 100, 0, Rng(4)) == key(*words, 900, 70, Rng(4)));
  CHECK(key(*words, 100, 0, Rng(4)) == key(*bytes, 400, 10, Rng(4)));
  std::set<std::string> keys;
  for (std::uint64_t seed = 0; seed < 100; ++seed) keys.insert(key(*words, 40, 0, Rng(seed)));
  CHECK(keys.size() >= 98);  // 100 draws of 100000 collide 0.05 times on average
}

TEST_CASE("Decoys are different keys, none of them the answer") {
  const Sample sample = make_passkey(*words, 100, 50, Rng(6), 200);
  std::set<std::vector<Token>> distinct(sample.last().decoys.begin(), sample.last().decoys.end());
  CHECK(distinct.size() == 200);
  distinct.insert(part(sample, sample.last().answer.begin, 5));
  CHECK(distinct.size() == 201);
  for (const auto& decoy : sample.last().decoys) {
    CHECK(decoy.size() == 5);
    CHECK(digits(*words, decoy).find_first_not_of("0123456789") == std::string::npos);
  }
  CHECK(make_passkey(*words, 100, 50, Rng(6)).last().decoys.size() == 9);
}

TEST_CASE("Facts point at each digit's two statements and its place in the answer") {
  for (const Tokenizer* tokenizer : {bytes.get(), words.get()}) {
    const Sample sample = make_passkey(*tokenizer, 500, 40, Rng(7));
    REQUIRE(sample.facts.size() == 5);
    for (i64 d = 0; d < 5; ++d) {
      const Fact& fact = sample.facts[static_cast<std::size_t>(d)];
      CHECK(fact.answer.begin == sample.last().answer.begin + d);
      CHECK(fact.answer.length == 1);
      const std::vector<Token> digit = part(sample, fact.answer.begin, 1);
      REQUIRE(fact.stated.size() == 2);
      CHECK(fact.stated[0].begin < fact.stated[1].begin);
      for (const Span& span : fact.stated) {
        CHECK(span.begin >= sample.last().evidence.front().begin);
        CHECK(span.end() < sample.last().answer.begin);
        CHECK(part(sample, span.begin, span.length) == digit);
      }
      REQUIRE(fact.counterfactual.size() == 1);
      CHECK(fact.counterfactual != digit);
      CHECK(tokenizer->decode(fact.counterfactual).find_first_not_of("0123456789") ==
            std::string::npos);
    }
  }
}

TEST_CASE("Filler is all that is neither statement nor question nor answer") {
  const i64 length = 200, statement = 25, question = 15;
  const auto filler = [&](double depth) {
    std::vector<std::array<i64, 2>> spans;
    for (const Span& span : make_passkey(*words, length, depth, Rng(9)).filler) {
      spans.push_back({span.begin, span.end()});
    }
    return spans;
  };
  using Spans = std::vector<std::array<i64, 2>>;
  const i64 all = length - statement - question;
  CHECK(filler(0) == Spans{{statement, statement + all}});
  CHECK(filler(100) == Spans{{0, all}});
  CHECK(filler(25) == Spans{{0, all / 4}, {all / 4 + statement, statement + all}});
  CHECK(make_passkey(*words, statement + question, 0, Rng(9)).filler.empty());
}

TEST_CASE("The answer weighs 1 in the loss, all other predicted tokens 0.1 together") {
  for (const i64 length : {40, 333}) {
    const std::vector<float> weights = make_passkey(*words, length, 50, Rng(8)).weights;
    REQUIRE(static_cast<i64>(weights.size()) == length);
    CHECK(weights[0] == 0);
    const auto answer = weights.end() - 5;
    CHECK(std::accumulate(answer, weights.end(), 0.0) == Approx(1));
    CHECK(std::accumulate(weights.begin(), answer, 0.0) == Approx(0.1));
    CHECK(weights[1] == weights[static_cast<std::size_t>(length - 6)]);
    CHECK(weights[static_cast<std::size_t>(length - 5)] == weights.back());
  }
}

TEST_CASE("Training puts the share asked for near the end and spreads the rest") {
  const i64 length = 1040, near = 64;
  const auto data =
      make_dataset("passkey", {{"near", "64"}, {"near_share", "0.4"}}, *words, Rng(11));
  int close = 0, first_half = 0, second_half = 0;
  for (i64 i = 0; i < 1000; ++i) {
    const i64 evidence = data->sample(Split::train, i, length).last().evidence.front().begin;
    if (length - evidence <= near) {
      ++close;
    } else if (evidence < 500) {
      ++first_half;
    } else {
      ++second_half;
    }
  }
  // 0.4 near, and of the other 0.6 the 25 of 1001 places that happen to be near: 0.415; binomial
  // deviation 15.6. The others' halves: 0.3 each, deviation 14.5. Five deviations allowed.
  CHECK(std::abs(close - 415) < 78);
  CHECK(std::abs(first_half - 300) < 73);
  CHECK(std::abs(second_half - 285) < 73);
}

TEST_CASE("Test samples take all depths alike, whatever the share of near keys in training") {
  const auto data = make_dataset("passkey", {{"near_share", "1"}}, *words, Rng(12));
  double sum = 0;
  for (i64 i = 0; i < 400; ++i) sum += *data->sample(Split::test, i, 1040).depth;
  // Uniform on 0..100: mean 50, deviation 28.9 / sqrt(400) = 1.44.
  CHECK(std::abs(sum / 400 - 50) < 7.2);
  for (i64 i = 0; i < 50; ++i) {
    CHECK(data->sample(Split::train, i, 1040).last().evidence.front().begin >= 1040 - 64);
  }
}

TEST_CASE("Passkey samples are functions of split, number and length") {
  const auto data = make_dataset("passkey", {}, *words, Rng(13));
  const auto again = make_dataset("passkey", {}, *words, Rng(13));
  CHECK(data->sample(Split::test, 5, 200).sha() == again->sample(Split::test, 5, 200).sha());
  CHECK(data->sample(Split::test, 5, 200).sha() != data->sample(Split::test, 6, 200).sha());
  CHECK(data->sample(Split::test, 5, 200).sha() != data->sample(Split::train, 5, 200).sha());
  const Sample fits = data->sample(Split::train, 0, 40);
  CHECK(fits.last().evidence.front().begin == 0);
  CHECK_THROWS_WITH(data->sample(Split::test, 0, 39), Contains("smallest length is 40"));
}

TEST_CASE("A near distance too short for the task is refused with the smallest, unless unused") {
  CHECK_THROWS_WITH(make_dataset("passkey", {{"near", "39"}}, *words, Rng(1)),
                    Contains("smallest is 40"));
  CHECK_NOTHROW(make_dataset("passkey", {{"near", "40"}}, *words, Rng(1)));
  CHECK_NOTHROW(make_dataset("passkey", {{"near", "39"}, {"near_share", "0"}}, *words, Rng(1)));
  CHECK_THROWS_WITH(make_dataset("passkey", {}, *bytes, Rng(1)), Contains("near: 64 tokens"));
}

TEST_CASE("A tokenizer without the task's words or with longer digits is refused") {
  CHECK_THROWS_WITH(smallest_passkey(*word_tokenizer({"the"})), Contains("'remember'"));
  CHECK_THROWS_WITH(smallest_passkey(MarkedBytes()),
                    Contains("'marked' writes the digit 0 with 2"));
}

}  // namespace
}  // namespace longreach::datasets
