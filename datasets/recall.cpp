// The recall task of recall.h, and the dataset "recall" that trains on it.
#include "datasets/recall.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/error.h"

namespace longreach::datasets {
namespace {

/// `count` different words of kRecallWords, in random order.
std::vector<i64> draw_words(i64 count, Rng rng) {
  std::vector<i64> words(static_cast<std::size_t>(kRecallWords));
  std::iota(words.begin(), words.end(), 0);
  for (i64 i = 0; i < count; ++i) {
    std::swap(words[static_cast<std::size_t>(i)],
              words[static_cast<std::size_t>(i + rng.below(kRecallWords - i))]);
  }
  words.resize(static_cast<std::size_t>(count));
  return words;
}

/// `count` of the slots 0, 1, ..., drawn one after the other without replacement, slot i with
/// probability ~ (i + 1)^(power - 1).
std::vector<i64> draw_slots(i64 slots, i64 count, double power, Rng rng) {
  // Whoever's exponential clock of that rate rings first is drawn next.
  std::vector<std::pair<double, i64>> rings;
  for (i64 i = 0; i < slots; ++i) {
    const double wait = -std::log1p(-rng.uniform());
    rings.emplace_back(wait * std::pow(static_cast<double>(i + 1), 1 - power), i);
  }
  std::partial_sort(rings.begin(), rings.begin() + count, rings.end());
  std::vector<i64> drawn;
  for (i64 i = 0; i < count; ++i) drawn.push_back(rings[static_cast<std::size_t>(i)].second);
  return drawn;
}

/// The task in one tokenizer's tokens.
class Writer {
 public:
  explicit Writer(const Tokenizer& tokenizer) {
    for (const std::string& word : recall_words()) {
      const std::vector<Token> tokens = tokenizer.encode(word);
      if (tokens.size() != 1) {
        throw error(
            "recall: the tokenizer '{}' writes '{}' with {} tokens; the task needs one a word, as "
            "'vocabulary: task' has",
            tokenizer.name(), word, tokens.size());
      }
      words_.push_back(tokens.front());
    }
  }

  Sample write(i64 length, i64 pairs, double power, const Rng& rng) const {
    check(1 <= pairs && pairs <= kMostRecallPairs && power >= 0, "a recall task there is");
    if (length < smallest_recall(pairs)) {
      throw error("recall: {} pairs in {} tokens: does not fit; smallest length is {}", pairs,
                  length, smallest_recall(pairs));
    }
    const std::vector<i64> keys = draw_words(pairs, rng.fork("keys"));
    const std::vector<i64> values = draw_words(pairs + 1, rng.fork("values"));
    const i64 stated = 2 * pairs;
    const std::vector<i64> slots =
        draw_slots((length - stated) / 2, pairs, power, rng.fork("slots"));

    Sample sample;
    sample.tokens = filler(length, keys, rng.fork("filler"));
    sample.weights.assign(static_cast<std::size_t>(length), 0.0F);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const i64 statement = 2 * static_cast<i64>(i), question = stated + 2 * slots[i];
      for (const i64 begin : {statement, question}) {
        sample.tokens[static_cast<std::size_t>(begin)] = key(keys[i]);
        sample.tokens[static_cast<std::size_t>(begin + 1)] = value(values[i]);
      }
      sample.weights[static_cast<std::size_t>(question + 1)] = 1;
      sample.facts.push_back({{{statement + 1, 1}}, {question + 1, 1}, {value(values.back())}});
      sample.questions.push_back({.answer = {question + 1, 1}, .evidence = {{statement, 2}}});
    }
    std::ranges::sort(sample.questions, {}, [](const Question& q) { return q.answer.begin; });
    sample.filler = rest_of(stated, slots, length);
    return sample;
  }

 private:
  Token key(i64 word) const { return words_[static_cast<std::size_t>(word)]; }
  Token value(i64 word) const { return words_[static_cast<std::size_t>(kRecallWords + word)]; }

  std::vector<Token> filler(i64 count, const std::vector<i64>& excluded_keys, Rng rng) const {
    std::vector<Token> choice = words_;
    for (const i64 word : excluded_keys) std::erase(choice, key(word));
    std::vector<Token> tokens(static_cast<std::size_t>(count));
    for (Token& token : tokens) {
      token = choice[static_cast<std::size_t>(rng.below(std::ssize(choice)))];
    }
    return tokens;
  }

  /// What the questions leave of [stated, length).
  static std::vector<Span> rest_of(i64 stated, std::vector<i64> slots, i64 length) {
    std::sort(slots.begin(), slots.end());
    std::vector<Span> spans;
    i64 begin = stated;
    const auto add = [&](i64 end) {
      if (end > begin) spans.push_back({begin, end - begin});
    };
    for (const i64 slot : slots) {
      add(stated + 2 * slot);
      begin = stated + 2 * slot + 2;
    }
    add(length);
    return spans;
  }

  std::vector<Token> words_;
};

class Recall final : public Dataset {
 public:
  struct Params {
    i64 pairs = 4, fewest = 0;
    double power = kRecallPower;
    void fields(Fields& f) {
      f("pairs", pairs, between(1, kMostRecallPairs, Unit::count),
        "key-value pairs in a sample, at most, and no more than fit in its length");
      f("fewest", fewest, between(0, kMostRecallPairs, Unit::count),
        "pairs in a sample at least, their number being log-uniform; 0: always as many as pairs");
      f("power", power, between(0, 10),
        "the n-th place for a question is drawn with probability ~ n^(power - 1): near the pairs "
        "when small, evenly at 1");
    }
  };

  Recall(const Params& params, const Tokenizer& tokenizer, const Rng& rng)
      : params_(params), writer_(tokenizer), rng_(rng) {
    if (params_.fewest == 0) params_.fewest = params_.pairs;
    if (params_.fewest > params_.pairs) {
      throw error("recall fewest: {} pairs are more than pairs: {}", params_.fewest, params_.pairs);
    }
  }

  i64 version() const override { return kRecallVersion; }
  i64 size(Split, i64) const override { return std::numeric_limits<i64>::max(); }
  Sample sample(Split split, i64 index, i64 length) const override {
    const Rng rng = rng_.fork(split == Split::train ? "train" : "test").fork(index);
    return writer_.write(length, draw_pairs(length, rng.fork("pairs")), params_.power, rng);
  }
  std::string description() const override {
    return fmt::format("generated; {} to {} pairs of {} keys and {} values", params_.fewest,
                       params_.pairs, kRecallWords, kRecallWords);
  }

 private:
  /// Log-uniform from the fewest to the most that fit; the fewest when they do not.
  i64 draw_pairs(i64 length, Rng rng) const {
    const i64 most = std::max(params_.fewest, std::min(params_.pairs, length / smallest_recall(1)));
    const double low = static_cast<double>(params_.fewest), high = static_cast<double>(most + 1);
    return std::min(most, static_cast<i64>(low * std::pow(high / low, rng.uniform())));
  }

  Params params_;
  Writer writer_;
  Rng rng_;
};

}  // namespace

std::vector<std::string> recall_words() {
  std::vector<std::string> words;
  for (const char kind : {'k', 'v'}) {
    for (i64 i = 0; i < kRecallWords; ++i) words.push_back(fmt::format("{}{}", kind, i));
  }
  return words;
}

Sample make_recall(const Tokenizer& tokenizer, i64 length, i64 pairs, double power,
                   const Rng& rng) {
  return Writer(tokenizer).write(length, pairs, power, rng);
}

namespace {
const Registered<DatasetRegistry, Recall> registered{
    "recall", "Key-value pairs, then each key again with its value to tell (MQAR)"};
const RegisteredVocabulary vocabulary{"recall", recall_words};
}  // namespace

}  // namespace longreach::datasets
