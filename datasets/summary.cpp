// The summary task of summary.h, and the dataset "summary".
#include "datasets/summary.h"

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <numeric>
#include <set>

#include "core/error.h"
#include "datasets/draw.h"
#include "datasets/phrases.h"

namespace longreach::datasets {
namespace {

constexpr i64 kMostCandidates = 8, kValues = 8;

/// A key fact: how it is stated and how a summary says it, up to the value.
struct KeyFact {
  std::string_view stated, summed;
  std::array<std::string_view, kValues> values;
};

constexpr std::array<KeyFact, kSummaryFacts> kFacts{
    {{" the council of the town will meet on",
      " the council meets on",
      {"monday", "friday", "sunday", "tuesday", "thursday", "saturday", "wednesday", "christmas"}},
     {" the new bridge was a gift of",
      " the bridge was paid for by",
      {"oskar", "agnes", "bruno", "celia", "doris", "edgar", "fiona", "gavin"}},
     {" after long talks the mill was sold to",
      " the mill now belongs to",
      {"helga", "irene", "jacob", "karen", "lukas", "maria", "nadia", "peter"}},
     {" this year the fields gave above all",
      " the harvest was mostly",
      {"wheat", "maize", "grapes", "apples", "barley", "olives", "cotton", "onions"}},
     {" all doors of the school were painted",
      " the doors of the school are",
      {"red", "blue", "pink", "green", "black", "white", "brown", "yellow"}},
     {" the great storm came in",
      " there was a storm in",
      {"may", "june", "july", "march", "april", "august", "october", "november"}},
     {" the lost ring was found in the",
      " the ring lay in the",
      {"well", "barn", "oven", "attic", "canal", "cellar", "garden", "forest"}},
     {" the fair was won by a",
      " first at the fair was a",
      {"cow", "pig", "duck", "goat", "goose", "horse", "sheep", "rabbit"}},
     {" the old doctor moved to",
      " the doctor lives in",
      {"oslo", "rome", "bonn", "paris", "milan", "turin", "delft", "ghent"}},
     {" at the feast a band played the",
      " the music was made with the",
      {"harp", "drum", "horn", "flute", "viola", "piano", "cello", "organ"}}}};

constexpr std::string_view kSummary = " summary :", kStop = " .";

/// One key fact of a sample.
struct Drawn {
  const KeyFact* fact;
  std::string_view value;
};

class Summary final : public Dataset {
 public:
  using Params = SummaryParams;

  Summary(const Params& params, const Tokenizer& tokenizer, const Rng& rng)
      : params_(params),
        tokenizer_(tokenizer),
        rng_(rng),
        haystack_(make_haystack(params.haystack, tokenizer)),
        smallest_(longest_sample()) {}

  i64 version() const override { return kSummaryVersion; }
  i64 size(Split, i64) const override { return std::numeric_limits<i64>::max(); }
  std::string sha() const override { return haystack_->sha(); }
  std::string description() const override {
    return fmt::format("generated; {} key facts, {} candidate summaries", params_.facts,
                       params_.candidates);
  }

  Sample sample(Split split, i64 index, i64 length) const override {
    require_length(length, smallest_, "summary");
    const Rng rng = rng_.fork(split == Split::train ? "train" : "test").fork(index);
    Rng drawn_rng = rng.fork("facts"), place_rng = rng.fork("place");
    std::vector<Drawn> drawn;
    for (const i64 fact : draw_distinct(params_.facts, kSummaryFacts, drawn_rng)) {
      const KeyFact& key = kFacts[static_cast<std::size_t>(fact)];
      drawn.push_back({&key, pick(key.values, drawn_rng)});
    }
    const std::vector<double> shares = gap_shares(params_.facts, -1, 0, place_rng);

    Prompt prompt(tokenizer_);
    std::vector<Phrase> stated, summed;
    for (std::size_t i = 0; i < drawn.size(); ++i) {
      prompt.gap(shares[i]);
      stated.push_back(add_sentence(prompt, drawn[i].fact->stated, drawn[i].value));
    }
    prompt.gap(shares.back());
    prompt.add(kSummary);
    for (const Drawn& one : drawn) {
      summed.push_back(add_sentence(prompt, one.fact->summed, one.value));
    }
    Prompt::Assembled made = prompt.assemble(length, *haystack_, rng.fork("filler"), "summary");

    Sample sample;
    sample.questions = {question_of(stated, summed, made)};
    sample.questions.front().decoys = draw_decoys(drawn, rng.fork("decoys"));
    sample.facts = facts_of(drawn, stated, summed, made, rng.fork("swaps"));
    sample.weights = answer_weights(length, sample.questions);
    sample.filler = std::move(made.filler);
    sample.tokens = std::move(made.tokens);
    return sample;
  }

 private:
  /// Tokens of a sample without filler with the longest facts there are.
  i64 longest_sample() const {
    std::vector<i64> facts;
    for (const KeyFact& fact : kFacts) {
      std::vector<std::string> values;
      for (const std::string_view value : fact.values) values.push_back(spaced(value));
      Prompt rest(tokenizer_);
      for (const std::string_view part : {fact.stated, kStop, fact.summed, kStop}) rest.add(part);
      facts.push_back(rest.smallest() - std::ssize(tokenizer_.opening()) +
                      2 * longest_of(tokenizer_, values));
    }
    std::ranges::sort(facts, std::greater<>());
    return std::accumulate(
        facts.begin(), facts.begin() + params_.facts,
        std::ssize(tokenizer_.opening()) + std::ssize(tokenizer_.encode(kSummary)));
  }

  /// Part 1 is the value.
  static Phrase add_sentence(Prompt& prompt, std::string_view before, std::string_view value) {
    return add_phrase(prompt, {std::string(before), spaced(value), std::string(kStop)});
  }

  Question question_of(const std::vector<Phrase>& stated, const std::vector<Phrase>& summed,
                       const Prompt::Assembled& made) const {
    const i64 begin = span_of(made, summed.front()).begin;
    Question question{.answer = {begin, span_of(made, summed.back()).end() - begin}};
    for (const Phrase& sentence : stated) question.evidence.push_back(span_of(made, sentence));
    for (const Phrase& sentence : summed) {
      question.references.push_back(
          tokenizer_.decode(tokens_at(made.tokens, span_of(made, sentence, 1))));
    }
    return question;
  }

  /// The summary that gives these values, in the tokens it would have in a sample.
  std::vector<Token> summary_of(const std::vector<Drawn>& drawn) const {
    std::vector<Token> tokens;
    for (const Drawn& one : drawn) {
      for (const std::string& part :
           {std::string(one.fact->summed), spaced(one.value), std::string(kStop)}) {
        const std::vector<Token> more = tokenizer_.encode(part);
        tokens.insert(tokens.end(), more.begin(), more.end());
      }
    }
    return tokens;
  }

  std::vector<std::vector<Token>> draw_decoys(const std::vector<Drawn>& drawn, Rng rng) const {
    constexpr i64 kTries = 50;  // of equal length, before lengths may differ
    std::set<std::vector<Token>> used{summary_of(drawn)};
    std::vector<std::vector<Token>> decoys;
    for (i64 tries = 0; std::ssize(decoys) + 1 < params_.candidates; ++tries) {
      std::vector<Drawn> wrong = drawn;
      for (const i64 i : draw_distinct(1 + rng.below(params_.facts), params_.facts, rng)) {
        Drawn& one = wrong[static_cast<std::size_t>(i)];
        if (tries >= kTries) {
          one.value = pick(one.fact->values, rng);
        } else if (const auto other = draw_as_long(tokenizer_, one.value, one.fact->values, rng)) {
          one.value = *other;
        }
      }
      std::vector<Token> decoy = summary_of(wrong);
      if (used.insert(decoy).second) decoys.push_back(std::move(decoy));
    }
    return decoys;
  }

  std::vector<Fact> facts_of(const std::vector<Drawn>& drawn, const std::vector<Phrase>& stated,
                             const std::vector<Phrase>& summed, const Prompt::Assembled& made,
                             Rng rng) const {
    std::vector<Fact> facts;
    for (std::size_t i = 0; i < drawn.size(); ++i) {
      const auto other = draw_as_long(tokenizer_, drawn[i].value, drawn[i].fact->values, rng);
      if (!other) continue;
      facts.push_back({{span_of(made, stated[i], 1)},
                       span_of(made, summed[i], 1),
                       tokenizer_.encode(spaced(*other))});
    }
    return facts;
  }

  Params params_;
  const Tokenizer& tokenizer_;
  Rng rng_;
  std::unique_ptr<Haystack> haystack_;
  i64 smallest_;
};

}  // namespace

void SummaryParams::fields(Fields& f) {
  f("facts", facts, between(1, kSummaryFacts, Unit::count), "key facts in the text");
  f("candidates", candidates, between(2, kMostCandidates, Unit::count),
    "summaries to choose from, the right one among them");
  haystack.fields(f);
}

std::vector<std::string> summary_words() {
  const std::vector<std::string> prose = haystack_words();
  std::vector<std::string_view> texts(prose.begin(), prose.end());
  for (const KeyFact& fact : kFacts) {
    texts.insert(texts.end(), {fact.stated, fact.summed});
    texts.insert(texts.end(), fact.values.begin(), fact.values.end());
  }
  texts.insert(texts.end(), {kSummary, kStop});
  return words_of(texts);
}

std::unique_ptr<Dataset> make_summary(const SummaryParams& params, const Tokenizer& tokenizer,
                                      const Rng& rng) {
  return std::make_unique<Summary>(params, tokenizer, rng);
}

namespace {
const Registered<DatasetRegistry, Summary> registered{
    "summary", "Key facts spread through prose, then a summary of them beside wrong ones"};
const RegisteredVocabulary vocabulary{"summary", summary_words};
}  // namespace

}  // namespace longreach::datasets
