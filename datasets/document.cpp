// The document task of document.h, and the dataset "document".
#include "datasets/document.h"

#include <algorithm>
#include <array>
#include <limits>

#include "core/error.h"
#include "datasets/draw.h"
#include "datasets/phrases.h"

namespace longreach::datasets {
namespace {

constexpr std::array<std::string_view, 12> kThings{"harbour", "castle", "library", "market",
                                                   "theatre", "museum", "chapel",  "tower",
                                                   "palace",  "school", "station", "garden"};
constexpr std::array<std::string_view, 8> kTraits{"old",   "new",   "upper", "lower",
                                                  "royal", "white", "north", "south"};
static_assert(kThings.size() * kTraits.size() == kDocumentSections);

/// A kind of fact: how it is stated, before and after its value, and asked for.
struct FactKind {
  std::string_view name, before, after, question;
  std::array<std::string_view, 16> values;
};

constexpr std::array<FactKind, 3> kKinds{
    {{"name",
      " the keeper of the {} is",
      " .",
      " who is the keeper of the {} ?",
      {"oskar", "agnes", "bruno", "celia", "doris", "edgar", "fiona", "gavin", "helga", "irene",
       "jacob", "karen", "lukas", "maria", "nadia", "peter"}},
     {"number",
      " the {} has",
      " windows .",
      " how many windows has the {} ?",
      {"12", "17", "23", "28", "31", "36", "42", "47", "53", "58", "64", "69", "75", "81", "86",
       "94"}},
     {"place",
      " the key of the {} lies in the",
      " .",
      " where does the key of the {} lie ?",
      {"cellar", "drawer", "basket", "bucket", "closet", "bottle", "saddle", "barrel", "wagon",
       "chest", "shelf", "clock", "stove", "purse", "crate", "piano"}}}};

constexpr std::string_view kSection = " section", kHeading = " : the {} .",
                           kQuestion = " question :", kAnswer = " answer :", kStop = " .",
                           kDigits = "0 1 2 3 4 5 6 7 8 9";

struct Section {
  std::string topic;  ///< "old harbour"
  std::size_t kind = 0;
  std::string_view value;
  double place = 0;  ///< of the fact within the section, [0, 1)
};

std::string about(std::string_view wording, const std::string& topic) {
  return fmt::format(fmt::runtime(wording), topic);
}

std::string topic_name(i64 number) {
  const auto topic = static_cast<std::size_t>(number);
  return fmt::format("{} {}", kTraits[topic % kTraits.size()], kThings[topic / kTraits.size()]);
}

std::string numbered(std::size_t section) { return fmt::format("{} {}", kSection, section + 1); }

std::string asking(const FactKind& kind, const std::string& topic) {
  return fmt::format("{}{}{}", kQuestion, about(kind.question, topic), kAnswer);
}

/// Sections, and which of them the questions ask about, in order.
struct Plan {
  std::vector<Section> sections;
  std::vector<std::size_t> asked;
};

/// The first question's fact lies at `place` of the document, [0, 1).
Plan draw_plan(const DocumentParams& params, double place, Rng& rng) {
  Plan plan;
  for (const i64 topic : draw_distinct(params.sections, kDocumentSections, rng)) {
    Section section;
    section.topic = topic_name(topic);
    section.kind = static_cast<std::size_t>(rng.below(std::ssize(kKinds)));
    section.value = pick(kKinds[section.kind].values, rng);
    section.place = rng.uniform();
    plan.sections.push_back(section);
  }
  const double sections = place * static_cast<double>(params.sections);
  const auto first = std::min(static_cast<std::size_t>(sections), plan.sections.size() - 1);
  plan.sections[first].place = sections - static_cast<double>(first);
  plan.asked = {first};
  for (const i64 other : draw_distinct(params.sections, params.sections, rng)) {
    if (std::ssize(plan.asked) == params.questions) break;
    if (static_cast<std::size_t>(other) != first) {
      plan.asked.push_back(static_cast<std::size_t>(other));
    }
  }
  return plan;
}

class Document final : public Dataset {
 public:
  using Params = DocumentParams;

  Document(const Params& params, const Tokenizer& tokenizer, const Rng& rng)
      : params_(params),
        tokenizer_(tokenizer),
        rng_(rng),
        haystack_(make_haystack(params.haystack, tokenizer)) {
    if (params.questions > params.sections) {
      throw error("document questions: {} are more than the {} sections; each asks about another",
                  params.questions, params.sections);
    }
    smallest_ = longest_sample();
  }

  i64 version() const override { return kDocumentVersion; }
  i64 size(Split, i64) const override { return std::numeric_limits<i64>::max(); }
  std::string sha() const override { return haystack_->sha(); }
  std::string description() const override {
    return fmt::format("generated; {} questions on {} sections{}", params_.questions,
                       params_.sections, haystack_->description());
  }

  Sample sample(Split split, i64 index, i64 length) const override {
    require_length(length, smallest_, "document");
    const Rng rng = stream_of(rng_, split, index);
    Rng plan_rng = rng.fork("plan"), place_rng = rng.fork("place");
    const double place = split == Split::train ? place_rng.uniform() : even_place(index);
    const Plan plan = draw_plan(params_, place, plan_rng);

    Prompt prompt(tokenizer_);
    const std::vector<Phrase> stated = add_sections(plan, prompt);
    const std::vector<Phrase> asked = add_questions(plan, prompt);
    Prompt::Assembled made =
        prompt.assemble(length, *haystack_, split, rng.fork("filler"), "document");

    Sample sample;
    Rng facts_rng = rng.fork("facts");
    for (std::size_t q = 0; q < asked.size(); ++q) {
      ask(plan, plan.asked[q], stated[plan.asked[q]], span_of(made, asked[q], 1), made, facts_rng,
          sample);
    }
    sample.weights = answer_weights(length, sample.questions);
    sample.depth = depth_of(made, sample.questions.front().evidence.front());
    sample.filler = std::move(made.filler);
    sample.tokens = std::move(made.tokens);
    return sample;
  }

 private:
  /// Tokens of a sample without filler whose sentences are all as long as they can be.
  i64 longest_sample() const {
    const auto longest = [this](const auto& texts) { return longest_of(tokenizer_, texts); };
    std::vector<std::string> headings, topics;
    for (i64 topic = 0; topic < kDocumentSections; ++topic) {
      topics.push_back(topic_name(topic));
      headings.push_back(about(kHeading, topics.back()));
    }
    const i64 heading = longest(headings);
    i64 fact = 0, question = 0;
    for (const FactKind& kind : kKinds) {
      std::vector<std::string> before, asked, values;
      for (const std::string& topic : topics) {
        before.push_back(about(kind.before, topic));
        asked.push_back(asking(kind, topic));
      }
      for (const std::string_view value : kind.values) values.push_back(spaced(value));
      const std::vector<std::string> after{std::string(kind.after)};
      fact = std::max(fact, longest(before) + longest(values) + longest(after));
      question = std::max(question, longest(asked) + longest(values));
    }
    const i64 stop = std::ssize(tokenizer_.encode(kStop));
    i64 sum = std::ssize(tokenizer_.opening()) + params_.questions * (question + stop) - stop;
    for (std::size_t s = 0; s < static_cast<std::size_t>(params_.sections); ++s) {
      sum += std::ssize(tokenizer_.encode(numbered(s))) + heading + fact;
    }
    return sum;
  }

  /// The facts' sentences, of which part 1 is the value.
  static std::vector<Phrase> add_sections(const Plan& plan, Prompt& prompt) {
    std::vector<Phrase> stated;
    for (std::size_t s = 0; s < plan.sections.size(); ++s) {
      const Section& section = plan.sections[s];
      const FactKind& kind = kKinds[section.kind];
      add_phrase(prompt, {numbered(s), about(kHeading, section.topic)});
      prompt.gap(section.place);
      stated.push_back(add_phrase(prompt, {about(kind.before, section.topic), spaced(section.value),
                                           std::string(kind.after)}));
      prompt.gap(1 - section.place);
    }
    return stated;
  }

  /// The questions with their answers, which are part 1.
  static std::vector<Phrase> add_questions(const Plan& plan, Prompt& prompt) {
    std::vector<Phrase> asked;
    for (const std::size_t s : plan.asked) {
      if (!asked.empty()) prompt.add(kStop);
      const Section& section = plan.sections[s];
      asked.push_back(
          add_phrase(prompt, {asking(kKinds[section.kind], section.topic), spaced(section.value)}));
    }
    return asked;
  }

  void ask(const Plan& plan, std::size_t about_section, const Phrase& stated, const Span& answer,
           const Prompt::Assembled& made, Rng& rng, Sample& sample) const {
    const Section& section = plan.sections[about_section];
    const FactKind& kind = kKinds[section.kind];
    Question question{.answer = answer, .evidence = {span_of(made, stated)}};
    question.kind = kind.name;
    question.references = {reference_at(tokenizer_, made.tokens, answer)};
    std::vector<std::string_view> unused;
    for (const std::string_view value : kind.values) {
      if (value != section.value) question.decoys.push_back(tokenizer_.encode(spaced(value)));
      const bool used = std::ranges::any_of(
          plan.sections, [value](const Section& other) { return other.value == value; });
      if (!used) unused.push_back(value);
    }
    sample.questions.push_back(std::move(question));
    auto other = draw_as_long(tokenizer_, section.value, unused, rng);
    if (!other) other = draw_as_long(tokenizer_, section.value, kind.values, rng);
    if (!other) return;
    sample.facts.push_back({{span_of(made, stated, 1)}, answer, tokenizer_.encode(spaced(*other))});
  }

  Params params_;
  const Tokenizer& tokenizer_;
  Rng rng_;
  std::unique_ptr<Haystack> haystack_;
  i64 smallest_ = 0;
};

}  // namespace

void DocumentParams::fields(Fields& f) {
  f("sections", sections, between(1, kDocumentSections, Unit::count),
    "sections, each with a heading and a fact");
  f("questions", questions, between(1, kDocumentSections, Unit::count),
    "questions at the end, each on another section");
  haystack.fields(f);
}

std::vector<std::string> document_words() {
  const std::vector<std::string> prose = haystack_words();
  std::vector<std::string_view> texts(prose.begin(), prose.end());
  texts.insert(texts.end(), kThings.begin(), kThings.end());
  texts.insert(texts.end(), kTraits.begin(), kTraits.end());
  for (const FactKind& kind : kKinds) {
    texts.insert(texts.end(), {kind.before, kind.after, kind.question});
    texts.insert(texts.end(), kind.values.begin(), kind.values.end());
  }
  texts.insert(texts.end(), {kSection, kHeading, kQuestion, kAnswer, kStop, kDigits});
  std::vector<std::string> words = words_of(texts);
  std::erase(words, "{}");
  return words;
}

std::unique_ptr<Dataset> make_document(const DocumentParams& params, const Tokenizer& tokenizer,
                                       const Rng& rng) {
  return std::make_unique<Document>(params, tokenizer, rng);
}

namespace {
const Registered<DatasetRegistry, Document> registered{
    "document", "Numbered sections with a fact in each; questions on several of them at the end"};
const RegisteredVocabulary vocabulary{"document", document_words};
}  // namespace

}  // namespace longreach::datasets
