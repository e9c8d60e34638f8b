// The questions of answers.h.
#include "metrics/answers.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>

#include "core/error.h"
#include "metrics/streams.h"
#include "model/generate.h"
#include "model/scoring.h"

namespace longreach::metrics {
namespace {

using datasets::Question;
using datasets::Sample;
using datasets::Span;
using datasets::Tokenizer;

std::span<const Token> part(const Sample& sample, i64 begin, i64 end) {
  return std::span(sample.tokens)
      .subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
}

std::span<const Token> tokens_of(const Sample& sample, const Span& span) {
  return part(sample, span.begin, span.end());
}

/// Log-probability per byte of text; what stands for no text counts as a byte.
double per_byte(const std::vector<double>& log_probabilities, std::span<const Token> tokens,
                const Tokenizer& tokenizer) {
  const double sum = std::accumulate(log_probabilities.begin(), log_probabilities.end(), 0.0);
  return sum / static_cast<double>(std::max<std::size_t>(1, tokenizer.decode(tokens).size()));
}

/// All that must agree for samples to go side by side.
std::vector<i64> layout_of(const Sample& sample) {
  std::vector<i64> numbers{std::ssize(sample.tokens)};
  for (const Question& question : sample.questions) {
    numbers.insert(numbers.end(), {question.answer.begin, question.answer.length,
                                   static_cast<i64>(question.decoys.size())});
    for (const auto& decoy : question.decoys) numbers.push_back(std::ssize(decoy));
  }
  return numbers;
}

/// Samples of one layout, read together.
class Reading {
 public:
  Reading(const model::Transformer& model, const Tokenizer& tokenizer, const Asking& asking,
          std::vector<const Sample*> samples)
      : model_(model),
        tokenizer_(tokenizer),
        asking_(asking),
        samples_(std::move(samples)),
        state_(model.initial_state(std::ssize(samples_), room())) {}

  /// One for each sample. Questions in order.
  std::vector<Answer> next(std::size_t question) {
    const Span answer = first().questions[question].answer;
    check(answer.length > 0 && read_ < answer.begin && answer.end() <= std::ssize(first().tokens),
          "questions are in order of their answers, which come after something");
    read_to(answer.begin - 1);
    std::vector<Answer> answers(samples_.size());
    generate(answer, answers);
    const std::size_t decoys = asking_.choices ? first().questions[question].decoys.size() : 0;
    std::vector<double> most(samples_.size(), -std::numeric_limits<double>::infinity());
    for (std::size_t decoy = 0; decoy < decoys; ++decoy) {
      model::StreamState copy = state_;
      const auto scores = score(copy, answer.begin, [&](const Sample& sample) {
        return std::span<const Token>(sample.questions[question].decoys[decoy]);
      });
      for (std::size_t b = 0; b < scores.size(); ++b) most[b] = std::max(most[b], scores[b]);
    }
    // Going on with the true answer scores it, too.
    const auto right = score(state_, answer.begin,
                             [&](const Sample& sample) { return tokens_of(sample, answer); });
    read_ = answer.end() - 1;
    for (std::size_t b = 0; decoys > 0 && b < right.size(); ++b) {
      answers[b].first = right[b] > most[b];
    }
    return answers;
  }

 private:
  const Sample& first() const { return *samples_.front(); }

  /// Tokens that the state and its copies may come to hold.
  i64 room() const {
    i64 most = std::ssize(first().tokens);
    for (const Question& question : first().questions) {
      most = std::max(most, question.answer.end() + asking_.new_tokens);
      for (const auto& decoy : question.decoys) {
        most = std::max(most, question.answer.begin + std::ssize(decoy));
      }
    }
    return most;
  }

  void read_to(i64 end) {
    TokenRows rows;
    for (const Sample* sample : samples_) rows.add(part(*sample, read_, end));
    model::prefill(model_, rows.view(), state_);
    read_ = end;
  }

  void generate(const Span& answer, std::vector<Answer>& answers) const {
    std::vector<Token> last;
    for (const Sample* sample : samples_) {
      last.push_back(sample->tokens[static_cast<std::size_t>(answer.begin - 1)]);
    }
    model::StreamState copy = state_;
    auto generated =
        model::continue_greedily(model_, copy, std::move(last), answer.length + asking_.new_tokens);
    const std::vector<Token> endings = tokenizer_.endings();
    for (std::size_t b = 0; b < answers.size(); ++b) {
      auto& tokens = answers[b].generated = std::move(generated[b]);
      tokens.erase(std::ranges::find_first_of(tokens, endings), tokens.end());
    }
  }

  /// Per byte, of candidates that begin at `begin`: one for each sample.
  template <class Candidate>
  std::vector<double> score(model::StreamState& state, i64 begin,
                            const Candidate& candidate) const {
    TokenRows rows;
    for (const Sample* sample : samples_)
      rows.add(part(*sample, begin - 1, begin), candidate(*sample));
    const i64 tail = rows.view().extent(1) - 1;
    check(tail > 0, "a decoy has tokens");
    const auto logs = model::tail_log_probabilities(model_, rows.view(), tail, &state);
    std::vector<double> scores;
    for (std::size_t b = 0; b < logs.size(); ++b) {
      scores.push_back(per_byte(logs[b], candidate(*samples_[b]), tokenizer_));
    }
    return scores;
  }

  const model::Transformer& model_;
  const Tokenizer& tokenizer_;
  const Asking& asking_;
  std::vector<const Sample*> samples_;
  model::StreamState state_;
  i64 read_ = 0;  ///< tokens that the state has seen
};

}  // namespace

std::vector<std::vector<Answer>> ask(const model::Transformer& model, const Tokenizer& tokenizer,
                                     std::span<const Sample> samples, const Asking& asking) {
  std::map<std::vector<i64>, std::vector<std::size_t>> alike;
  for (std::size_t i = 0; i < samples.size(); ++i) alike[layout_of(samples[i])].push_back(i);
  std::vector<std::vector<Answer>> answers(samples.size());
  for (const auto& [layout, numbers] : alike) {
    std::vector<const Sample*> together;
    for (const std::size_t i : numbers) together.push_back(&samples[i]);
    const std::size_t questions = together.front()->questions.size();
    Reading reading(model, tokenizer, asking, std::move(together));
    for (std::size_t question = 0; question < questions; ++question) {
      std::vector<Answer> of_each = reading.next(question);
      for (std::size_t b = 0; b < numbers.size(); ++b) {
        answers[numbers[b]].push_back(std::move(of_each[b]));
      }
    }
  }
  return answers;
}

}  // namespace longreach::metrics
