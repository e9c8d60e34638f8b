// The prompts and haystacks of prompt.h.
#include "datasets/prompt.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <sstream>

#include "core/error.h"
#include "core/sha256.h"
#include "datasets/draw.h"
#include "datasets/text.h"

namespace longreach::datasets {
namespace {

constexpr std::string_view kNoise = " the grass is green . the sky is blue . the sun is yellow .";

constexpr std::array<std::string_view, 16> kProse{
    " the river runs past the old mill .",
    " a grey cat sleeps on the wall .",
    " rain falls on the green hill all night .",
    " the road goes down to the sea .",
    " the wind moves the long grass .",
    " snow lies on the high field .",
    " the baker opens his door before the sun is up .",
    " a small boat waits near the bridge .",
    " the children run home when it is dark .",
    " an old man reads by the fire .",
    " the train leaves the town at noon .",
    " two birds sing in the tall tree .",
    " the farmer walks his dog along the river .",
    " the bells of the church ring in the morning .",
    " a letter lies on the table and no one opens it .",
    " the moon is bright and the night is still ."};

/// Appends what `next` gives, the last first, until there are `count` tokens; the front is cut.
template <class Next>
void append_backwards(i64 count, const Next& next, std::vector<Token>& tokens) {
  std::vector<std::vector<Token>> sentences;
  i64 drawn = 0;
  while (drawn < count) {
    sentences.push_back(next());
    check(!sentences.back().empty(), "a sentence has tokens");
    drawn += std::ssize(sentences.back());
  }
  i64 cut = drawn - count;
  for (auto sentence = sentences.rbegin(); sentence != sentences.rend(); ++sentence) {
    tokens.insert(tokens.end(), sentence->begin() + cut, sentence->end());
    cut = 0;
  }
}

/// Text cut behind its full stops, question and exclamation marks; each sentence begins with one
/// space in place of the white space before it.
std::vector<std::string> sentences_of(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\r\n\v\f";
  std::vector<std::string> sentences;
  while (true) {
    const std::size_t begin = text.find_first_not_of(kSpaces);
    if (begin == std::string_view::npos) return sentences;
    text.remove_prefix(begin);
    std::size_t end = text.find_first_of(".!?");
    while (end != std::string_view::npos && end + 1 < text.size() &&
           kSpaces.find(text[end + 1]) == std::string_view::npos) {
      end = text.find_first_of(".!?", end + 1);
    }
    const std::size_t size = end == std::string_view::npos ? text.size() : end + 1;
    sentences.push_back(" " + std::string(text.substr(0, size)));
    text.remove_prefix(size);
  }
}

class TextHaystack final : public Haystack {
 public:
  TextHaystack(const std::string& path, const Tokenizer& tokenizer) : path_(path) {
    TextParams params;
    params.path = path;
    std::string hashes;
    for (const std::string& document : read_documents(params)) {
      hashes += sha256(document) + "\n";
      for (const std::string& sentence : sentences_of(document)) {
        sentences_.push_back(tokenizer.encode(sentence));
      }
    }
    std::erase_if(sentences_, [](const auto& sentence) { return sentence.empty(); });
    if (sentences_.empty()) throw error("haystack '{}': has no text", path);
    sha_ = sha256(hashes);
    const i64 all = std::ssize(sentences_);
    held_out_ = all < kFewestToSplit ? 0 : all / 10;
  }
  void append(i64 count, Split split, const Rng& rng, std::vector<Token>& tokens) const override {
    Rng own = rng;
    const i64 training = std::ssize(sentences_) - held_out_;
    const bool rest = split == Split::test && held_out_ > 0;
    const i64 begin = rest ? training : 0, all = rest ? held_out_ : training;
    i64 at = own.below(all);
    append_backwards(
        count,
        [&] {
          const i64 here = at;
          at = (at + all - 1) % all;
          return sentences_[static_cast<std::size_t>(begin + here)];
        },
        tokens);
  }
  std::string sha() const override { return sha_; }
  std::string description() const override {
    return fmt::format("; prose of '{}', {} sentences, {}", path_, sentences_.size(),
                       held_out_ == 0 ? std::string("too few to hold some out for test")
                                      : fmt::format("the last {} for test alone", held_out_));
  }

 private:
  std::string path_;
  std::vector<std::vector<Token>> sentences_;
  i64 held_out_ = 0;  ///< of the last ones
  std::string sha_;
};

}  // namespace

void SentenceHaystack::append(i64 count, Split, const Rng& rng, std::vector<Token>& tokens) const {
  Rng own = rng;
  append_backwards(
      count, [&] { return draw_(own); }, tokens);
}

void HaystackParams::fields(Fields& f) {
  f("haystack", kind,
    "noise: one sentence over and over; prose: sentences of ordinary English at random, or those "
    "of `path`, each stretch of filler having neighbours in order");
  f("path", path,
    "a text, folder or .jsonl file to take prose from, its last tenth for test samples; \"\": our "
    "own");
}

std::unique_ptr<Haystack> make_haystack(const HaystackParams& params, const Tokenizer& tokenizer) {
  if (params.kind == HaystackKind::noise) {
    if (!params.path.empty()) {
      throw error("haystack: noise is not taken from '{}'; give haystack: prose", params.path);
    }
    return std::make_unique<SentenceHaystack>(
        [noise = tokenizer.encode(kNoise)](Rng&) { return noise; });
  }
  if (!params.path.empty()) return std::make_unique<TextHaystack>(params.path, tokenizer);
  std::vector<std::vector<Token>> sentences;
  for (const std::string_view sentence : kProse) sentences.push_back(tokenizer.encode(sentence));
  return std::make_unique<SentenceHaystack>([sentences](Rng& rng) { return pick(sentences, rng); });
}

std::vector<std::string> haystack_words() {
  std::vector<std::string_view> texts(kProse.begin(), kProse.end());
  texts.push_back(kNoise);
  return words_of(texts);
}

std::vector<std::string> words_of(std::span<const std::string_view> texts) {
  std::vector<std::string> words;
  for (const std::string_view text : texts) {
    std::istringstream in{std::string(text)};
    for (std::string word; in >> word;) {
      if (std::ranges::find(words, word) == words.end()) words.push_back(word);
    }
  }
  return words;
}

Prompt::Piece Prompt::add(std::string_view text) { return add(tokenizer_.encode(text)); }

Prompt::Piece Prompt::add(std::vector<Token> tokens) {
  parts_.push_back({std::move(tokens), 0, false});
  return pieces_++;
}

void Prompt::gap(double share) {
  check(share >= 0, "a gap has a share");
  parts_.push_back({{}, share, true});
}

i64 Prompt::smallest() const {
  i64 sum = std::ssize(tokenizer_.opening());
  for (const Part& part : parts_) sum += std::ssize(part.tokens);
  return sum;
}

Prompt::Assembled Prompt::assemble(i64 length, const Haystack& haystack, Split split,
                                   const Rng& rng, std::string_view where) const {
  if (length < smallest()) {
    throw error("{}: {} tokens: does not fit; smallest length is {}", where, length, smallest());
  }
  double shares = 0;
  for (const Part& part : parts_) shares += part.share;
  const i64 room = length - smallest();
  if (shares == 0 && room > 0) {
    throw error("{}: {} tokens: does not fit; the only length is {}", where, length, smallest());
  }
  Assembled made;
  std::vector<Token>& tokens = made.tokens;
  tokens = tokenizer_.opening();
  tokens.reserve(static_cast<std::size_t>(length));
  double share = 0;
  i64 filled = 0, gaps = 0;
  for (const Part& part : parts_) {
    const i64 begin = std::ssize(tokens);
    if (part.is_gap) {
      // Rounded sums, so that the gaps add up to the room.
      share += part.share;
      const i64 until = shares == 0 ? 0 : std::llround(share / shares * static_cast<double>(room));
      haystack.append(until - filled, split, rng.fork("gap").fork(gaps++), tokens);
      if (until > filled) made.filler.push_back({begin, until - filled});
      filled = until;
    } else {
      tokens.insert(tokens.end(), part.tokens.begin(), part.tokens.end());
      made.pieces.push_back({begin, std::ssize(part.tokens)});
    }
  }
  check(std::ssize(tokens) == length, "a prompt has the length asked for");
  return made;
}

std::vector<float> answer_weights(i64 length, std::span<const Question> questions) {
  i64 answers = 0;
  for (const Question& question : questions) answers += question.answer.length;
  const i64 others = length - 1 - answers;
  check(answers > 0 && others > 0, "a sample has answers and more than answers");
  std::vector<float> weights(static_cast<std::size_t>(length),
                             static_cast<float>(kOutsideWeight / static_cast<double>(others)));
  weights.front() = 0;
  for (const Question& question : questions) {
    std::fill_n(weights.begin() + question.answer.begin, question.answer.length,
                1.0F / static_cast<float>(answers));
  }
  return weights;
}

}  // namespace longreach::datasets
