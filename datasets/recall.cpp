// The recall task of recall.h, and the dataset "recall" that trains on it.
#include "datasets/recall.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "datasets/draw.h"

namespace longreach::datasets {
namespace {

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

/// The same where the n-th is drawn from the first `first + n` slots alone.
std::vector<i64> draw_near_slots(i64 slots, i64 count, i64 first, double power, Rng rng) {
  std::vector<double> weights;
  for (i64 i = 0; i < std::min(slots, first + count); ++i) {
    weights.push_back(std::pow(static_cast<double>(i + 1), power - 1));
  }
  std::vector<i64> drawn;
  for (i64 n = 0; n < count; ++n) {
    const auto near = static_cast<std::size_t>(std::min(slots, first + n));
    double sum = 0;
    for (std::size_t i = 0; i < near; ++i) sum += weights[i];
    double left = rng.uniform() * sum;
    std::size_t slot = near;  // rounding may leave some at the end: then the last that is free
    for (std::size_t i = 0; i < near; ++i) {
      if (weights[i] == 0) continue;
      slot = i;
      if (left < weights[i]) break;
      left -= weights[i];
    }
    check(slot < near, "a slot is free");
    weights[slot] = 0;
    drawn.push_back(static_cast<i64>(slot));
  }
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

  Sample write(i64 length, i64 pairs, const RecallOptions& options, const Rng& rng) const {
    check(1 <= pairs && pairs <= kMostRecallPairs && options.power >= 0, "a recall task there is");
    options.require_room(pairs, "recall");
    if (length < smallest_recall(pairs)) {
      throw error("recall: {} pairs in {} tokens: does not fit; smallest length is {}", pairs,
                  length, smallest_recall(pairs));
    }
    Rng keys_rng = rng.fork("keys"), values_rng = rng.fork("values");
    const std::vector<i64> keys = draw_distinct(pairs, kRecallWords, keys_rng);
    const std::vector<i64> values = draw_distinct(pairs + 1, kRecallWords, values_rng);
    const i64 stated = 2 * pairs;
    const std::vector<i64> slots =
        place_questions((length - stated) / 2, pairs, options, rng.fork("slots"));

    Sample sample;
    sample.tokens = filler(length, options.exclude ? keys : std::vector<i64>{}, rng.fork("filler"));
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

  /// The slot of each pair, in the order stated.
  static std::vector<i64> place_questions(i64 slots, i64 pairs, const RecallOptions& options,
                                          const Rng& rng) {
    // Pair n (from 0) stands at 2n and slot s at 2 pairs + 2s: s <= max_gap / 2 - pairs + n.
    const i64 first = options.max_gap / 2 - pairs + 1;
    if (options.max_gap == 0 || first >= slots) return draw_slots(slots, pairs, options.power, rng);
    return draw_near_slots(slots, pairs, first, options.power, rng);
  }

  std::vector<Token> filler(i64 count, const std::vector<i64>& excluded_keys, Rng rng) const {
    std::vector<Token> choice = words_;
    for (const i64 word : excluded_keys) std::erase(choice, key(word));
    std::vector<Token> tokens(static_cast<std::size_t>(count));
    for (Token& token : tokens) {
      token = pick(choice, rng);
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
    RecallOptions options;
    void fields(Fields& f) {
      f("pairs", pairs, between(1, kMostRecallPairs, Unit::count),
        "key-value pairs in a sample, at most, and no more than fit in its length");
      f("fewest", fewest, between(0, kMostRecallPairs, Unit::count),
        "pairs in a sample at least, their number being log-uniform; 0: always as many as pairs");
      options.fields(f);
    }
  };

  Recall(const Params& params, const Tokenizer& tokenizer, const Rng& rng)
      : params_(params), writer_(tokenizer), rng_(rng) {
    if (params_.fewest == 0) params_.fewest = params_.pairs;
    if (params_.fewest > params_.pairs) {
      throw error("recall fewest: {} pairs are more than pairs: {}", params_.fewest, params_.pairs);
    }
    params_.options.require_room(params_.pairs, "recall");
  }

  i64 version() const override { return kRecallVersion; }
  i64 size(Split, i64) const override { return std::numeric_limits<i64>::max(); }
  Sample sample(Split split, i64 index, i64 length) const override {
    const Rng rng = stream_of(rng_, split, index);
    return writer_.write(length, draw_pairs(length, rng.fork("pairs")), params_.options, rng);
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

void RecallOptions::fields(Fields& f) {
  f("power", power, between(0, 10),
    "the n-th place for a question is drawn with probability ~ n^(power - 1): near the pairs when "
    "small, evenly at 1");
  f("exclude", exclude,
    "whether filler never holds a key of the sample; false: any word, as in the paper's code");
  f("max_gap", max_gap, at_least(0, Unit::count),
    "most tokens from a pair's statement to its question, at least twice the pairs; 0: no limit");
}

void RecallOptions::require_room(i64 pairs, std::string_view where) const {
  if (max_gap > 0 && max_gap < 2 * pairs) {
    throw error("{} max_gap: {} tokens are too few to ask {} pairs; give at least {}", where,
                max_gap, pairs, 2 * pairs);
  }
}

std::string RecallOptions::protocol() const {
  return (exclude ? "" : ":exclude=off") + (max_gap == 0 ? "" : fmt::format(":gap={}", max_gap));
}

Sample make_recall(const Tokenizer& tokenizer, i64 length, i64 pairs, const RecallOptions& options,
                   const Rng& rng) {
  return Writer(tokenizer).write(length, pairs, options, rng);
}

namespace {
const Registered<DatasetRegistry, Recall> registered{
    "recall", "Key-value pairs, then each key again with its value to tell (MQAR)"};
const RegisteredVocabulary vocabulary{"recall", recall_words};
}  // namespace

}  // namespace longreach::datasets
