// The facts tasks of facts.h, and the dataset "facts".
#include "datasets/facts.h"

#include <algorithm>
#include <limits>

#include "core/error.h"
#include "datasets/draw.h"
#include "datasets/phrases.h"

namespace longreach::datasets {
namespace {

constexpr std::string_view kBeforeQuestion = " question :", kBeforeAnswer = " answer :";

/// A name in the story: label `label` of event `event`.
struct Mention {
  std::size_t event, label;
  bool operator==(const Mention&) const = default;
};

/// One name for another in some places, and what the story then answers.
struct Exchange {
  std::vector<Mention> mentions;
  Label with, answer;
};

bool mentioned(const std::vector<Event>& events, const Label& label) {
  return std::ranges::any_of(events, [&label](const Event& event) {
    return std::ranges::find(event.labels, label) != event.labels.end();
  });
}

std::vector<Mention> mentions_of(const std::vector<Event>& events, const Label& label) {
  std::vector<Mention> mentions;
  for (std::size_t e = 0; e < events.size(); ++e) {
    for (std::size_t l = 0; l < events[e].labels.size(); ++l) {
      if (events[e].labels[l] == label) mentions.push_back({e, l});
    }
  }
  return mentions;
}

/// Names to exchange in an event, in random order: first in it alone; then, for a name that the
/// story does not use, in all of it, which always leaves a story that holds.
std::vector<Exchange> exchanges(StoryTask task, const std::vector<Event>& events, std::size_t event,
                                Rng& rng) {
  std::vector<Exchange> alone, everywhere;
  for (std::size_t l = 0; l < events[event].labels.size(); ++l) {
    const Label old = events[event].labels[l];
    for (const Label& with : labels_of(task, old.sort)) {
      if (with == old) continue;
      // Rooms told to lie where others do would contradict the map, which no one would notice.
      if (task != StoryTask::qa4) alone.push_back({{{event, l}}, with, {}});
      if (!mentioned(events, with)) everywhere.push_back({mentions_of(events, old), with, {}});
    }
  }
  shuffle(alone, rng);
  shuffle(everywhere, rng);
  alone.insert(alone.end(), everywhere.begin(), everywhere.end());
  return alone;
}

class Facts final : public Dataset {
 public:
  using Params = FactsParams;

  Facts(const Params& params, const Tokenizer& tokenizer, const Rng& rng)
      : params_(params),
        tokenizer_(tokenizer),
        rng_(rng),
        haystack_(make_haystack(params.haystack, tokenizer)) {
    const i64 fewest = fewest_events(params.kind), most = most_events(params.kind);
    if (params.statements < fewest || params.statements > most) {
      throw error("facts statements: {} statements; {} takes {} to {}", params.statements,
                  kind_name(), fewest, most);
    }
    smallest_ = longest_sample();
  }

  i64 version() const override { return kFactsVersion; }
  i64 size(Split, i64) const override { return std::numeric_limits<i64>::max(); }
  std::string sha() const override { return haystack_->sha(); }
  std::string description() const override {
    return fmt::format("generated; {} asked of {} statements in filler{}", kind_name(),
                       params_.statements, haystack_->description());
  }

  Sample sample(Split split, i64 index, i64 length) const override {
    require_length(length, smallest_, "facts");
    const Rng rng = stream_of(rng_, split, index);
    Rng story_rng = rng.fork("story"), place_rng = rng.fork("place");
    const Story story = draw_story(params_.kind, params_.statements, story_rng);
    const double place = split == Split::train ? place_rng.uniform() : even_place(index);
    const std::vector<double> shares = gap_shares(
        params_.statements, static_cast<i64>(story.answer.evidence.front()), place, place_rng);

    Prompt prompt(tokenizer_);
    std::vector<Phrase> sentences;
    for (std::size_t e = 0; e < story.events.size(); ++e) {
      prompt.gap(shares[e]);
      sentences.push_back(add_phrase(prompt, sentence_of(story.events[e])));
    }
    prompt.gap(shares.back());
    add_phrase(prompt, {std::string(kBeforeQuestion), sentence_of(story.question),
                        std::string(kBeforeAnswer)});
    const Prompt::Piece answer = prompt.add(spaced(name_of(story.answer.label)));
    Prompt::Assembled made =
        prompt.assemble(length, *haystack_, split, rng.fork("filler"), "facts");

    Sample sample;
    sample.questions = {question_of(story, made, sentences, made.pieces[answer])};
    sample.facts = facts_of(story, made, sentences, made.pieces[answer], rng.fork("facts"));
    sample.weights = answer_weights(length, sample.questions);
    sample.depth = depth_of(made, sample.last().evidence.front());
    sample.filler = std::move(made.filler);
    sample.tokens = std::move(made.tokens);
    return sample;
  }

 private:
  std::string_view kind_name() const {
    return EnumNames<StoryTask>::names[static_cast<std::size_t>(params_.kind)];
  }
  std::vector<Token> encode(const Label& label) const {
    return tokenizer_.encode(spaced(name_of(label)));
  }

  /// Tokens of a sample without filler whose sentences are all as long as they can be.
  i64 longest_sample() const {
    i64 sentence = 0;
    for (const Event& event : all_events(params_.kind)) {
      Prompt alone(tokenizer_);
      add_phrase(alone, sentence_of(event));
      sentence = std::max(sentence, alone.smallest());
    }
    std::vector<std::string> questions, answers;
    for (const StoryQuestion& question : all_questions(params_.kind)) {
      questions.push_back(sentence_of(question));
    }
    for (const Label& label : labels_of(params_.kind)) answers.push_back(spaced(name_of(label)));
    Prompt around(tokenizer_);
    add_phrase(around, {std::string(kBeforeQuestion), std::string(kBeforeAnswer)});
    const i64 opening = std::ssize(tokenizer_.opening());
    return around.smallest() + params_.statements * (sentence - opening) +
           longest_of(tokenizer_, questions) + longest_of(tokenizer_, answers);
  }

  Question question_of(const Story& story, const Prompt::Assembled& made,
                       const std::vector<Phrase>& sentences, const Span& answer) const {
    Question question{.answer = answer, .kind = std::string(kind_name())};
    for (const Label& label : labels_of(params_.kind, story.answer.label.sort)) {
      // Rooms that the map lacks would be told from the answer without reading it.
      if (params_.kind == StoryTask::qa4 && !mentioned(story.events, label)) continue;
      if (label != story.answer.label) question.decoys.push_back(encode(label));
    }
    for (const std::size_t event : story.answer.evidence) {
      question.evidence.push_back(span_of(made, sentences[event]));
    }
    question.references = {reference_at(tokenizer_, made.tokens, answer)};
    return question;
  }

  std::vector<Fact> facts_of(const Story& story, const Prompt::Assembled& made,
                             const std::vector<Phrase>& sentences, const Span& answer,
                             Rng rng) const {
    std::vector<Fact> facts;
    std::vector<std::vector<Mention>> used;
    for (const std::size_t event : story.answer.evidence) {
      for (Exchange& exchange : exchanges(params_.kind, story.events, event, rng)) {
        if (std::ranges::find(used, exchange.mentions) != used.end()) continue;
        if (!fits(story, exchange, answer.length)) continue;
        Fact fact{.answer = answer,
                  .counterfactual = encode(exchange.with),
                  .answer_then = encode(exchange.answer)};
        for (const Mention& mention : exchange.mentions) {
          fact.stated.push_back(span_of(made, sentences[mention.event],
                                        label_part(story.events[mention.event], mention.label)));
        }
        facts.push_back(std::move(fact));
        used.push_back(std::move(exchange.mentions));
        break;
      }
    }
    return facts;
  }

  /// Whether the exchange keeps all lengths and leaves a story with another answer, which it sets.
  bool fits(const Story& story, Exchange& exchange, i64 answer_length) const {
    const Mention& first = exchange.mentions.front();
    const Label& old = story.events[first.event].labels[first.label];
    if (encode(old).size() != encode(exchange.with).size()) return false;
    std::vector<Event> events = story.events;
    for (const Mention& mention : exchange.mentions) {
      events[mention.event].labels[mention.label] = exchange.with;
    }
    const std::optional<StoryAnswer> answer = answer_of(events, story.question);
    if (!answer || answer->label == story.answer.label) return false;
    exchange.answer = answer->label;
    return std::ssize(encode(exchange.answer)) == answer_length;
  }

  Params params_;
  const Tokenizer& tokenizer_;
  Rng rng_;
  std::unique_ptr<Haystack> haystack_;
  i64 smallest_ = 0;
};

}  // namespace

void FactsParams::fields(Fields& f) {
  f("kind", kind,
    "what is asked; qa1: where a person is, qa2: where a thing is, qa3: where it was before, qa4: "
    "which room lies beside another, qa5: who gave what to whom");
  f("statements", statements, between(1, 64, Unit::count), "sentences of the story");
  haystack.fields(f);
}

std::vector<std::string> facts_words() {
  std::vector<std::string> texts = story_words(), prose = haystack_words();
  texts.insert(texts.end(), prose.begin(), prose.end());
  texts.emplace_back(kBeforeQuestion);
  texts.emplace_back(kBeforeAnswer);
  return words_of(std::vector<std::string_view>(texts.begin(), texts.end()));
}

std::unique_ptr<Dataset> make_facts(const FactsParams& params, const Tokenizer& tokenizer,
                                    const Rng& rng) {
  return std::make_unique<Facts>(params, tokenizer, rng);
}

namespace {
const Registered<DatasetRegistry, Facts> registered{
    "facts", "A short story scattered through prose, then a question on one to three of its facts"};
const RegisteredVocabulary vocabulary{"facts", facts_words};
}  // namespace

}  // namespace longreach::datasets
