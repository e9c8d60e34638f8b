// Tests datasets/frequent_words.cpp.
#include "datasets/frequent_words.h"

#include <cmath>

#include "datasets/word_list.h"
#include "tests/datasets/counting.h"

namespace longreach::datasets {
namespace {

using Catch::Matchers::Contains;

const std::unique_ptr<Tokenizer> bytes = byte_tokenizer();
const std::unique_ptr<Tokenizer> words = word_tokenizer(frequent_words_words());
const std::unique_ptr<Tokenizer> bpe = tiny_bpe();

auto dataset(const Tokenizer& tokenizer, tests::Settings settings = {}) {
  return make_dataset("frequent_words", std::move(settings), tokenizer, Rng(4));
}

TEST_CASE("The frequent words follow from counting the list, without ties") {
  for (const Tokenizer* tokenizer : {bytes.get(), words.get(), bpe.get()}) {
    for (const std::string alpha : {"2", "1", "6"}) {
      const auto data = dataset(*tokenizer, {{"alpha", alpha}});
      for (i64 i = 0; i < 12; ++i) {
        const Sample sample = data->sample(Split::test, i, 200 + 300 * i);
        INFO(tokenizer->name() << " " << alpha << " " << i);
        const Tally all = ranked(*tokenizer, sample);
        CHECK(all.of(0) > all.of(1));
        CHECK(all.of(1) > all.of(2));
        CHECK(most_frequent(*tokenizer, sample, 3) == answer_of(*tokenizer, sample));
      }
    }
  }
}

TEST_CASE("Frequencies are RULER's power law, dots being the first") {
  const Sample sample = dataset(*words)->sample(Split::train, 0, 100'000);
  const Tally all = ranked(*words, sample);
  // zeta(2) = pi^2 / 6, of which 1990 terms lack 0.0005; 100000 tokens less 24 around the list, and
  // the ranks beyond the 246th that round to none leave less than 0.4 % for the others.
  for (std::size_t i = 0; i < 10; ++i) {
    const double rank = static_cast<double>(i + 2);
    const double expected = 99'976 / (rank * rank * 1.6449);
    INFO("rank " << rank);
    CHECK(static_cast<double>(all.of(i)) == Approx(expected).epsilon(0.005).margin(1));
  }
  i64 listed = 0;
  for (const auto& [word, count] : all.counts) listed += count;
  const double dots = static_cast<double>(sample.last().evidence.front().length - listed);
  CHECK(dots == Approx(99'976 / 1.6449).epsilon(0.005));
  // 1 / (k^2 1.6449) of 99976 rounds to none from k = 349 on.
  CHECK(all.words.size() > 330);
  CHECK(all.words.size() < 360);
}

TEST_CASE("Swapping all of a frequent word changes the solution as the fact says") {
  for (const Tokenizer* tokenizer : {bytes.get(), words.get(), bpe.get()}) {
    const Sample sample = dataset(*tokenizer)->sample(Split::test, 2, 1200);
    INFO(tokenizer->name());
    REQUIRE(sample.facts.size() == 3);
    for (const Fact& fact : sample.facts) {
      const Sample other = swapped(sample, fact);
      CHECK(answer_of(*tokenizer, other) != answer_of(*tokenizer, sample));
      CHECK(most_frequent(*tokenizer, other, 3) == answer_of(*tokenizer, other));
    }
  }
}

TEST_CASE("Frequent words lengths are exact and the smallest is told") {
  const auto seed = GENERATE(61U, 62U);
  for (const Tokenizer* tokenizer : {bytes.get(), words.get(), bpe.get()}) {
    const auto data = dataset(*tokenizer);
    check_lengths(*data, *tokenizer, smallest_length(*data) + (tokenizer == bpe.get() ? 30 : 0),
                  seed);
  }
  // read this list of words : = 6; . which 3 words come most often beside the dots ? they are : =
  // 14; three words with two commas; words four times to once.
  const auto data = dataset(*words);
  CHECK(smallest_length(*data) == 6 + 14 + 5 + 10);
  CHECK_NOTHROW(data->sample(Split::test, 0, 35));
  CHECK_THROWS_WITH(data->sample(Split::test, 0, 34), Contains("frequent_words: 34 tokens"));
}

TEST_CASE("Little of a list of frequent words is left to prose") {
  for (i64 length = 256; length < 3000; length += 97) {
    const Sample sample = dataset(*words)->sample(Split::test, length, length);
    CHECK((sample.filler.empty() || sample.filler[0].length <= 8));
  }
}

TEST_CASE("Frequent words samples follow from seed, split and number") {
  check_reproducible("frequent_words", {}, *words, 256);
  CHECK(task_vocabulary("frequent_words") == frequent_words_words());
}

}  // namespace
}  // namespace longreach::datasets
