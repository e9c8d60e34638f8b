// The passkey task of passkey.h, and the dataset "passkey" that trains on it.
#include "datasets/passkey.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>

#include "core/error.h"
#include "datasets/draw.h"
#include "datasets/prompt.h"

namespace longreach::datasets {
namespace {

// Spaces separate all words and marks, so that a closed word list can spell the task, and every
// part ends with the space that sets it off from the next. "code is" occurs only before a key.
constexpr std::string_view kBeforeFirst = "remember this : the gate code is ";
constexpr std::string_view kBeforeSecond = " . again , the gate code is ";
constexpr std::string_view kAfterSecond = " . ";
constexpr std::string_view kQuestion = "what is the gate code ? the gate code is ";
constexpr std::string_view kDigits = "0123456789";

/// Filler is drawn from these at random, so that it is text to be modelled and no constant loop.
constexpr std::array<std::string_view, 10> kFiller{
    "the river runs past the old mill . ",   "a bird sings in the tall tree . ",
    "rain falls on the green hill . ",       "the road goes down to the sea . ",
    "the wind moves the long grass . ",      "snow lies on the high field . ",
    "a dog sleeps near the warm fire . ",    "the moon is bright and the night is still . ",
    "the sun is low and the day is long . ", "old snow falls in the still night . "};

using Key = std::array<int, kPasskeyDigits>;

Key draw_key(Rng& rng) {
  Key key;
  for (int& digit : key) digit = static_cast<int>(rng.below(10));
  return key;
}

/// The task's fixed parts in one tokenizer's tokens.
class Writer {
 public:
  explicit Writer(const Tokenizer& tokenizer)
      : opening_(tokenizer.opening()),
        before_first_(tokenizer.encode(kBeforeFirst)),
        before_second_(tokenizer.encode(kBeforeSecond)),
        after_second_(tokenizer.encode(kAfterSecond)),
        question_(tokenizer.encode(kQuestion)) {
    for (std::size_t d = 0; d < digits_.size(); ++d) {
      const std::vector<Token> tokens = tokenizer.encode(kDigits.substr(d, 1));
      if (tokens.size() != 1) {
        throw error(
            "passkey: the tokenizer '{}' writes the digit {} with {} tokens; the task needs "
            "one a digit, as bytes and words have",
            tokenizer.name(), d, tokens.size());
      }
      digits_[d] = tokens.front();
    }
    for (const std::string_view sentence : kFiller) filler_.push_back(tokenizer.encode(sentence));
  }

  i64 smallest() const {
    return static_cast<i64>(opening_.size() + before_first_.size() + before_second_.size() +
                            after_second_.size() + question_.size()) +
           3 * kPasskeyDigits;
  }

  /// Tokens left for filler. Throws Error when there are less than none.
  i64 room(i64 length) const {
    if (length < smallest()) {
      throw error("passkey: {} tokens: does not fit; smallest length is {}", length, smallest());
    }
    return length - smallest();
  }

  /// A sample with `before` of its filler tokens before the statement.
  Sample write(i64 length, i64 before, const Rng& rng, i64 decoys) const {
    const i64 filler = room(length);
    check(0 <= before && before <= filler, "the statement lies within the filler");
    Rng key_rng = rng.fork("key");
    const Key key = draw_key(key_rng);

    Sample sample;
    std::vector<Token>& tokens = sample.tokens;
    tokens.reserve(static_cast<std::size_t>(length));
    append(opening_, tokens);
    const auto fill = [&](i64 count, std::string_view purpose) {
      if (count > 0) sample.filler.push_back({end_of(tokens), count});
      append_filler(count, rng.fork(purpose), tokens);
    };
    fill(before, "filler before");
    const i64 statement = end_of(tokens);
    append(before_first_, tokens);
    const i64 first = end_of(tokens);
    append(encode(key), tokens);
    append(before_second_, tokens);
    const i64 second = end_of(tokens);
    append(encode(key), tokens);
    append(after_second_, tokens);
    const i64 stated = end_of(tokens) - statement;
    fill(filler - before, "filler after");
    append(question_, tokens);
    const Span answer{end_of(tokens), kPasskeyDigits};
    append(encode(key), tokens);
    check(end_of(tokens) == length, "a passkey sample has the length asked for");

    sample.depth =
        filler == 0 ? 0 : 100.0 * static_cast<double>(before) / static_cast<double>(filler);
    sample.questions = {{.answer = answer,
                         .decoys = draw_decoys(key, rng.fork("decoys"), decoys),
                         .evidence = {{statement, stated}}}};
    sample.facts = digit_facts(key, {first, second}, answer.begin, rng.fork("facts"));
    sample.weights = loss_weights(length);
    return sample;
  }

 private:
  static i64 end_of(const std::vector<Token>& tokens) { return static_cast<i64>(tokens.size()); }
  static void append(const std::vector<Token>& part, std::vector<Token>& tokens) {
    tokens.insert(tokens.end(), part.begin(), part.end());
  }

  std::vector<Token> encode(const Key& key) const {
    std::vector<Token> tokens;
    for (const int digit : key) tokens.push_back(digits_[static_cast<std::size_t>(digit)]);
    return tokens;
  }

  /// Random sentences, the first cut at its front so that there are `count` tokens.
  void append_filler(i64 count, Rng rng, std::vector<Token>& tokens) const {
    std::vector<const std::vector<Token>*> sentences;
    i64 drawn = 0;
    while (drawn < count) {
      sentences.push_back(&pick(filler_, rng));
      drawn += end_of(*sentences.back());
    }
    // Drawn from the last to the first: more room adds sentences in front and keeps the rest.
    for (auto sentence = sentences.rbegin(); sentence != sentences.rend(); ++sentence) {
      const i64 cut = sentence == sentences.rbegin() ? drawn - count : 0;
      tokens.insert(tokens.end(), (*sentence)->begin() + cut, (*sentence)->end());
    }
  }

  std::vector<std::vector<Token>> draw_decoys(const Key& key, Rng rng, i64 count) const {
    std::set<Key> used{key};
    std::vector<std::vector<Token>> decoys;
    while (static_cast<i64>(decoys.size()) < count) {
      const Key decoy = draw_key(rng);
      if (used.insert(decoy).second) decoys.push_back(encode(decoy));
    }
    return decoys;
  }

  std::vector<Fact> digit_facts(const Key& key, std::array<i64, 2> statements, i64 answer,
                                Rng rng) const {
    std::vector<Fact> facts;
    for (i64 d = 0; d < kPasskeyDigits; ++d) {
      const i64 other = (key[static_cast<std::size_t>(d)] + 1 + rng.below(9)) % 10;
      facts.push_back({{{statements[0] + d, 1}, {statements[1] + d, 1}},
                       {answer + d, 1},
                       {digits_[static_cast<std::size_t>(other)]}});
    }
    return facts;
  }

  static std::vector<float> loss_weights(i64 length) {
    const i64 predicted = length - 1 - kPasskeyDigits;  // all but the first token and the answer
    std::vector<float> weights(
        static_cast<std::size_t>(length),
        static_cast<float>(kPasskeyFillerWeight / static_cast<double>(predicted)));
    weights.front() = 0;
    std::fill(weights.end() - kPasskeyDigits, weights.end(), 1.0F / kPasskeyDigits);
    return weights;
  }

  std::vector<Token> opening_, before_first_, before_second_, after_second_, question_;
  std::array<Token, 10> digits_{};
  std::vector<std::vector<Token>> filler_;
};

class Passkey final : public Dataset {
 public:
  struct Params {
    i64 near = 64;
    double near_share = 0.25;
    void fields(Fields& f) {
      f("near", near, at_least(1, Unit::count),
        "a key counts as near when all from its statement to the answer is within so many tokens");
      f("near_share", near_share, between(0, 1),
        "share of training samples with a near key, which a sliding window can learn from; the "
        "others lie uniformly over all depths");
    }
  };

  Passkey(const Params& params, const Tokenizer& tokenizer, const Rng& rng)
      : params_(params), writer_(tokenizer), rng_(rng) {
    if (params_.near_share > 0 && params_.near < writer_.smallest()) {
      throw error(
          "passkey near: {} tokens do not hold the statement, the question and the answer; "
          "smallest is {} with the tokenizer '{}' (or set near_share: 0)",
          params_.near, writer_.smallest(), tokenizer.name());
    }
  }

  i64 version() const override { return kPasskeyVersion; }
  i64 size(Split, i64) const override { return std::numeric_limits<i64>::max(); }
  Sample sample(Split split, i64 index, i64 length) const override {
    const Rng rng = stream_of(rng_, split, index);
    const i64 filler = writer_.room(length);
    Rng place = rng.fork("place");
    i64 before = place.below(filler + 1);
    if (split == Split::train && place.uniform() < params_.near_share) {
      before = filler - place.below(std::min(filler, params_.near - writer_.smallest()) + 1);
    }
    return writer_.write(length, before, rng, kDecoys);
  }
  std::string description() const override {
    return fmt::format(
        "generated; {:g} of the training samples have their key in the last {} tokens",
        params_.near_share, params_.near);
  }

 private:
  static constexpr i64 kDecoys = 9;
  Params params_;
  Writer writer_;
  Rng rng_;
};

}  // namespace

std::vector<std::string> passkey_words() {
  std::string digits;
  for (const char digit : kDigits) digits += std::string(" ") + digit;
  std::vector<std::string_view> texts{digits, kBeforeFirst, kBeforeSecond, kAfterSecond, kQuestion};
  texts.insert(texts.end(), kFiller.begin(), kFiller.end());
  return words_of(texts);
}

i64 smallest_passkey(const Tokenizer& tokenizer) { return Writer(tokenizer).smallest(); }

Sample make_passkey(const Tokenizer& tokenizer, i64 length, double depth_percent, Rng rng,
                    i64 decoys) {
  if (!(0 <= depth_percent && depth_percent <= 100)) {
    throw error("passkey: depth {}: give per cent of the filler, 0 to 100", depth_percent);
  }
  check(0 <= decoys && decoys < 99999, "there are 99999 other keys");
  const Writer writer(tokenizer);
  const auto room = static_cast<double>(writer.room(length));
  Sample sample = writer.write(length, std::llround(room * depth_percent / 100), rng, decoys);
  sample.depth = depth_percent;
  return sample;
}

namespace {
const Registered<DatasetRegistry, Passkey> registered{
    "passkey", "A 5-digit key stated somewhere in filler, asked for at the end"};
const RegisteredVocabulary vocabulary{"passkey", passkey_words};
}  // namespace

}  // namespace longreach::datasets
