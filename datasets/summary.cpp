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

/// What facts may tell. Facts of one pool have the same values, so that a summary takes each
/// fact's and not only a word of the right sort.
constexpr std::array<std::array<std::string_view, kValues>, 4> kPools{
    {{"monday", "friday", "sunday", "easter", "thursday", "saturday", "wednesday", "christmas"},
     {"oskar", "agnes", "bruno", "celia", "doris", "edgar", "fiona", "gavin"},
     {"green", "black", "white", "brown", "amber", "olive", "ivory", "beige"},
     {"paris", "milan", "turin", "delft", "ghent", "cairo", "tokyo", "lyons"}}};

/// A key fact: how it is stated and how a summary says it, up to the value.
struct KeyFact {
  std::string_view stated, summed;
  std::size_t pool;
};

constexpr std::array<KeyFact, kSummaryFacts> kFacts{
    {{" the council of the town will meet on", " the council meets on", 0},
     {" the fair of this year will open on", " the fair begins on", 0},
     {" the market has been moved to", " the market is held on", 0},
     {" the new bridge was a gift of", " the bridge was paid for by", 1},
     {" after long talks the mill was sold to", " the mill now belongs to", 1},
     {" from this year the school is led by", " the head of the school is", 1},
     {" all doors of the school were painted", " the doors of the school are", 2},
     {" the boats of the town were painted", " the boats are", 2},
     {" the old doctor moved to", " the doctor lives in", 3},
     {" the new baker came from", " the baker was born in", 3}}};

constexpr std::array<std::size_t, kSummaryFacts> kPoolOfFact = [] {
  std::array<std::size_t, kSummaryFacts> pools{};
  for (std::size_t f = 0; f < pools.size(); ++f) pools[f] = kFacts[f].pool;
  return pools;
}();

constexpr std::string_view kSummary = " summary :", kStop = " .";

/// One key fact of a sample.
struct Drawn {
  const KeyFact* fact;
  std::string_view value;
  const auto& pool() const { return kPools[fact->pool]; }
};

/// Pool by pool, so that facts have siblings, but in random order; no value comes twice.
std::vector<Drawn> draw_facts(i64 count, Rng& rng) {
  std::array<std::vector<i64>, kPools.size()> left;
  for (std::vector<i64>& values : left) values = draw_distinct(kValues, kValues, rng);
  std::vector<Drawn> drawn;
  for (const i64 number : draw_by_class(count, kPoolOfFact, rng)) {
    const KeyFact& fact = kFacts[static_cast<std::size_t>(number)];
    const auto value = static_cast<std::size_t>(left[fact.pool].back());
    left[fact.pool].pop_back();
    drawn.push_back({&fact, kPools[fact.pool][value]});
  }
  shuffle(drawn, rng);
  return drawn;
}

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
    return fmt::format("generated; {} key facts, {} candidate summaries{}", params_.facts,
                       params_.candidates, haystack_->description());
  }

  Sample sample(Split split, i64 index, i64 length) const override {
    require_length(length, smallest_, "summary");
    const Rng rng = stream_of(rng_, split, index);
    Rng drawn_rng = rng.fork("facts"), place_rng = rng.fork("place");
    const std::vector<Drawn> drawn = draw_facts(params_.facts, drawn_rng);
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
    Prompt::Assembled made =
        prompt.assemble(length, *haystack_, split, rng.fork("filler"), "summary");

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
      for (const std::string_view value : kPools[fact.pool]) values.push_back(spaced(value));
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
          reference_at(tokenizer_, made.tokens, span_of(made, sentence, 1)));
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

  std::size_t size_of(std::string_view value) const {
    return tokenizer_.encode(spaced(value)).size();
  }

  /// Facts that could have the i-th one's value in as many tokens, and it theirs.
  std::vector<std::size_t> siblings(const std::vector<Drawn>& drawn, std::size_t i) const {
    std::vector<std::size_t> found;
    for (std::size_t j = 0; j < drawn.size(); ++j) {
      const bool sibling = j != i && drawn[j].fact->pool == drawn[i].fact->pool;
      if (sibling && size_of(drawn[j].value) == size_of(drawn[i].value)) found.push_back(j);
    }
    return found;
  }

  std::vector<std::vector<Token>> draw_decoys(const std::vector<Drawn>& drawn, Rng rng) const {
    constexpr i64 kSwaps = 50;   // tries with values of the text alone, before others are taken
    constexpr i64 kTries = 100;  // of equal length, before lengths may differ
    std::set<std::vector<Token>> used{summary_of(drawn)};
    std::vector<std::vector<Token>> decoys;
    for (i64 tries = 0; std::ssize(decoys) + 1 < params_.candidates; ++tries) {
      std::vector<Drawn> wrong = drawn;
      for (const i64 i : draw_distinct(1 + rng.below(params_.facts), params_.facts, rng)) {
        const auto number = static_cast<std::size_t>(i);
        Drawn& one = wrong[number];
        if (tries < kSwaps) {
          const std::vector<std::size_t> others = siblings(drawn, number);
          if (!others.empty()) std::swap(one.value, wrong[pick(others, rng)].value);
        } else if (tries >= kSwaps + kTries) {
          one.value = pick(one.pool(), rng);
        } else if (const auto other = draw_as_long(tokenizer_, one.value, one.pool(), rng)) {
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
      std::vector<std::string_view> unused;
      for (const std::string_view value : drawn[i].pool()) {
        if (std::ranges::find(drawn, value, &Drawn::value) == drawn.end()) unused.push_back(value);
      }
      auto other = draw_as_long(tokenizer_, drawn[i].value, unused, rng);
      if (!other) other = draw_as_long(tokenizer_, drawn[i].value, drawn[i].pool(), rng);
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
  }
  for (const auto& pool : kPools) texts.insert(texts.end(), pool.begin(), pool.end());
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
