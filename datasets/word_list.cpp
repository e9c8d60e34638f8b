// The word lists of word_list.h.
#include "datasets/word_list.h"

#include <algorithm>

#include "core/error.h"
#include "datasets/draw.h"
#include "datasets/phrases.h"

namespace longreach::datasets {
namespace {

constexpr std::string_view kBefore = " read this list of words :";
constexpr std::string_view kDotsText = "...";

/// The n-th word of consonants and vowels in turn, "bulak"; the stride sets words that follow each
/// other far apart, and, sharing no factor with their number, comes to each once.
std::string syllables(i64 n) {
  constexpr std::string_view kConsonants = "bdfgklmnprstvz", kVowels = "aeiou";
  constexpr i64 kStride = 30011, kAll = 14 * 5 * 14 * 5 * 14;
  i64 rest = n * kStride % kAll;
  std::string word;
  for (const std::string_view letters : {kConsonants, kVowels, kConsonants, kVowels, kConsonants}) {
    word += letters[static_cast<std::size_t>(rest % std::ssize(letters))];
    rest /= std::ssize(letters);
  }
  return word;
}

std::vector<std::string> make_list_words() {
  const std::vector<std::string> taken = haystack_words();
  std::vector<std::string> words;
  for (i64 n = 0; std::ssize(words) < kListWords; ++n) {
    std::string word = syllables(n);
    if (std::ranges::find(taken, word) == taken.end()) words.push_back(std::move(word));
  }
  return words;
}

/// Each word as often as it counts, in random order.
std::vector<WordList::Word> shuffled(const std::vector<WordList::Counted>& counts, Rng rng) {
  std::vector<WordList::Word> list;
  for (const auto& [word, count] : counts) {
    list.insert(list.end(), static_cast<std::size_t>(count), word);
  }
  shuffle(list, rng);
  return list;
}

}  // namespace

const std::vector<std::string>& list_words() {
  static const std::vector<std::string> words = make_list_words();
  return words;
}

std::vector<std::string> list_vocabulary(std::span<const std::string_view> texts) {
  std::vector<std::string_view> all(texts.begin(), texts.end());
  for (const std::string_view text : {kBefore, kDotsText, kBetweenValues}) all.push_back(text);
  const std::vector<std::string> filler = haystack_words();
  all.insert(all.end(), filler.begin(), filler.end());
  all.insert(all.end(), list_words().begin(), list_words().end());
  return words_of(all);
}

WordList::WordList(const Tokenizer& tokenizer, std::string_view question)
    : tokenizer_(tokenizer), question_(question), haystack_(make_haystack({}, tokenizer)) {
  for (const std::string& word : list_words()) words_.push_back(tokenizer.encode(" " + word));
  words_.push_back(tokenizer.encode(" " + std::string(kDotsText)));
}

i64 WordList::size_around(std::span<const Word> asked) const {
  Prompt prompt(tokenizer_);
  prompt.add(kBefore);
  prompt.add(question_);
  std::vector<std::vector<Token>> answer;
  for (const Word word : asked) answer.push_back(words_[static_cast<std::size_t>(word)]);
  prompt.add(joined(tokenizer_, answer));
  return prompt.smallest();
}

Sample WordList::write(Split split, i64 length, const Task& task, const Rng& rng,
                       std::string_view where) const {
  // Where in the list each word asked is.
  std::vector<std::vector<i64>> places(words_.size());
  std::vector<Token> list;
  for (const Word word : shuffled(task.counts, rng.fork("order"))) {
    places[static_cast<std::size_t>(word)].push_back(std::ssize(list));
    const std::vector<Token>& tokens = words_[static_cast<std::size_t>(word)];
    list.insert(list.end(), tokens.begin(), tokens.end());
  }
  std::vector<Word> asked = task.asked;
  if (task.by_appearance) {
    std::ranges::sort(asked, {},
                      [&](Word word) { return places[static_cast<std::size_t>(word)].front(); });
  }
  std::vector<std::vector<Token>> values;
  for (const Word word : asked) values.push_back(words_[static_cast<std::size_t>(word)]);

  Prompt prompt(tokenizer_);
  prompt.gap(1);
  prompt.add(kBefore);
  const Prompt::Piece words = prompt.add(std::move(list));
  prompt.add(question_);
  const ListedAnswer answer(tokenizer_, values, prompt);
  const Prompt::Assembled made =
      prompt.assemble(length, *haystack_, split, rng.fork("filler"), where);

  Sample sample{.tokens = made.tokens};
  Question question = answer.question(made);
  question.evidence = {made.pieces[words]};
  Rng other = rng.fork("facts");
  for (std::size_t i = 0; i < asked.size() && !task.spare.empty(); ++i) {
    Fact fact{.answer = answer.value(i, made)};
    for (const i64 place : places[static_cast<std::size_t>(asked[i])]) {
      fact.stated.push_back({made.pieces[words].begin + place, fact.answer.length});
    }
    fact.counterfactual = draw_alike(values[i].size(), [&] {
      return words_[static_cast<std::size_t>(pick(task.spare, other))];
    });
    if (!fact.counterfactual.empty()) sample.facts.push_back(std::move(fact));
  }
  sample.questions = {std::move(question)};
  sample.weights = answer_weights(length, sample.questions);
  sample.filler = made.filler;
  return sample;
}

}  // namespace longreach::datasets
