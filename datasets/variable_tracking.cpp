// The task of variable_tracking.h, registered as the dataset "variable_tracking".
#include "datasets/variable_tracking.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "datasets/draw.h"
#include "datasets/phrases.h"
#include "datasets/prompt.h"

namespace longreach::datasets {
namespace {

constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", kDigits = "0123456789";
constexpr std::string_view kVariable = " VAR", kIs = " =", kStop = " .";
constexpr std::string_view kAsks = " find all variables that hold the value",
                           kAre = " . they are :";

/// One assignment: of a value to the first variable of a chain, of a variable to the others.
struct Assignment {
  std::size_t chain = 0, hop = 0;
  double place = 0;  ///< share of the filler before it
};

class VariableTracking final : public Dataset {
 public:
  struct Params {
    i64 chains = 1, hops = 4, letters = 5, digits = 5;
    HaystackParams haystack{.kind = HaystackKind::noise};
    void fields(Fields& f) {
      f("chains", chains, between(1, 100, Unit::count),
        "chains of variables, each with a value of its own, of which one is asked");
      f("hops", hops, between(0, 100, Unit::count),
        "variables of a chain that take their value from the one before");
      f("letters", letters, between(1, 16, Unit::count), "letters of a variable's name");
      f("digits", digits, between(1, 18, Unit::count), "digits of a value");
      haystack.fields(f);
    }
  };

  VariableTracking(const Params& params, const Tokenizer& tokenizer, const Rng& rng)
      : params_(params),
        tokenizer_(tokenizer),
        rng_(rng),
        haystack_(make_haystack(params.haystack, tokenizer)) {
    // One name is left to swap in, and one is no name ("VAR").
    const i64 names = params_.chains * (params_.hops + 1) + 2;
    if (std::pow(std::ssize(kLetters), params_.letters) < static_cast<double>(names)) {
      throw error("variable_tracking letters: {} are too few for {} names; give more",
                  params_.letters, names);
    }
    if (std::pow(10, params_.digits) < static_cast<double>(params_.chains)) {
      throw error("variable_tracking digits: {} are too few for {} values; give more",
                  params_.digits, params_.chains);
    }
    smallest_ = longest_sample();
  }

  i64 version() const override { return kVariableTrackingVersion; }
  i64 size(Split, i64) const override { return std::numeric_limits<i64>::max(); }
  std::string sha() const override { return haystack_->sha(); }
  std::string description() const override {
    return fmt::format("generated; one of {} chains of {} variables asked{}", params_.chains,
                       params_.hops + 1, haystack_->description());
  }

  Sample sample(Split split, i64 index, i64 length) const override {
    require_length(length, smallest_, "variable_tracking");
    const Rng rng = stream_of(rng_, split, index);
    Rng letters = rng.fork("names"), digits = rng.fork("values");
    std::vector<std::string> names, values;
    for (i64 i = 0; i < params_.chains * (params_.hops + 1); ++i) {
      names.push_back(draw_unlike([&] { return draw_name(letters); }, names));
    }
    for (i64 i = 0; i < params_.chains; ++i) {
      values.push_back(
          draw_unlike([&] { return draw_text(params_.digits, kDigits, digits); }, values));
    }
    return write(names, values, split, length, rng);
  }

 private:
  /// Tokens of a sample without filler whose names and values are all as long as they can be.
  i64 longest_sample() const {
    const i64 name = longest_text(tokenizer_, params_.letters, kLetters);
    const i64 value = longest_text(tokenizer_, params_.digits, kDigits);
    const auto size = [this](std::string_view text) { return std::ssize(tokenizer_.encode(text)); };
    const i64 assignment = size(kVariable) + name + size(kIs) + size(kStop);
    return std::ssize(tokenizer_.opening()) +
           params_.chains *
               (assignment + value + params_.hops * (assignment + size(kVariable) + name)) +
           size(kAsks) + value + size(kAre) + (params_.hops + 1) * name +
           params_.hops * size(kBetweenValues);
  }

  /// Anything but "VAR".
  std::string draw_name(Rng& rng) const {
    const std::vector<std::string> none{std::string(kVariable.substr(1))};
    return draw_unlike([&] { return draw_text(params_.letters, kLetters, rng); }, none);
  }
  std::vector<Token> tokens_of(const std::string& word) const {
    return tokenizer_.encode(" " + word);
  }

  /// All chains' assignments in the order of the text, in each chain that of its hops.
  std::vector<Assignment> draw_places(Rng rng) const {
    std::vector<Assignment> assignments;
    for (std::size_t chain = 0; chain < static_cast<std::size_t>(params_.chains); ++chain) {
      std::vector<double> places(static_cast<std::size_t>(params_.hops + 1));
      for (double& place : places) place = rng.uniform();
      std::ranges::sort(places);
      for (std::size_t hop = 0; hop < places.size(); ++hop) {
        assignments.push_back({chain, hop, places[hop]});
      }
    }
    std::ranges::stable_sort(assignments, {}, &Assignment::place);
    return assignments;
  }

  /// Where the variables are, as pieces of a prompt.
  struct Stated {
    std::vector<std::vector<Prompt::Piece>> names;               ///< each where it is mentioned
    std::vector<std::pair<Prompt::Piece, Prompt::Piece>> asked;  ///< the first chain's assignments
  };

  Stated state(const std::vector<std::string>& names, const std::vector<std::string>& values,
               const std::vector<Assignment>& assignments, Prompt& prompt) const {
    Stated stated{.names = std::vector<std::vector<Prompt::Piece>>(names.size())};
    double before = 0;
    for (const Assignment& assignment : assignments) {
      prompt.gap(assignment.place - before);
      before = assignment.place;
      const std::size_t name =
          assignment.chain * static_cast<std::size_t>(params_.hops + 1) + assignment.hop;
      const Prompt::Piece first = prompt.add(kVariable);
      stated.names[name].push_back(prompt.add(tokens_of(names[name])));
      prompt.add(kIs);
      if (assignment.hop == 0) {
        prompt.add(tokens_of(values[assignment.chain]));
      } else {
        prompt.add(kVariable);
        stated.names[name - 1].push_back(prompt.add(tokens_of(names[name - 1])));
      }
      const Prompt::Piece last = prompt.add(kStop);
      if (assignment.chain == 0) stated.asked.emplace_back(first, last);
    }
    prompt.gap(1 - before);
    return stated;
  }

  /// Asks for the first chain; chains are alike and lie anywhere.
  Sample write(const std::vector<std::string>& names, const std::vector<std::string>& values,
               Split split, i64 length, const Rng& rng) const {
    Prompt prompt(tokenizer_);
    const Stated stated = state(names, values, draw_places(rng.fork("places")), prompt);
    prompt.add(kAsks);
    prompt.add(tokens_of(values.front()));
    prompt.add(kAre);
    std::vector<std::vector<Token>> found;
    for (std::size_t i = 0; i <= static_cast<std::size_t>(params_.hops); ++i) {
      found.push_back(tokens_of(names[i]));
    }
    const ListedAnswer answer(tokenizer_, found, prompt);
    const Prompt::Assembled made =
        prompt.assemble(length, *haystack_, split, rng.fork("filler"), "variable_tracking");

    Sample sample{.tokens = made.tokens};
    Question question = answer.question(made);
    for (const auto& [first, last] : stated.asked) {
      const i64 begin = made.pieces[first].begin;
      question.evidence.push_back({begin, made.pieces[last].end() - begin});
    }
    Rng other = rng.fork("facts");
    for (std::size_t i = 0; i < found.size(); ++i) {
      Fact fact{.answer = answer.value(i, made)};
      for (const Prompt::Piece piece : stated.names[i]) fact.stated.push_back(made.pieces[piece]);
      fact.counterfactual = draw_alike(found[i].size(), [&] {
        return tokens_of(draw_unlike([&] { return draw_name(other); }, names));
      });
      if (!fact.counterfactual.empty()) sample.facts.push_back(std::move(fact));
    }
    sample.questions = {std::move(question)};
    sample.weights = answer_weights(length, sample.questions);
    sample.filler = made.filler;
    return sample;
  }

  Params params_;
  const Tokenizer& tokenizer_;
  Rng rng_;
  std::unique_ptr<Haystack> haystack_;
  i64 smallest_ = 0;
};

}  // namespace

std::vector<std::string> variable_tracking_words() {
  std::string characters;
  for (const std::string_view all : {kDigits, kLetters}) {
    for (const char c : all) characters += std::string(" ") + c;
  }
  std::vector<std::string_view> texts{characters, kVariable, kIs,           kStop,
                                      kAsks,      kAre,      kBetweenValues};
  const std::vector<std::string> filler = haystack_words();
  texts.insert(texts.end(), filler.begin(), filler.end());
  return words_of(texts);
}

namespace {
const Registered<DatasetRegistry, VariableTracking> registered{
    "variable_tracking", "Chains of assignments in filler; which variables hold a value (RULER)"};
const RegisteredVocabulary vocabulary{"variable_tracking", variable_tracking_words};
}  // namespace

}  // namespace longreach::datasets
