// The task of frequent_words.h, registered as the dataset "frequent_words".
#include "datasets/frequent_words.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "datasets/draw.h"
#include "datasets/word_list.h"

namespace longreach::datasets {
namespace {

constexpr std::string_view kAsks = " . which 3 words come most often beside the dots ? they are :";

class FrequentWords final : public Dataset {
 public:
  struct Params {
    double alpha = 2;
    void fields(Fields& f) {
      f("alpha", alpha, between(1, 10),
        "the k-th most frequent comes ~ k^-alpha times; as in RULER the first is dots, and no "
        "word");
    }
  };

  FrequentWords(const Params& params, const Tokenizer& tokenizer, const Rng& rng)
      : list_(tokenizer, kAsks), rng_(rng) {
    double sum = 0;
    for (i64 k = 1; k <= 1 + kListWords - kSpareWords; ++k) {
      shares_.push_back(std::pow(static_cast<double>(k), -params.alpha));
      sum += shares_.back();
    }
    for (double& share : shares_) share /= sum;
  }

  i64 version() const override { return kFrequentWordsVersion; }
  i64 size(Split, i64) const override { return std::numeric_limits<i64>::max(); }
  std::string description() const override {
    return fmt::format("generated; the {} most frequent words of a list", kFrequentWordsAsked);
  }

  Sample sample(Split split, i64 index, i64 length) const override {
    const Rng rng = stream_of(rng_, split, index);
    Rng words = rng.fork("words");
    std::vector<WordList::Word> ranks = draw_distinct(kListWords, kListWords, words);
    WordList::Task task;
    task.asked.assign(ranks.begin(), ranks.begin() + kFrequentWordsAsked);
    task.spare.assign(ranks.end() - kSpareWords, ranks.end());
    ranks.insert(ranks.begin(), WordList::kDots);
    const std::vector<i64> counts = fitting(length - list_.size_around(task.asked), ranks);
    for (std::size_t k = 0; k < counts.size(); ++k) task.counts.push_back({ranks[k], counts[k]});
    return list_.write(split, length, task, rng, "frequent_words");
  }

 private:
  /// How often each rank comes among about `all`: its share, rounded, but of the words asked each
  /// more often than the next, and one more word at least once.
  std::vector<i64> counts(i64 all) const {
    std::vector<i64> counts;
    for (const double share : shares_) {
      counts.push_back(std::llround(share * static_cast<double>(all)));
    }
    counts[kFrequentWordsAsked + 1] = std::max<i64>(counts[kFrequentWordsAsked + 1], 1);
    for (std::size_t k = kFrequentWordsAsked; k >= 1; --k) {
      counts[k] = std::max(counts[k], counts[k + 1] + 1);
    }
    return counts;
  }

  i64 size_of(const std::vector<i64>& counts, const std::vector<WordList::Word>& ranks) const {
    i64 sum = 0;
    for (std::size_t k = 0; k < counts.size(); ++k) sum += counts[k] * list_.size_of(ranks[k]);
    return sum;
  }

  /// The most that `room` tokens hold; the fewest there are when they hold none.
  std::vector<i64> fitting(i64 room, const std::vector<WordList::Word>& ranks) const {
    // No count falls when `all` rises, and rounding takes at most 1/2 from each.
    i64 fits = 0, beyond = std::max<i64>(room, 0) + kListWords;
    while (beyond - fits > 1) {
      const i64 middle = fits + (beyond - fits) / 2;
      (size_of(counts(middle), ranks) <= room ? fits : beyond) = middle;
    }
    return counts(fits);
  }

  WordList list_;
  Rng rng_;
  std::vector<double> shares_;  ///< of ranks, dots first
};

}  // namespace

std::vector<std::string> frequent_words_words() {
  const std::array<std::string_view, 1> texts{kAsks};
  return list_vocabulary(texts);
}

namespace {
const Registered<DatasetRegistry, FrequentWords> registered{
    "frequent_words", "The most frequent words of a list, by a power law (RULER's frequent words)"};
const RegisteredVocabulary vocabulary{"frequent_words", frequent_words_words};
}  // namespace

}  // namespace longreach::datasets
