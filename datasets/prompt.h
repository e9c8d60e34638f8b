// Pieces of text with filler between them, put together to an exact number of tokens.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/fields.h"
#include "core/random.h"
#include "datasets/dataset.h"

namespace longreach::datasets {

/// Where filler comes from.
class Haystack {
 public:
  virtual ~Haystack() = default;
  /// Appends exactly `count` tokens that end with a whole sentence; their front may be cut. The
  /// same `rng` gives the same tokens at the end however many are asked for.
  virtual void append(i64 count, Split split, const Rng& rng, std::vector<Token>& tokens) const = 0;
  virtual std::string sha() const { return ""; }  ///< of a file's contents, hex; "" for our own
  /// What a generator's description() ends with: "; prose of 'book.txt', ..."; "" for our own.
  virtual std::string description() const { return ""; }
};

/// Sentences drawn one after the other, from the last to the first: `draw` makes the next one
/// further to the front, of at least one token.
class SentenceHaystack final : public Haystack {
 public:
  using Draw = std::function<std::vector<Token>(Rng&)>;
  explicit SentenceHaystack(Draw draw) : draw_(std::move(draw)) {}
  void append(i64 count, Split, const Rng& rng, std::vector<Token>& tokens) const override;

 private:
  Draw draw_;
};

enum class HaystackKind {
  noise,  ///< one sentence over and over
  prose   ///< sentences of our own at random, or those of a file, in order within a gap
};

/// A generator's filler: fields `haystack` and `path`, to be visited by its own Params.
struct HaystackParams {
  HaystackKind kind = HaystackKind::prose;
  std::string path;  ///< prose from a text of the user's; "" = our own
  void fields(Fields&);
};

/// Sentences of a file of which some are held out.
inline constexpr i64 kFewestToSplit = 20;

/// Throws Error for a file that is missing, empty, or has words that `tokenizer` cannot write. A
/// file shorter than what is asked for begins again from its end. The last tenth of a file's
/// sentences is for test samples alone, the others for training; fewer than kFewestToSplit are for
/// both, as description() then says.
std::unique_ptr<Haystack> make_haystack(const HaystackParams&, const Tokenizer& tokenizer);

/// The words that our own noise and prose are written with.
std::vector<std::string> haystack_words();

/// The different words of texts, in the order they first come; spaces separate words.
std::vector<std::string> words_of(std::span<const std::string_view> texts);

/// Puts a prompt together: pieces in order, each in the tokens it has by itself, and gaps that
/// share what is left of the length. Every piece begins with a space (" what is the code ?"), so
/// that vocabularies with spaces in their words write it as in running text. The tokenizer's
/// opening() comes first.
class Prompt {
 public:
  using Piece = std::size_t;  ///< its number, in order

  explicit Prompt(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  Piece add(std::string_view text);
  Piece add(std::vector<Token> tokens);
  /// Filler takes `share` / (sum of all shares) of the tokens left, rounded; shares are >= 0 and,
  /// unless there is no gap, not all 0.
  void gap(double share);

  /// Tokens without any filler: the shortest prompt there is.
  i64 smallest() const;

  struct Assembled {
    std::vector<Token> tokens;
    std::vector<Span> pieces;  ///< by number
    std::vector<Span> filler;  ///< in order, none empty
  };
  /// Throws Error, "needle: 200 tokens: does not fit; smallest length is 245", opening with
  /// `where`, when the pieces have more than `length` tokens; and when they have fewer and there is
  /// no gap.
  Assembled assemble(i64 length, const Haystack&, Split, const Rng&, std::string_view where) const;

 private:
  struct Part {
    std::vector<Token> tokens;
    double share = 0;
    bool is_gap = false;
  };
  const Tokenizer& tokenizer_;
  std::vector<Part> parts_;
  std::size_t pieces_ = 0;
};

/// What all tokens outside the answers weigh together in training, the answers weighing 1.
inline constexpr double kOutsideWeight = 0.1;

/// A sample's loss weights: 1 shared evenly by the tokens of all answers, kOutsideWeight by all
/// others but the first, which nothing predicts.
std::vector<float> answer_weights(i64 length, std::span<const Question>);

}  // namespace longreach::datasets

namespace longreach {
template <>
struct EnumNames<datasets::HaystackKind> {
  static constexpr std::array<std::string_view, 2> names{"noise", "prose"};
};
}  // namespace longreach
