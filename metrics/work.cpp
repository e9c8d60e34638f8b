// What metrics have models do, and how to count it.
#include "metrics/work.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "metrics/metric.h"
#include "metrics/streams.h"

namespace longreach::metrics {

double Work::tokens() const {
  double sum = 0;
  for (const Pass& pass : passes) {
    sum += pass.count * static_cast<double>(pass.streams) * static_cast<double>(pass.tokens);
  }
  return sum;
}

void add_streams(Work& work, double count, i64 tokens, i64 logits) {
  if (count <= 0 || tokens <= 0) return;
  const i64 most = std::min(streams_at_once(tokens), static_cast<i64>(std::ceil(count)));
  work.passes.push_back({.count = count / static_cast<double>(most),
                         .streams = most,
                         .tokens = tokens,
                         .logits = std::min(logits, tokens)});
}

AskedOf asked_of(const Prospect& prospect) {
  constexpr i64 kLong = 2048;  // a longer sample takes time to make, and asks about as much
  constexpr i64 kSamples = 4;
  if (prospect.data == nullptr) return {};
  const i64 length = std::min(prospect.context_length, kLong);
  const auto tokens = static_cast<double>(length);
  AskedOf sums{0, 0, 0, 0, 0, 0, true};
  std::vector<i64> places;
  try {
    for (i64 i = 0; i < kSamples; ++i) {
      const datasets::Sample sample = prospect.data->sample(datasets::Split::test, i, length);
      std::vector<i64> here;
      for (const datasets::Question& question : sample.questions) {
        sums.answer += static_cast<double>(question.answer.length);
        sums.end += static_cast<double>(question.answer.end()) / tokens;
        sums.decoys += static_cast<double>(question.decoys.size());
        here.push_back(question.answer.begin);
      }
      i64 first = length;
      for (const datasets::Fact& fact : sample.facts) {
        for (const datasets::Span& span : fact.stated) first = std::min(first, span.begin);
      }
      sums.stated += static_cast<double>(first) / tokens;
      sums.questions += static_cast<double>(sample.questions.size());
      sums.facts += static_cast<double>(sample.facts.size());
      if (i > 0 && here != places) sums.alike = false;
      places = std::move(here);
    }
  } catch (const Error&) {  // too short for it: the cell will say so
    return {};
  }
  if (sums.questions == 0) return {};
  return {.questions = sums.questions / kSamples,
          .facts = sums.facts / kSamples,
          .answer = sums.answer / sums.questions,
          .decoys = sums.decoys / sums.questions,
          .end = sums.end / sums.questions,
          .stated = sums.stated / kSamples,
          .alike = sums.alike};
}

i64 held_out_tokens(const Prospect& prospect) {
  i64 sum = 0;
  if (prospect.data == nullptr) return sum;
  for (const auto& document : prospect.data->documents(datasets::Split::test)) {
    sum += std::ssize(document);
  }
  return sum;
}

Work Metric::work(const Prospect& prospect) const {
  Work work;
  add_streams(work, 1, prospect.context_length, 1);
  return work;
}

}  // namespace longreach::metrics
