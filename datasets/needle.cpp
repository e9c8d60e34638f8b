// The needle tasks of needle.h, registered as the dataset "needle".
#include "datasets/needle.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "datasets/draw.h"
#include "datasets/phrases.h"
#include "datasets/prompt.h"

namespace longreach::datasets {
namespace {

// All of five letters, so that every key has as many bytes and a length that fits one sample fits
// all.
constexpr std::array<std::string_view, 40> kAdjectives{
    "amber", "blunt", "brave", "brief", "brown", "cheap", "civic", "clean", "clear", "crisp",
    "dense", "dizzy", "dusty", "eager", "early", "empty", "faint", "fancy", "fresh", "giant",
    "grand", "happy", "hasty", "heavy", "jolly", "large", "lucky", "merry", "noble", "plain",
    "proud", "quick", "quiet", "rapid", "round", "royal", "sharp", "shiny", "solid", "swift"};
constexpr std::array<std::string_view, 40> kNouns{
    "anvil", "apple", "arrow", "badge", "berry", "brush", "cabin", "chair", "clock", "cloud",
    "crown", "daisy", "eagle", "fence", "flute", "glass", "grape", "horse", "knife", "lemon",
    "maple", "melon", "mouse", "olive", "onion", "otter", "pearl", "piano", "plate", "robin",
    "scarf", "shell", "spoon", "stone", "sword", "tiger", "torch", "wagon", "whale", "zebra"};
constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kHexDigits = "0123456789abcdef";

// The parts of statements and questions, for one value asked and for several.
constexpr std::string_view kStates = " the special number for", kIs = " is", kStop = " .";
constexpr std::string_view kAsks = " what is the special number for", kMark = " ?";
constexpr std::string_view kAsksSeveral = " what are the special numbers for";
constexpr std::string_view kStatesSeveral = " the special numbers for", kAre = " are";

enum class Filling { noise, prose, needles };

/// What tells the kinds apart.
struct Form {
  Filling filling = Filling::prose;
  bool uuid_keys = false, uuid_values = false;
  i64 stated = 1, asked = 1;
  bool one_key = false;
};

Form form_of(NeedleKind kind) {
  switch (kind) {
    case NeedleKind::s1:
      return {.filling = Filling::noise};
    case NeedleKind::s2:
      return {};
    case NeedleKind::s3:
      return {.uuid_values = true};
    case NeedleKind::mk1:
      return {.stated = kNeedles};
    case NeedleKind::mk2:
      return {.filling = Filling::needles};
    case NeedleKind::mk3:
      return {.filling = Filling::needles, .uuid_keys = true, .uuid_values = true};
    case NeedleKind::mv:
      return {.stated = kNeedles, .asked = kNeedles, .one_key = true};
    case NeedleKind::mq:
      return {.stated = kNeedles, .asked = kNeedles};
  }
  check(false, "a kind of needle there is");
  return {};
}

std::string draw_uuid(Rng& rng) {
  std::string uuid = draw_text(8, kHexDigits, rng);
  for (const i64 digits : {4, 4, 4, 12}) uuid += "-" + draw_text(digits, kHexDigits, rng);
  return uuid;
}

/// Statements of one sample; the first `asked` are asked.
struct Needles {
  std::vector<std::string> keys, values;
  std::vector<double> places;  ///< shares of the filler before each
};

class Needle final : public Dataset {
 public:
  struct Params {
    NeedleKind kind = NeedleKind::s2;
    std::string path;
    i64 digits = 7;
    std::vector<double> depths{0, 25, 50, 75, 100};
    void fields(Fields& f) {
      f("kind", kind,
        "RULER's tasks: s1 one needle in noise; s2 in prose; s3 in prose, the value a uuid; mk1 "
        "four keys, one asked; mk2 among needles with other keys; mk3 the same, all uuids; mv four "
        "values of one key; mq four keys, all asked");
      f("path", path,
        "a text, folder or .jsonl file to take prose from, its last tenth for test samples; \"\": "
        "our own");
      f("digits", digits, between(1, 18, Unit::count), "digits of a number");
      f("depths", depths, between(0, 100),
        "per cent of the filler before the needle asked (the first, if several are; the others lie "
        "anywhere) in test samples, in turn; training samples have all depths alike");
    }
  };

  Needle(const Params& params, const Tokenizer& tokenizer, const Rng& rng)
      : params_(params), form_(form_of(params.kind)), tokenizer_(tokenizer), rng_(rng) {
    if (params_.depths.empty()) throw Error("needle depths: none; give some, as depths: [0, 50]");
    if (form_.filling != Filling::prose && !params_.path.empty()) {
      throw error("needle path: kind {} has no prose to take from '{}'; give another kind, as s2",
                  EnumNames<NeedleKind>::names[static_cast<std::size_t>(params_.kind)],
                  params_.path);
    }
    if (form_.filling != Filling::needles) {
      const bool noise = form_.filling == Filling::noise;
      haystack_ = make_haystack(
          {.kind = noise ? HaystackKind::noise : HaystackKind::prose, .path = params_.path},
          tokenizer);
    }
    smallest_ = longest_sample();
  }

  i64 version() const override { return kNeedleVersion; }
  i64 size(Split, i64) const override { return std::numeric_limits<i64>::max(); }
  std::string sha() const override { return haystack_ == nullptr ? "" : haystack_->sha(); }
  std::string description() const override {
    return fmt::format("generated; {} of {} needles asked, among {}{}", form_.asked, form_.stated,
                       form_.filling == Filling::noise     ? "noise"
                       : form_.filling == Filling::needles ? "needles with other keys"
                                                           : "prose",
                       haystack_ == nullptr ? "" : haystack_->description());
  }

  Sample sample(Split split, i64 index, i64 length) const override {
    require_length(length, smallest_, "needle");
    const Rng rng = stream_of(rng_, split, index);
    Needles needles = draw_needles(rng);
    if (split == Split::test) {
      const std::size_t turn = static_cast<std::size_t>(index) % params_.depths.size();
      needles.places.front() = params_.depths[turn] / 100;
    }
    return write(needles, split, length, rng);
  }

 private:
  std::string draw_key(Rng& rng) const {
    if (form_.uuid_keys) return draw_uuid(rng);
    const std::string_view adjective = pick(kAdjectives, rng);
    return fmt::format("{} {}", adjective, pick(kNouns, rng));
  }
  std::string draw_value(Rng& rng) const {
    return form_.uuid_values ? draw_uuid(rng) : draw_text(params_.digits, kDigits, rng);
  }
  std::vector<Token> tokens_of(const std::string& word) const {
    return tokenizer_.encode(" " + word);
  }

  /// Tokens of a sample without filler whose keys and values are all as long as they can be.
  i64 longest_sample() const {
    const std::string uuid_characters = std::string(kHexDigits) + "-";
    const i64 uuid = longest_text(tokenizer_, 36, uuid_characters);
    const i64 value = form_.uuid_values ? uuid : longest_text(tokenizer_, params_.digits, kDigits);
    i64 key = uuid;
    if (!form_.uuid_keys) {
      std::vector<std::string> adjectives, nouns;
      for (const std::string_view word : kAdjectives) adjectives.push_back(spaced(word));
      for (const std::string_view word : kNouns) nouns.push_back(spaced(word));
      key = longest_of(tokenizer_, adjectives) + longest_of(tokenizer_, nouns);
    }
    const auto size = [this](std::string_view text) { return std::ssize(tokenizer_.encode(text)); };
    const i64 keys = form_.one_key ? 1 : form_.asked, between = size(kBetweenValues);
    const bool several = form_.asked > 1;
    return std::ssize(tokenizer_.opening()) +
           form_.stated * (size(kStates) + key + size(kIs) + value + size(kStop)) +
           size(several ? kAsksSeveral : kAsks) + size(kMark) +
           size(several ? kStatesSeveral : kStates) + size(several ? kAre : kIs) +
           2 * (keys * key + (keys - 1) * between) + form_.asked * value +
           (form_.asked - 1) * between;
  }

  Needles draw_needles(const Rng& rng) const {
    Rng keys = rng.fork("keys"), values = rng.fork("values"), places = rng.fork("places");
    Needles needles;
    for (i64 i = 0; i < form_.stated; ++i) {
      needles.keys.push_back(form_.one_key && i > 0
                                 ? needles.keys.front()
                                 : draw_unlike([&] { return draw_key(keys); }, needles.keys));
      needles.values.push_back(draw_unlike([&] { return draw_value(values); }, needles.values));
      needles.places.push_back(places.uniform());
    }
    return needles;
  }

  /// The numbers of the needles in the order they are stated.
  static std::vector<std::size_t> by_place(const Needles& needles) {
    std::vector<std::size_t> order(needles.keys.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, {}, [&](std::size_t i) { return needles.places[i]; });
    return order;
  }

  /// The numbers of the needles asked, in the order of the answer.
  std::vector<std::size_t> asked(const Needles& needles) const {
    std::vector<std::size_t> order = by_place(needles);
    if (!form_.one_key) std::ranges::sort(order);
    order.resize(static_cast<std::size_t>(form_.asked));
    return order;
  }

  struct Statement {
    Prompt::Piece first = 0, value = 0, last = 0;
  };
  Statement state(const std::string& key, const std::string& value, Prompt& prompt) const {
    Statement statement;
    statement.first = prompt.add(kStates);
    prompt.add(tokens_of(key));
    prompt.add(kIs);
    statement.value = prompt.add(tokens_of(value));
    statement.last = prompt.add(kStop);
    return statement;
  }

  void ask(const Needles& needles, Prompt& prompt) const {
    std::vector<std::vector<Token>> keys;
    const std::size_t count = form_.one_key ? 1 : static_cast<std::size_t>(form_.asked);
    for (std::size_t i = 0; i < count; ++i) keys.push_back(tokens_of(needles.keys[i]));
    const bool several = form_.asked > 1;
    prompt.add(several ? kAsksSeveral : kAsks);
    prompt.add(joined(tokenizer_, keys));
    prompt.add(kMark);
    prompt.add(several ? kStatesSeveral : kStates);
    prompt.add(joined(tokenizer_, keys));
    prompt.add(several ? kAre : kIs);
  }

  Sample write(const Needles& needles, Split split, i64 length, const Rng& rng) const {
    Prompt prompt(tokenizer_);
    std::vector<Statement> statements(needles.keys.size());
    double before = 0;
    for (const std::size_t i : by_place(needles)) {
      prompt.gap(needles.places[i] - before);
      before = needles.places[i];
      statements[i] = state(needles.keys[i], needles.values[i], prompt);
    }
    prompt.gap(1 - before);
    ask(needles, prompt);
    const std::vector<std::size_t> order = asked(needles);
    std::vector<std::vector<Token>> values;
    for (const std::size_t i : order) values.push_back(tokens_of(needles.values[i]));
    const ListedAnswer answer(tokenizer_, values, prompt);
    const Filled filled = fill(prompt, split, length, needles, rng.fork("filler"));
    const Prompt::Assembled& made = filled.made;

    Sample sample{.tokens = made.tokens};
    Question question = answer.question(made);
    Rng other = rng.fork("facts");
    for (std::size_t a = 0; a < order.size(); ++a) {
      const Statement& statement = statements[order[a]];
      const i64 begin = made.pieces[statement.first].begin;
      question.evidence.push_back({begin, made.pieces[statement.last].end() - begin});
      std::vector<Token> counterfactual =
          draw_alike(values[a].size(), [&] { return tokens_of(draw_other(needles, other)); });
      if (counterfactual.empty()) continue;
      sample.facts.push_back({.stated = {made.pieces[statement.value]},
                              .answer = answer.value(a, made),
                              .counterfactual = std::move(counterfactual)});
    }
    std::ranges::sort(question.evidence, {}, &Span::begin);
    question.decoys = draw_decoys(needles, values, filled.values, rng.fork("decoys"));
    sample.questions = {std::move(question)};
    sample.weights = answer_weights(length, sample.questions);
    sample.depth = 100 * needles.places.front();
    sample.filler = made.filler;
    return sample;
  }

  struct Filled {
    Prompt::Assembled made;
    std::vector<std::string> values;  ///< that whole sentences of the haystack state
  };
  Filled fill(const Prompt& prompt, Split split, i64 length, const Needles& needles,
              const Rng& rng) const {
    if (haystack_ != nullptr)
      return {prompt.assemble(length, *haystack_, split, rng, "needle"), {}};
    struct Drawn {
      std::string value;
      i64 tokens = 0;
    };
    std::vector<Drawn> drawn;
    const SentenceHaystack others([&](Rng& draw) {
      std::vector<Token> sentence;
      const auto add = [&](const std::vector<Token>& part) {
        sentence.insert(sentence.end(), part.begin(), part.end());
      };
      const std::string key = draw_unlike([&] { return draw_key(draw); }, needles.keys);
      const std::string value = draw_value(draw);
      add(tokenizer_.encode(kStates));
      add(tokens_of(key));
      add(tokenizer_.encode(kIs));
      add(tokens_of(value));
      add(tokenizer_.encode(kStop));
      drawn.push_back({value, std::ssize(sentence)});
      return sentence;
    });
    Filled filled{prompt.assemble(length, others, split, rng, "needle"), {}};
    auto next = drawn.begin();
    for (const Span& span : filled.made.filler) {
      for (i64 left = span.length; left > 0; left -= next++->tokens) {
        // The front of a gap's last sentence is cut, perhaps its value.
        if (next->tokens <= left) filled.values.push_back(next->value);
      }
    }
    return filled;
  }

  /// A value of no needle stated.
  std::string draw_other(const Needles& needles, Rng& rng) const {
    return draw_unlike([&] { return draw_value(rng); }, needles.values);
  }

  /// `right` are the values of the answer, `filler` those that the haystack states.
  std::vector<std::vector<Token>> draw_decoys(const Needles& needles,
                                              const std::vector<std::vector<Token>>& right,
                                              std::vector<std::string> filler, Rng rng) const {
    if (form_.asked > 1) return orders_of(right, rng);
    std::vector<std::string> others(needles.values.begin() + 1, needles.values.end());
    shuffle(filler, rng);
    others.insert(others.end(), filler.begin(), filler.end());
    std::vector<std::vector<Token>> decoys;
    const auto offer = [&](std::vector<Token> decoy) {
      const bool known = decoy == right.front() || std::ranges::find(decoys, decoy) != decoys.end();
      if (decoy.size() == right.front().size() && !known) decoys.push_back(std::move(decoy));
    };
    if (!needle_alone()) {
      for (std::size_t i = 0; i < others.size() && std::ssize(decoys) < kNeedleDecoys; ++i) {
        offer(tokens_of(others[i]));
      }
      return decoys;
    }
    constexpr i64 kTries = 64 * kNeedleDecoys;
    for (i64 tries = 0; tries < kTries && std::ssize(decoys) < kNeedleDecoys; ++tries) {
      offer(tokens_of(draw_other(needles, rng)));
    }
    return decoys;
  }

  /// Whether no other value is stated, so that a reader of values finds the right one alone.
  bool needle_alone() const { return form_.stated == 1 && form_.filling != Filling::needles; }

  /// Some of the other orders of the answer's values.
  std::vector<std::vector<Token>> orders_of(const std::vector<std::vector<Token>>& right,
                                            Rng& rng) const {
    std::vector<std::size_t> order(right.size());
    std::iota(order.begin(), order.end(), 0);
    std::vector<std::vector<Token>> orders;
    while (std::ranges::next_permutation(order).found) {
      std::vector<std::vector<Token>> values;
      for (const std::size_t i : order) values.push_back(right[i]);
      orders.push_back(joined(tokenizer_, values));
    }
    shuffle(orders, rng);
    if (std::ssize(orders) > kNeedleDecoys) orders.resize(kNeedleDecoys);
    return orders;
  }

  Params params_;
  Form form_;
  const Tokenizer& tokenizer_;
  Rng rng_;
  std::unique_ptr<Haystack> haystack_;  ///< none where needles are the filler
  i64 smallest_ = 0;
};

}  // namespace

std::vector<std::string> needle_words() {
  std::string characters = "-";
  for (const char digit : kHexDigits) characters += std::string(" ") + digit;
  std::vector<std::string_view> texts{characters, kStates,       kIs,          kStop,
                                      kAsks,      kMark,         kAsksSeveral, kStatesSeveral,
                                      kAre,       kBetweenValues};
  texts.insert(texts.end(), kAdjectives.begin(), kAdjectives.end());
  texts.insert(texts.end(), kNouns.begin(), kNouns.end());
  const std::vector<std::string> prose = haystack_words();
  texts.insert(texts.end(), prose.begin(), prose.end());
  return words_of(texts);
}

namespace {
const Registered<DatasetRegistry, Needle> registered{
    "needle", "Keys with values stated in filler, asked for at the end (RULER's needle tasks)"};
const RegisteredVocabulary vocabulary{"needle", needle_words};
}  // namespace

}  // namespace longreach::datasets
