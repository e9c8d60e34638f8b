// Continuations: the most likely tokens, or tokens drawn from the model's distribution.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "model/transformer.h"

namespace longreach::model {

/// The `count` most likely next tokens after each prompt of [B, P], P >= 1, one at a time: [B]
/// [count]. Of equal logits the lowest token wins. The prompt is read `prefill_chunk` tokens at a
/// time. Throws Error as Transformer::forward does.
std::vector<std::vector<Token>> generate_greedy(const Transformer&, View<const Token, 2> prompt,
                                                i64 count, i64 prefill_chunk = 512);

/// Feeds `last` [B] to streams that have read all before it, and continues each by `count` tokens,
/// as generate_greedy() does: [B][count]. The state needs room for `count` more tokens.
std::vector<std::vector<Token>> continue_greedily(const Transformer&, StreamState& state,
                                                  std::vector<Token> last, i64 count);

/// How the next token is drawn.
struct Sampling {
  double temperature = 0;  ///< >= 0; divides the logits; 0: always the most likely token
  double top_p = 1;        ///< 0 to 1; see next_token()
  i64 seed = 0;            ///< equal seeds draw equal tokens; not a field, as who draws has its own
  void fields(Fields&);
};

/// One token of softmax(logits / temperature), drawn among the fewest most likely tokens whose
/// probabilities together reach top_p (nucleus sampling, Holtzman et al. 2020), at least one. Of
/// equal logits the lowest tokens come first. Float64 throughout. Takes one number of `rng`, none
/// at temperature 0. The logits are finite.
Token next_token(std::span<const float> logits, const Sampling&, Rng& rng);

/// Continues one stream a token at a time; the n-th draw depends on the seed, n and the logits.
/// The model must outlive it.
class Generator {
 public:
  /// Reads all but the last token of the prompt (at least one token), `prefill_chunk` at a time.
  /// Throws Error as Transformer::forward does.
  Generator(const Transformer&, std::span<const Token> prompt, i64 most, const Sampling&,
            std::vector<Token> endings = {}, i64 prefill_chunk = 512);

  /// The next token; nothing after `most` tokens or once one of `endings` was drawn, which is not
  /// given out. Throws Error as Transformer::forward does.
  std::optional<Token> next();

 private:
  const Transformer& model_;
  StreamState state_;
  Token last_;
  i64 left_;
  Sampling sampling_;
  Rng rng_;
  std::vector<Token> endings_;
  Floats logits_;
};

}  // namespace longreach::model
