// The plans of protocol.h.
#include "metrics/protocol.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "core/error.h"

namespace longreach::metrics {
namespace {

std::vector<Block> blocks_of(const Session& session, const Documents& documents,
                             const Protocol& protocol, std::string_view where) {
  const i64 context = session.context_length;
  if (protocol.layout == Layout::documents) {
    return document_blocks(documents, context, protocol.tokens, where);
  }
  const bool rolling = protocol.layout == Layout::rolling;
  const i64 targets = rolling ? protocol.stride : context;
  if (targets > context) {
    throw error("{} stride: {} targets do not fit a context of {} tokens; give stride: {} or less",
                where, targets, context, context);
  }
  const i64 most = protocol.tokens == 0 ? 0 : std::max<i64>(1, protocol.tokens / targets);
  return with_context(
      spread_blocks(documents, rolling ? longest_length(session) : context, targets, most, where),
      context);
}

}  // namespace

void Protocol::fields(Fields& f) {
  f("protocol", layout,
    "rolling: the same targets at every length, each block with a full context; disjoint: "
    "windows of the context length, all of each scored; documents: each document on its own, all "
    "of its tokens but the first scored, in such windows where it is longer");
  f("stride", stride, at_least(1, Unit::count),
    "targets in a block (rolling), at most the context length");
  f("tokens", tokens, at_least(0, Unit::count),
    "most tokens to score, in evenly spread blocks of which there is at least one; 0: all");
}

std::string Protocol::id(i64 context) const {
  constexpr std::array<std::string_view, 3> kScored{"tail", "all", "document"};
  return fmt::format("ctx={}:stride={}:score={}", context,
                     layout == Layout::rolling ? stride : context,
                     kScored[static_cast<std::size_t>(layout)]);
}

Plan make_plan(const Session& session, const Protocol& protocol, std::string_view where) {
  Plan plan;
  if (session.data != nullptr) plan.documents = session.data->documents(datasets::Split::test);
  if (plan.documents.empty()) {
    throw error("{}: the data has no held-out text; name some, as data: {{text: {{path: ...}}}}",
                where);
  }
  plan.blocks = blocks_of(session, plan.documents, protocol, where);
  return plan;
}

double Bucket::middle() const {
  return std::sqrt(static_cast<double>(low) * static_cast<double>(high));
}

Positions::Positions(const Plan& plan) {
  const auto longest_of = [](const std::vector<Block>& some) {
    return std::ranges::max_element(some, {}, &Block::context)->context;
  };
  const i64 available = std::ssize(plan.blocks);
  const i64 count = std::min(std::clamp<i64>(16384 / longest_of(plan.blocks), 4, 16), available);
  for (i64 i = 0; i < count; ++i) {
    blocks.push_back(in_full(plan.blocks[static_cast<std::size_t>(i * available / count)]));
  }
  const i64 longest = longest_of(blocks);
  for (i64 low = 1; low <= longest; low *= 2) {
    buckets.push_back({low, std::min(2 * low - 1, longest)});
  }
}

std::size_t Positions::bucket_of(i64 number) {
  return static_cast<std::size_t>(std::bit_width(static_cast<std::uint64_t>(number + 1)) - 1);
}

}  // namespace longreach::metrics
