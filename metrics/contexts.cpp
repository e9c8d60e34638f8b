// The contexts of contexts.h.
#include "metrics/contexts.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "metrics/streams.h"
#include "model/scoring.h"

namespace longreach::metrics {
namespace {

std::span<const Token> part(std::span<const Token> tokens, i64 begin, i64 count) {
  return tokens.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(count));
}

/// Places [begin, begin + count) a stretch may start at.
struct Starts {
  std::size_t document;
  i64 begin, count;
};

/// In other documents.
std::vector<Starts> elsewhere(const Documents& documents, const Block& block, i64 count) {
  std::vector<Starts> starts;
  for (std::size_t d = 0; d < documents.size(); ++d) {
    const i64 places = std::ssize(documents[d]) - count + 1;
    if (d != block.document && places > 0) starts.push_back({d, 0, places});
  }
  return starts;
}

/// In the block's own document, at least `gap` tokens from its window.
std::vector<Starts> apart(const Documents& documents, const Block& block, i64 count, i64 gap) {
  const i64 window = block.end - block.context - 1, after = block.end + gap;
  std::vector<Starts> starts;
  const auto add = [&](i64 begin, i64 end) {
    if (end - begin >= count) starts.push_back({block.document, begin, end - begin - count + 1});
  };
  add(0, window - gap);
  add(after, std::ssize(documents[block.document]));
  return starts;
}

}  // namespace

i64 tokens_before_targets(const Block& block) { return block.context + 1 - block.targets; }

ContextParts context_parts(const Documents& documents, const Block& block, i64 near) {
  const std::span<const Token> window = window_of(documents, block);
  const i64 before = tokens_before_targets(block);
  check(0 < near && near <= before, "the near context is part of the context");
  return {part(window, 0, before - near), part(window, before - near, near),
          part(window, before, block.targets)};
}

std::span<const Token> foreign_tokens(const Documents& documents, const Block& block, i64 count,
                                      Rng& rng, std::string_view where) {
  std::vector<Starts> starts = elsewhere(documents, block, count);
  if (starts.empty()) starts = apart(documents, block, count, count);
  if (starts.empty()) starts = apart(documents, block, count, 0);
  i64 places = 0;
  for (const Starts& some : starts) places += some.count;
  if (places == 0) {
    throw error(
        "{}: {} have no other {} tokens that could stand before them; hold out more text or give "
        "shorter lengths",
        where, block_name(block), count);
  }
  i64 drawn = rng.below(places);
  const auto chosen = std::ranges::find_if(starts, [&drawn](const Starts& some) {
    if (drawn < some.count) return true;
    drawn -= some.count;
    return false;
  });
  return part(documents[chosen->document], chosen->begin + drawn, count);
}

std::vector<Token> joined(std::initializer_list<std::span<const Token>> parts) {
  std::vector<Token> tokens;
  for (const auto& some : parts) tokens.insert(tokens.end(), some.begin(), some.end());
  return tokens;
}

std::vector<double> tail_nats(const model::Transformer& model,
                              std::span<const std::vector<Token>> rows, i64 tail) {
  std::vector<double> nats;
  while (nats.size() < rows.size()) {
    const std::size_t first = nats.size(), length = rows[first].size();
    const auto most = static_cast<std::size_t>(streams_at_once(static_cast<i64>(length)));
    TokenRows batch;
    for (std::size_t i = first; i < rows.size() && i < first + most && rows[i].size() == length;
         ++i) {
      batch.add(rows[i]);
    }
    for (const auto& stream : model::tail_log_probabilities(model, batch.view(), tail)) {
      nats.push_back(-std::accumulate(stream.begin(), stream.end(), 0.0));
    }
  }
  return nats;
}

void require_far_context(const Session& session, i64 near, i64 targets, std::string_view where) {
  if (session.context_length >= targets + near) return;
  throw error(
      "{}: a context of {} tokens has nothing further back than {} tokens before {} targets; give "
      "lengths of {} or more, or a smaller near or targets",
      where, session.context_length, near, targets, targets + near);
}

i64 contexts_within(i64 tokens, i64 most, i64 length) {
  return tokens == 0 ? most : std::max<i64>(1, std::min(most, tokens / length));
}

double preference(double first, double second, i64 tokens) {
  constexpr double kTie = 1e-6;  // nats, of one token
  const double equal = kTie * std::sqrt(static_cast<double>(tokens)), more = first - second;
  return more > equal ? 1 : more < -equal ? 0 : 0.5;
}

Documents held_out_documents(const Session& session, std::string_view where) {
  Documents documents;
  if (session.data != nullptr) documents = session.data->documents(datasets::Split::test);
  if (documents.empty()) {
    throw error("{}: the data has no held-out text; name some, as data: {{text: {{path: ...}}}}",
                where);
  }
  return documents;
}

}  // namespace longreach::metrics
