// What of a context an answer hangs on, as text for people.
#include "metrics/excerpt.h"

#include <algorithm>
#include <vector>

namespace longreach::metrics {
namespace {

using datasets::Span;

constexpr std::size_t kMostEvidence = 4;
constexpr i64 kEvidence = 96, kAround = 24, kEnd = 96;  // tokens
constexpr const char* kLeftOut = " […] ";

}  // namespace

std::string excerpt(const datasets::Tokenizer& tokenizer, std::span<const Token> context,
                    std::span<const Span> evidence) {
  const i64 size = std::ssize(context);
  std::vector<Span> stretches;
  for (const Span& span : evidence.first(std::min(evidence.size(), kMostEvidence))) {
    if (span.begin >= size) continue;
    const i64 begin = std::max<i64>(0, span.begin - kAround);
    const i64 end = span.begin + std::min(span.length, kEvidence) + kAround;
    stretches.push_back({begin, std::min(end, size) - begin});
  }
  stretches.push_back({std::max<i64>(0, size - kEnd), std::min(size, kEnd)});
  std::sort(stretches.begin(), stretches.end(),
            [](const Span& a, const Span& b) { return a.begin < b.begin; });

  std::string text;
  i64 told = 0;  // tokens of the context that stand in the text, or are left out of it
  for (std::size_t i = 0; i < stretches.size();) {
    i64 end = stretches[i].end();
    const i64 begin = stretches[i].begin;
    for (++i; i < stretches.size() && stretches[i].begin <= end; ++i) {
      end = std::max(end, stretches[i].end());
    }
    if (begin > told) text += kLeftOut;
    text += tokenizer.decode(
        context.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)));
    told = end;
  }
  return text;
}

}  // namespace longreach::metrics
