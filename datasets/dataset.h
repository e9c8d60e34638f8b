// Frozen samples by number: a pure function of (seed, split, index, length), the same for every
// backend.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/random.h"
#include "core/registry.h"
#include "datasets/tokenizer.h"

namespace longreach::datasets {

/// Tokens [begin, begin + length).
struct Span {
  i64 begin = 0, length = 0;
  i64 end() const { return begin + length; }
};

/// A fact stated in the context: where, which of the sample's tokens it determines, and the
/// counterfactual to swap in (for every span the same number of tokens; `answer` likewise).
struct Fact {
  std::vector<Span> stated;           ///< each of counterfactual.size() tokens
  Span answer;                        ///< the tokens that then become other ones
  std::vector<Token> counterfactual;  ///< differs from the stated tokens
  /// What the counterfactual makes of the answer, as many tokens; empty: the counterfactual itself.
  std::vector<Token> answer_then = {};
  std::span<const Token> other_answer() const {
    return answer_then.empty() ? counterfactual : answer_then;
  }
};

/// Something the sample asks, with its right answer.
struct Question {
  Span answer;                                  ///< predicted from everything before it
  std::vector<std::vector<Token>> decoys = {};  ///< wrong answers, if any
  std::vector<Span> evidence = {};  ///< what of the context a right answer takes, in order
  /// Texts that a right answer names, in any order, each as the tokenizer decodes its tokens;
  /// empty: the answer as a whole.
  std::vector<std::string> references = {};
  std::string kind = {};        ///< tells apart the questions of a task; may be ""
  std::optional<i64> age = {};  ///< turns of a dialogue since the evidence
};

struct Sample {
  std::vector<Token> tokens;        ///< exactly the length asked for, answers included
  std::vector<Question> questions;  ///< in order of their answers; text has one: its tokens
  std::vector<Fact> facts;
  /// Loss weight of predicting tokens[i]; empty means 1 for every token but the first.
  std::vector<float> weights;
  std::optional<double> depth;  ///< per cent of the filler before the evidence
  std::vector<Span> filler;     ///< stretches that no answer depends on, in order
  std::string sha() const;      ///< of the tokens, hex
  const Question& last() const { return questions.back(); }
};

enum class Split { train, test };

/// The stream of one sample of a generator whose stream is `rng`.
Rng stream_of(const Rng& rng, Split, i64 index);

/// Samples by number. No cursor to save, so shards and resumed runs agree. The splits draw from
/// disjoint streams (generators) or disjoint text.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual i64 version() const = 0;  ///< raised when generation changes
  /// Exactly `length` tokens. For text, sample i of Split::test ends at the same place at every
  /// length, so a longer sample sees further back on the same targets. Throws Error
  /// ("... does not fit; smallest length is N") when the task needs more.
  virtual Sample sample(Split split, i64 index, i64 length) const = 0;
  /// How many different samples there are of that length; generators say a very large number.
  virtual i64 size(Split split, i64 length) const = 0;
  /// For text: the split's documents as tokens. Generators have none.
  virtual std::vector<std::span<const Token>> documents(Split) const { return {}; }
  /// Content hash of what the samples come from, hex; "" for generators (their parameters and the
  /// seed say it all).
  virtual std::string sha() const { return ""; }
  /// Of a mixture the part whose sample it is; else this dataset itself. What samples say of each
  /// other, such as a training's of held-out ones, they say of those of one part.
  virtual const Dataset& part(Split, i64 index) const {
    (void)index;
    return *this;
  }
  /// One line for people: what the samples come from and what is held out; may be "".
  virtual std::string description() const { return ""; }
};

/// A dataset is made for a tokenizer and a random stream of its own.
using DatasetRegistry = Registry<Dataset, const Tokenizer&, const Rng&>;

/// `const RegisteredVocabulary vocabulary{"passkey", passkey_words};` in a generator's .cpp file
/// offers its words to task_vocabulary().
struct RegisteredVocabulary {
  using Words = std::vector<std::string> (*)();
  RegisteredVocabulary(std::string type, Words words);
};

/// The words a generator writes with, for `vocabulary: task`; empty for datasets of free text.
/// Throws Error unless `type` is a registered dataset name.
std::vector<std::string> task_vocabulary(const std::string& type);

}  // namespace longreach::datasets

namespace longreach {
template <>
datasets::DatasetRegistry& datasets::DatasetRegistry::instance();
}
