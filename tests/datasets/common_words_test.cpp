// Tests datasets/common_words.cpp.
#include "datasets/common_words.h"

#include "datasets/word_list.h"
#include "tests/datasets/counting.h"

namespace longreach::datasets {
namespace {

using Catch::Matchers::Contains;

const std::unique_ptr<Tokenizer> bytes = byte_tokenizer();
const std::unique_ptr<Tokenizer> words = word_tokenizer(common_words_words());
const std::unique_ptr<Tokenizer> bpe = tiny_bpe();

auto dataset(const Tokenizer& tokenizer, tests::Settings settings = {}) {
  return make_dataset("common_words", std::move(settings), tokenizer, Rng(3));
}

TEST_CASE("The common words follow from counting the list") {
  for (const Tokenizer* tokenizer : {bytes.get(), words.get(), bpe.get()}) {
    for (const std::string common : {"10", "2"}) {
      const auto data = dataset(*tokenizer, {{"common", common}});
      for (i64 i = 0; i < 10; ++i) {
        const Sample sample = data->sample(Split::test, i, 900 + 1000 * i);
        INFO(tokenizer->name() << " " << i);
        const auto count = static_cast<std::size_t>(std::stoi(common));
        CHECK(most_frequent(*tokenizer, sample, count) == answer_of(*tokenizer, sample));
      }
    }
  }
}

/// How often the common words and the others come, each of which all come as often.
std::pair<i64, i64> frequencies(const Tokenizer& tokenizer, const Sample& sample,
                                std::size_t common) {
  const Tally all = ranked(tokenizer, sample);
  REQUIRE(all.words.size() > common);
  CHECK(all.of(0) == all.of(common - 1));
  CHECK(all.of(common) == all.of(all.words.size() - 1));
  return {all.of(0), all.of(common)};
}

TEST_CASE("Words come as often as in RULER, by length") {
  const auto times = [](i64 length) {
    const Sample sample = dataset(*bytes)->sample(Split::train, 1, length);
    // No further word fits: of 6 bytes, one or three times.
    CHECK((sample.filler.empty() || sample.filler[0].length < (length < 4096 ? 6 : 18)));
    return frequencies(*bytes, sample, 10);
  };
  CHECK(times(900) == std::pair<i64, i64>{6, 1});
  CHECK(times(4095) == std::pair<i64, i64>{6, 1});
  CHECK(times(4096) == std::pair<i64, i64>{30, 3});
  CHECK(times(20000) == std::pair<i64, i64>{30, 3});
}

TEST_CASE("Lists longer than their words raise all counts alike") {
  const auto times = [](i64 length) {
    const Sample sample = dataset(*words)->sample(Split::test, 0, length);
    CHECK((sample.filler.empty() || sample.filler[0].length < 100));
    return frequencies(*words, sample, 10);
  };
  // 10 words and 1980 others, and 37 tokens of prompt and answer.
  CHECK(times(60 + 1980 + 37) == std::pair<i64, i64>{6, 1});
  CHECK(times(60 + 1980 + 38) == std::pair<i64, i64>{12, 2});
  CHECK(times(300 + 3 * 1980 + 37) == std::pair<i64, i64>{30, 3});
  CHECK(times(300 + 3 * 1980 + 38) == std::pair<i64, i64>{40, 4});
  CHECK(times(100'000) == std::pair<i64, i64>{490, 49});  // 99963 / (100 + 1980) = 48.06
}

TEST_CASE("Counts that are given stay, and a length that they cannot fill is refused") {
  const auto both = dataset(*words, {{"common", "3"}, {"frequent", "5"}, {"rare", "2"}});
  CHECK(frequencies(*words, both->sample(Split::test, 0, 400), 3) == std::pair<i64, i64>{5, 2});
  // 3 x 5 and 1987 x 2, 7 + 11 + 5 around.
  const std::string message = message_of([&] { both->sample(Split::test, 0, 10'000); });
  CHECK_THAT(message, Contains("common_words: 10000 tokens: does not fit; longest length is 4011"));
  CHECK_NOTHROW(both->sample(Split::test, 0, 4011));
  CHECK_THROWS(both->sample(Split::test, 0, 4012));
  // rare rises to one below frequent, and no further.
  const auto frequent = dataset(*words, {{"common", "3"}, {"frequent", "4"}});
  CHECK(frequencies(*words, frequent->sample(Split::test, 0, 1000), 3) ==
        std::pair<i64, i64>{4, 1});
  CHECK(frequencies(*words, frequent->sample(Split::test, 0, 5900), 3) ==
        std::pair<i64, i64>{4, 3});
  CHECK_THROWS_WITH(frequent->sample(Split::test, 0, 6000), Contains("longest length is"));
  const auto rare = dataset(*words, {{"common", "3"}, {"rare", "2"}});
  CHECK(frequencies(*words, rare->sample(Split::test, 0, 400), 3) == std::pair<i64, i64>{12, 2});
  CHECK_THROWS_WITH(dataset(*words, {{"frequent", "2"}, {"rare", "2"}}),
                    Contains("frequent: 2 is not more than rare: 2"));
  CHECK_THROWS_WITH(dataset(*words, {{"frequent", "1"}}), Contains("frequent: 1"));
}

TEST_CASE("Swapping all of a common word changes the solution as the fact says") {
  for (const Tokenizer* tokenizer : {bytes.get(), words.get(), bpe.get()}) {
    for (const i64 length : {1200, 5000}) {
      const Sample sample = dataset(*tokenizer)->sample(Split::test, 2, length);
      INFO(tokenizer->name() << " " << length);
      REQUIRE(sample.facts.size() == 10);
      for (const Fact& fact : sample.facts) {
        const Sample other = swapped(sample, fact);
        CHECK(answer_of(*tokenizer, other) != answer_of(*tokenizer, sample));
        CHECK(most_frequent(*tokenizer, other, 10) == answer_of(*tokenizer, other));
      }
    }
  }
}

TEST_CASE("The evidence for common words is the list, whole") {
  const Sample sample = dataset(*bytes)->sample(Split::train, 2, 1000);
  REQUIRE(sample.last().evidence.size() == 1);
  const Span& list = sample.last().evidence.front();
  const Tally all = tally(*bytes, sample);
  i64 count = 0;
  for (const auto& [word, times] : all.counts) count += times;
  CHECK(list.length == 6 * count);
  CHECK_THAT(bytes->decode(part(sample, list)), Catch::Matchers::StartsWith(" " + all.words[0]));
}

TEST_CASE("Common words lengths are exact and the smallest is told") {
  const auto seed = GENERATE(51U, 52U);
  for (const Tokenizer* tokenizer : {bytes.get(), words.get(), bpe.get()}) {
    const auto data = dataset(*tokenizer);
    check_lengths(*data, *tokenizer, smallest_length(*data) + (tokenizer == bpe.get() ? 90 : 0),
                  seed);
  }
  // read this list of words : = 6; . which 1 0 words come most often ? they are : = 12; ten words
  // with nine commas; ten words six times, and one more.
  const auto data = dataset(*words);
  CHECK(smallest_length(*data) == 6 + 12 + 19 + 60 + 1);
  CHECK_NOTHROW(data->sample(Split::test, 0, 98));
  CHECK_THROWS_WITH(data->sample(Split::test, 0, 97), Contains("common_words: 97 tokens"));
}

TEST_CASE("Common words samples follow from seed, split and number") {
  check_reproducible("common_words", {}, *words, 256);
  CHECK(task_vocabulary("common_words") == common_words_words());
}

}  // namespace
}  // namespace longreach::datasets
