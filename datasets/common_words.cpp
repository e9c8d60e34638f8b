// The task of common_words.h, registered as the dataset "common_words".
#include "datasets/common_words.h"

#include <algorithm>
#include <limits>

#include "core/error.h"
#include "datasets/draw.h"
#include "datasets/word_list.h"

namespace longreach::datasets {
namespace {

constexpr std::string_view kAsks = " . which", kMost = " words come most often ? they are :";
constexpr i64 kMostCommon = 200;

class CommonWords final : public Dataset {
 public:
  struct Params {
    i64 common = 10, frequent = 0, rare = 0;
    void fields(Fields& f) {
      f("common", common, between(1, kMostCommon, Unit::count), "words that come most often");
      f("frequent", frequent, at_least(0, Unit::count),
        "how often each of them comes; 0: 6 below 4096 tokens and 30 from there on, and as much "
        "more as rare is more than RULER's");
      f("rare", rare, at_least(0, Unit::count),
        "how often every other word comes; 0: 1 below 4096 tokens and 3 from there on, and more "
        "where a list is so long that there are too few words to fill it");
    }
  };

  CommonWords(const Params& params, const Tokenizer& tokenizer, const Rng& rng)
      : params_(params),
        list_(tokenizer, fmt::format("{} {}{}", kAsks, params.common, kMost)),
        rng_(rng) {
    if (params_.frequent == 1 || (params_.frequent > 0 && params_.frequent <= params_.rare)) {
      throw error("common_words frequent: {} is not more than rare: {}; give more",
                  params_.frequent, std::max<i64>(params_.rare, 1));
    }
  }

  i64 version() const override { return kCommonWordsVersion; }
  i64 size(Split, i64) const override { return std::numeric_limits<i64>::max(); }
  std::string description() const override {
    return fmt::format("generated; {} words come most often in a list", params_.common);
  }

  Sample sample(Split split, i64 index, i64 length) const override {
    const Rng rng = stream_of(rng_, split, index);
    Rng words = rng.fork("words");
    const std::vector<WordList::Word> order = draw_distinct(kListWords, kListWords, words);
    WordList::Task task{.by_appearance = true};
    task.asked.assign(order.begin(), order.begin() + params_.common);
    task.spare.assign(order.end() - kSpareWords, order.end());
    const std::span<const WordList::Word> others = std::span(order).subspan(
        static_cast<std::size_t>(params_.common),
        static_cast<std::size_t>(kListWords - params_.common - kSpareWords));
    const WordFrequencies times = frequencies(length, task.asked, others);
    i64 left = length - list_.size_around(task.asked) - times.frequent * size_of(task.asked);
    for (const WordList::Word word : task.asked) task.counts.push_back({word, times.frequent});
    for (const WordList::Word word : others) {
      left -= times.rare * list_.size_of(word);
      // One other word there is at least; the list is then too long for the length, which tells.
      if (left < 0 && word != others.front()) break;
      task.counts.push_back({word, times.rare});
    }
    return list_.write(split, length, task, rng, "common_words");
  }

 private:
  i64 size_of(std::span<const WordList::Word> words) const {
    i64 sum = 0;
    for (const WordList::Word word : words) sum += list_.size_of(word);
    return sum;
  }

  /// RULER's or those given; as much more as it takes to fill the length with the words there are.
  WordFrequencies frequencies(i64 length, std::span<const WordList::Word> asked,
                              std::span<const WordList::Word> others) const {
    const WordFrequencies rule = length < kLongList ? kShortListFrequencies : kLongListFrequencies;
    const i64 ratio = rule.frequent / rule.rare;
    const i64 around = list_.size_around(asked), asked_size = size_of(asked),
              others_size = size_of(others);
    const auto frequent = [&](i64 rare) {
      return params_.frequent > 0 ? params_.frequent : ratio * rare;
    };
    const auto longest = [&](i64 rare) {
      return around + frequent(rare) * asked_size + rare * others_size;
    };
    i64 rare = params_.rare;
    if (rare == 0) {
      rare = std::min(rule.rare, frequent(rule.rare) - 1);
      while (longest(rare) < length && rare + 1 < frequent(rare + 1)) ++rare;
    }
    if (longest(rare) < length) {
      throw error("common_words: {} tokens: does not fit; longest length is {} (or give rare: 0)",
                  length, longest(rare));
    }
    return {frequent(rare), rare};
  }

  Params params_;
  WordList list_;
  Rng rng_;
};

}  // namespace

std::vector<std::string> common_words_words() {
  const std::array<std::string_view, 3> texts{" 0 1 2 3 4 5 6 7 8 9", kAsks, kMost};
  return list_vocabulary(texts);
}

namespace {
const Registered<DatasetRegistry, CommonWords> registered{
    "common_words", "The words of a list that come most often (RULER's common words)"};
const RegisteredVocabulary vocabulary{"common_words", common_words_words};
}  // namespace

}  // namespace longreach::datasets
