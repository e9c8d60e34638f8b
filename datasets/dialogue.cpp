// The dialogue task of dialogue.h, and the dataset "dialogue".
#include "datasets/dialogue.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "datasets/draw.h"
#include "datasets/phrases.h"
#include "datasets/prompt.h"

namespace longreach::datasets {
namespace {

constexpr i64 kValues = 8;

/// What a user may tell, and what it may be. Topics of one pool have the same values, so that an
/// answer takes the topic and not only a word of the right sort. A pool has two values for each of
/// its topics.
constexpr std::array<std::array<std::string_view, kValues>, 3> kPools{
    {{"anna", "emma", "nina", "lucy", "karl", "omar", "ivan", "hans"},
     {"oslo", "rome", "bonn", "paris", "milan", "turin", "delft", "ghent"},
     {"red", "tan", "blue", "pink", "green", "black", "white", "brown"}}};

struct Topic {
  std::string_view name;
  std::size_t pool;
};

constexpr std::array<Topic, kDialogueTopics> kTopics{{{"doctor", 0},
                                                      {"best friend", 0},
                                                      {"sister", 0},
                                                      {"teacher", 0},
                                                      {"home town", 1},
                                                      {"work town", 1},
                                                      {"birth town", 1},
                                                      {"favourite colour", 2},
                                                      {"car colour", 2},
                                                      {"door colour", 2}}};

constexpr std::array<std::size_t, kDialogueTopics> kPoolOfTopic = [] {
  std::array<std::size_t, kDialogueTopics> pools{};
  for (std::size_t t = 0; t < pools.size(); ++t) pools[t] = kTopics[t].pool;
  return pools;
}();

std::size_t pool_of(i64 topic) { return kPoolOfTopic[static_cast<std::size_t>(topic)]; }

constexpr std::array<std::string_view, 3> kStatements{
    " user : my {} is", " user : just so you know , my {} is", " user : by the way , my {} is"};
constexpr std::array<std::string_view, 2> kChanges{" user : from today on my {} is",
                                                   " user : please note the change , my {} is"};
constexpr std::array<std::string_view, 2> kQuestions{" user : what is my {} ?",
                                                     " user : do you remember what my {} is ?"};
constexpr std::array<std::string_view, 3> kNoted{" assistant : thank you , noted .",
                                                 " assistant : good to know .",
                                                 " assistant : i will remember that ."};
constexpr std::string_view kTurn = "user :", kAnswer = " assistant :", kStop = " .";

constexpr std::array<std::string_view, 10> kLines{
    " user : good morning , how are you ?", " user : it has rained all day .",
    " user : the bus was late again .",     " user : tell me something nice .",
    " user : i slept well last night .",    " user : the shop was closed today .",
    " user : how long is a mile ?",         " user : i need a short break now .",
    " user : do you like old films ?",      " user : this week was very long ."};
constexpr std::array<std::string_view, 8> kReplies{" assistant : i see .",
                                                   " assistant : tell me more about it .",
                                                   " assistant : let me think about that .",
                                                   " assistant : that happens to all of us .",
                                                   " assistant : what would you like to do now ?",
                                                   " assistant : we can talk about it later .",
                                                   " assistant : take all the time you need .",
                                                   " assistant : that is a good question to ask ."};

std::string about(std::string_view wording, const Topic& topic) {
  return fmt::format(fmt::runtime(wording), topic.name);
}

/// What a user says that is no small talk.
struct Turn {
  enum class Act { state, change, ask } act;
  i64 topic;
  std::string_view value;  ///< stated, or to be answered
  double at;               ///< turns are ordered by it
};

std::unique_ptr<Haystack> small_talk(const Tokenizer& tokenizer) {
  std::vector<std::vector<Token>> lines, replies;
  for (const std::string_view line : kLines) lines.push_back(tokenizer.encode(line));
  for (const std::string_view reply : kReplies) replies.push_back(tokenizer.encode(reply));
  return std::make_unique<SentenceHaystack>([lines, replies](Rng& rng) {
    std::vector<Token> turn = pick(lines, rng);
    const std::vector<Token>& reply = pick(replies, rng);
    turn.insert(turn.end(), reply.begin(), reply.end());
    return turn;
  });
}

class Dialogue final : public Dataset {
 public:
  using Params = DialogueParams;

  Dialogue(const Params& params, const Tokenizer& tokenizer, const Rng& rng)
      : params_(params), tokenizer_(tokenizer), rng_(rng), haystack_(small_talk(tokenizer)) {
    if (params.questions > params.statements) {
      throw error("dialogue questions: {} are more than the {} statements; each asks for another",
                  params.questions, params.statements);
    }
    smallest_ = longest_sample();
  }

  i64 version() const override { return kDialogueVersion; }
  i64 size(Split, i64) const override { return std::numeric_limits<i64>::max(); }
  std::string description() const override {
    return fmt::format("generated; {} of {} statements asked for, {:g} of them changed",
                       params_.questions, params_.statements, params_.changes);
  }

  Sample sample(Split split, i64 index, i64 length) const override {
    require_length(length, smallest_, "dialogue");
    const Rng rng = stream_of(rng_, split, index);
    Rng turns_rng = rng.fork("turns"), place_rng = rng.fork("place"), wording = rng.fork("wording");
    const std::vector<Turn> turns = draw_turns(turns_rng);
    std::vector<double> shares = gap_shares(std::ssize(turns), -1, 0, place_rng);
    shares.pop_back();  // nothing follows the last answer

    Prompt prompt(tokenizer_);
    std::vector<Phrase> phrases;
    for (std::size_t t = 0; t < turns.size(); ++t) {
      prompt.gap(shares[t]);
      phrases.push_back(add_turn(prompt, turns[t], t + 1 == turns.size(), wording));
    }
    Prompt::Assembled made =
        prompt.assemble(length, *haystack_, split, rng.fork("filler"), "dialogue");

    Sample sample;
    Rng facts_rng = rng.fork("facts");
    for (std::size_t t = 0; t < turns.size(); ++t) {
      if (turns[t].act == Turn::Act::ask) ask(turns, t, phrases, made, facts_rng, sample);
    }
    sample.weights = answer_weights(length, sample.questions);
    sample.filler = std::move(made.filler);
    sample.tokens = std::move(made.tokens);
    return sample;
  }

 private:
  /// Tokens of a sample without filler whose sentences are all as long as they can be.
  i64 longest_sample() const {
    std::vector<std::string> values, statements, changes, questions;
    for (const auto& pool : kPools) {
      for (const std::string_view value : pool) values.push_back(spaced(value));
    }
    for (const Topic& topic : kTopics) {
      for (const auto wording : kStatements) statements.push_back(about(wording, topic));
      for (const auto wording : kChanges) changes.push_back(about(wording, topic));
      for (const auto wording : kQuestions) {
        questions.push_back(about(wording, topic) + std::string(kAnswer));
      }
    }
    const std::vector<std::string> noted(kNoted.begin(), kNoted.end()), stop{std::string(kStop)};
    const auto longest = [this](const auto& texts) { return longest_of(tokenizer_, texts); };
    const i64 told = longest(values) + longest(stop) + longest(noted);
    return std::ssize(tokenizer_.opening()) + params_.statements * (longest(statements) + told) +
           most_changes() * (longest(changes) + told) +
           params_.questions * (longest(questions) + longest(values) + longest(stop)) -
           longest(stop);
  }

  double expected_changes() const {
    return params_.changes * static_cast<double>(params_.statements);
  }
  i64 most_changes() const { return static_cast<i64>(std::ceil(expected_changes())); }

  /// In order; the last one asks.
  std::vector<Turn> draw_turns(Rng& rng) const {
    std::vector<Turn> turns;
    // Pool by pool, so that what is asked for has siblings stated.
    const std::vector<i64> topics = draw_by_class(params_.statements, kPoolOfTopic, rng);
    std::vector<bool> changed(topics.size(), false);
    for (const i64 i :
         draw_distinct(draw_count(expected_changes(), rng), params_.statements, rng)) {
      changed[static_cast<std::size_t>(i)] = true;
    }
    std::array<std::vector<i64>, kPools.size()> left;  // no value is stated twice
    for (std::vector<i64>& values : left) values = draw_distinct(kValues, kValues, rng);
    for (std::size_t i = 0; i < topics.size(); ++i) {
      const i64 topic = topics[i];
      const auto next = [&, pool = pool_of(topic)] {
        const i64 value = left[pool].back();
        left[pool].pop_back();
        return kPools[pool][static_cast<std::size_t>(value)];
      };
      const double at = rng.uniform() / 2;  // early, so that most questions follow the siblings
      const auto later = [&] { return at + (1 - at) * rng.uniform(); };
      turns.push_back({Turn::Act::state, topic, next(), at});
      if (changed[i]) turns.push_back({Turn::Act::change, topic, next(), later()});
      if (static_cast<i64>(i) < params_.questions) {
        turns.push_back({Turn::Act::ask, topic, {}, later()});
      }
    }
    const auto asks = [](const Turn& turn) { return turn.act == Turn::Act::ask; };
    std::ranges::stable_sort(turns, {}, &Turn::at);
    const auto last = std::ranges::find_if(turns.rbegin(), turns.rend(), asks);
    std::rotate(last.base() - 1, last.base(), turns.end());
    for (std::size_t t = 0; t < turns.size(); ++t) {
      if (asks(turns[t])) turns[t].value = turns[newest(turns, t)].value;
    }
    return turns;
  }

  /// The turn that states what turn `asking` asks for.
  static std::size_t newest(const std::vector<Turn>& turns, std::size_t asking) {
    for (std::size_t t = asking; t-- > 0;) {
      if (turns[t].topic == turns[asking].topic && turns[t].act != Turn::Act::ask) return t;
    }
    check(false, "what is asked for was stated");
    return 0;
  }

  /// What the user says, or asks up to the answer; its part 1 is the value.
  static Phrase add_turn(Prompt& prompt, const Turn& turn, bool last, Rng& rng) {
    const Topic& topic = kTopics[static_cast<std::size_t>(turn.topic)];
    if (turn.act == Turn::Act::ask) {
      const Phrase phrase = add_phrase(
          prompt, {about(pick(kQuestions, rng), topic) + std::string(kAnswer), spaced(turn.value)});
      if (!last) prompt.add(kStop);
      return phrase;
    }
    const std::string_view wording =
        turn.act == Turn::Act::state ? pick(kStatements, rng) : pick(kChanges, rng);
    const Phrase phrase =
        add_phrase(prompt, {about(wording, topic), spaced(turn.value), std::string(kStop)});
    prompt.add(pick(kNoted, rng));
    return phrase;
  }

  void ask(const std::vector<Turn>& turns, std::size_t asking, const std::vector<Phrase>& phrases,
           const Prompt::Assembled& made, Rng& rng, Sample& sample) const {
    const std::size_t stating = newest(turns, asking);
    const Span answer = span_of(made, phrases[asking], 1);
    const Span evidence = span_of(made, phrases[stating]);
    Question question{.answer = answer, .evidence = {evidence}};
    question.kind = turns[stating].act == Turn::Act::change ? "changed" : "stated";
    question.references = {reference_at(tokenizer_, made.tokens, answer)};
    question.age = turns_within(made.tokens, {evidence.begin, answer.begin - evidence.begin}) - 1;
    const auto& pool = kPools[pool_of(turns[asking].topic)];
    const auto until = turns.begin() + static_cast<std::ptrdiff_t>(asking);
    std::vector<std::string_view> told, untold;  // of topics of the pool, before the question
    for (const std::string_view value : pool) {
      if (value == turns[asking].value) continue;
      const bool found = std::any_of(turns.begin(), until, [value](const Turn& turn) {
        return turn.act != Turn::Act::ask && turn.value == value;
      });
      (found ? told : untold).push_back(value);
    }
    for (const auto& values : {told, untold}) {
      for (const std::string_view value : values) {
        question.decoys.push_back(tokenizer_.encode(spaced(value)));
      }
    }
    sample.questions.push_back(std::move(question));
    auto other = draw_as_long(tokenizer_, turns[asking].value, untold, rng);
    if (!other) other = draw_as_long(tokenizer_, turns[asking].value, pool, rng);
    if (!other) return;
    sample.facts.push_back(
        {{span_of(made, phrases[stating], 1)}, answer, tokenizer_.encode(spaced(*other))});
  }

  i64 turns_within(const std::vector<Token>& tokens, const Span& span) const {
    const std::string text = tokenizer_.decode(tokens_at(tokens, span));
    i64 turns = 0;
    for (std::size_t at = text.find(kTurn); at != std::string::npos;
         at = text.find(kTurn, at + 1)) {
      ++turns;
    }
    return turns;
  }

  Params params_;
  const Tokenizer& tokenizer_;
  Rng rng_;
  std::unique_ptr<Haystack> haystack_;
  i64 smallest_ = 0;
};

}  // namespace

void DialogueParams::fields(Fields& f) {
  f("statements", statements, between(1, kDialogueTopics, Unit::count),
    "different things the user tells of themselves");
  f("questions", questions, between(1, kDialogueTopics, Unit::count),
    "how many of them the user asks for later, each once");
  f("changes", changes, between(0, 1),
    "share of the things that a later turn changes; the newest before the question counts");
}

std::vector<std::string> dialogue_words() {
  std::vector<std::string_view> texts;
  for (const Topic& topic : kTopics) texts.push_back(topic.name);
  const auto add = [&texts](const auto& wordings) {
    texts.insert(texts.end(), wordings.begin(), wordings.end());
  };
  for (const auto& pool : kPools) add(pool);
  add(kStatements);
  add(kChanges);
  add(kQuestions);
  add(kNoted);
  add(kLines);
  add(kReplies);
  std::vector<std::string> words = words_of(texts);
  std::erase(words, "{}");
  return words;
}

std::unique_ptr<Dataset> make_dialogue(const DialogueParams& params, const Tokenizer& tokenizer,
                                       const Rng& rng) {
  return std::make_unique<Dialogue>(params, tokenizer, rng);
}

namespace {
const Registered<DatasetRegistry, Dialogue> registered{
    "dialogue",
    "A user's preferences, stated and changed over many turns, asked for in later ones"};
const RegisteredVocabulary vocabulary{"dialogue", dialogue_words};
}  // namespace

}  // namespace longreach::datasets
