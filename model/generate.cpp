// Greedy continuation of a batch of prompts, and sampled continuation of one.
#include "model/generate.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "model/scoring.h"

namespace longreach::model {
namespace {

/// A state that has read all but the last token of each prompt and has room for the continuation.
StreamState read_prompt(const Transformer& model, View<const Token, 2> prompt, i64 count,
                        i64 chunk) {
  check(prompt.extent(1) >= 1 && count >= 0, "a prompt of at least one token");
  StreamState state = model.initial_state(prompt.extent(0), prompt.extent(1) + count);
  prefill(model, prompt.slice(1, 0, prompt.extent(1) - 1), state, chunk);
  return state;
}

Token most_likely(std::span<const float> logits) {
  return static_cast<Token>(std::ranges::max_element(logits) - logits.begin());
}

struct Weighted {
  double weight;
  Token token;
  /// Order of a heap whose top is the heaviest, and of equal ones the lowest token.
  bool operator<(const Weighted& other) const {
    return weight != other.weight ? weight < other.weight : token > other.token;
  }
};

}  // namespace

std::vector<std::vector<Token>> continue_greedily(const Transformer& model, StreamState& state,
                                                  std::vector<Token> last, i64 count) {
  const i64 batch = std::ssize(last), vocabulary = model.architecture().vocabulary;
  std::vector<std::vector<Token>> result(last.size());
  Floats buffer(static_cast<std::size_t>(batch * vocabulary));
  const View<float, 3> logits(buffer.data(), {batch, 1, vocabulary});
  for (i64 step = 0; step < count; ++step) {
    model.forward(View<const Token, 2>(last.data(), {batch, 1}), state, logits, nullptr);
    for (i64 b = 0; b < batch; ++b) {
      const auto stream = static_cast<std::size_t>(b);
      last[stream] = most_likely(logits.row(b, 0));
      result[stream].push_back(last[stream]);
    }
  }
  return result;
}

std::vector<std::vector<Token>> generate_greedy(const Transformer& model,
                                                View<const Token, 2> prompt, i64 count,
                                                i64 prefill_chunk) {
  StreamState state = read_prompt(model, prompt, count, prefill_chunk);
  std::vector<Token> last;
  for (i64 b = 0; b < prompt.extent(0); ++b) last.push_back(prompt(b, prompt.extent(1) - 1));
  return continue_greedily(model, state, std::move(last), count);
}

void Sampling::fields(Fields& f) {
  f("temperature", temperature, at_least(0),
    "divides the logits before a token is drawn; 0: always the most likely token");
  f("top_p", top_p, between(0, 1),
    "draws among the fewest most likely tokens that together have this probability; 1: all");
}

Token next_token(std::span<const float> logits, const Sampling& sampling, Rng& rng) {
  check(sampling.temperature >= 0 && 0 <= sampling.top_p && sampling.top_p <= 1,
        "a temperature and a probability");
  const Token best = most_likely(logits);
  if (sampling.temperature == 0) return best;
  const auto largest = static_cast<double>(logits[static_cast<std::size_t>(best)]);
  std::vector<Weighted> tokens;
  double total = 0;
  for (const float logit : logits) {
    const double weight = std::exp((static_cast<double>(logit) - largest) / sampling.temperature);
    tokens.push_back({weight, static_cast<Token>(tokens.size())});
    total += weight;
  }
  double mass = total;
  auto kept = tokens.begin();  // of all, when none are cut off: their order does not matter then
  if (sampling.top_p < 1) {
    mass = 0;
    std::make_heap(tokens.begin(), tokens.end());
    kept = tokens.end();
    do {  // the heaviest that is left goes to the end
      std::pop_heap(tokens.begin(), kept--);
      mass += kept->weight;
    } while (mass < sampling.top_p * total && kept != tokens.begin());
  }
  double rest = rng.uniform() * mass;
  for (auto token = kept; token != tokens.end(); ++token) {
    rest -= token->weight;
    if (rest < 0) return token->token;
  }
  return best;  // rounding let the sum end short of the number drawn
}

Generator::Generator(const Transformer& model, std::span<const Token> prompt, i64 most,
                     const Sampling& sampling, std::vector<Token> endings, i64 prefill_chunk)
    : model_(model),
      state_(read_prompt(model, {prompt.data(), {1, std::ssize(prompt)}}, most, prefill_chunk)),
      last_(prompt.back()),
      left_(most),
      sampling_(sampling),
      rng_(Rng(static_cast<std::uint64_t>(sampling.seed)).fork("sampling")),
      endings_(std::move(endings)),
      logits_(static_cast<std::size_t>(model.architecture().vocabulary)) {}

std::optional<Token> Generator::next() {
  if (left_ == 0) return std::nullopt;
  --left_;
  const i64 vocabulary = std::ssize(logits_);
  model_.forward(View<const Token, 2>(&last_, {1, 1}), state_,
                 View<float, 3>(logits_.data(), {1, 1, vocabulary}), nullptr);
  last_ = next_token(logits_, sampling_, rng_);
  if (std::ranges::find(endings_, last_) == endings_.end()) return last_;
  left_ = 0;
  return std::nullopt;
}

}  // namespace longreach::model
