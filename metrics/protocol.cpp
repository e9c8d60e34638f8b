// The plans of protocol.h.
#include "metrics/protocol.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "core/error.h"
#include "metrics/contexts.h"

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

/// What opens a text that nothing precedes: BOS, else EOS, else nothing.
std::optional<Token> prefix_of(const datasets::Tokenizer& tokenizer) {
  for (const std::vector<Token>& some : {tokenizer.opening(), tokenizer.endings()}) {
    if (!some.empty()) return some.front();
  }
  return std::nullopt;
}

/// Has the plan read copies of its documents, as `rewrite` leaves them.
template <class Rewrite>
void rewrite_documents(Plan& plan, const Rewrite& rewrite) {
  auto copies = std::make_shared<std::vector<std::vector<Token>>>();
  for (const auto& document : plan.documents) {
    rewrite(copies->emplace_back(document.begin(), document.end()));
  }
  plan.documents.assign(copies->begin(), copies->end());
  plan.rewritten = std::move(copies);
}

void plan_llama_cpp(const Session& session, i64 tokens, std::string_view where, Plan& plan) {
  const i64 chunk = session.context_length, targets = chunk - 1 - chunk / 2;
  if (targets < 1) {
    throw error(
        "{} preset llama_cpp: chunks of {} tokens have none to score; give lengths of 3 or "
        "more",
        where, chunk);
  }
  const std::vector<Token> opening = session.tokenizer.opening();
  if (!opening.empty()) {
    rewrite_documents(plan, [&](std::vector<Token>& document) {
      for (i64 t = 0; t < std::ssize(document); t += chunk) {
        document[static_cast<std::size_t>(t)] = opening.front();
      }
    });
  }
  // Chunks are blocks that end a chunk apart: the first after `chunk` tokens of its document.
  const i64 most = tokens == 0 ? 0 : std::max<i64>(1, tokens / targets);
  plan.blocks = spread_blocks(plan.documents, chunk - 1, chunk, most, where);
  for (Block& block : plan.blocks) block.targets = targets;
}

void plan_lm_eval(const Session& session, i64 tokens, std::string_view where, Plan& plan) {
  const std::optional<Token> prefix = prefix_of(session.tokenizer);
  if (prefix && session.tokenizer.opening().empty()) {
    rewrite_documents(
        plan, [&](std::vector<Token>& document) { document.insert(document.begin(), *prefix); });
  }
  plan.blocks = document_blocks(plan.documents, session.context_length, tokens, where);
  for (Block& block : plan.blocks) {
    block.context = std::min(session.context_length, block.end - 1);
  }
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
  f("preset", preset,
    "llama_cpp or lm_eval: chunks, BOS and scored tokens as those programs have them, whatever "
    "protocol and stride say (give tokens: 0 to score all, as they do)");
}

std::string Protocol::id(const Session& session) const {
  constexpr std::array<std::string_view, 3> kScored{"tail", "all", "document"};
  const i64 context = session.context_length;
  const bool bos = !session.tokenizer.opening().empty();
  if (preset == Preset::llama_cpp) {
    return fmt::format("preset=llama_cpp:ctx={}:stride={}:score=second_half:prefix={}", context,
                       context, bos ? "bos" : "none");
  }
  if (preset == Preset::lm_eval) {
    return fmt::format("preset=lm_eval:ctx={}:stride={}:score=document:prefix={}", context, context,
                       bos                            ? "bos"
                       : prefix_of(session.tokenizer) ? "eos"
                                                      : "none");
  }
  return fmt::format("ctx={}:stride={}:score={}", context,
                     layout == Layout::rolling ? stride : context,
                     kScored[static_cast<std::size_t>(layout)]);
}

void add_work(Work& work, const Prospect& prospect, const Protocol& protocol) {
  const i64 context = prospect.context_length;
  const Documents documents =
      prospect.data == nullptr ? Documents{} : prospect.data->documents(datasets::Split::test);
  i64 blocks = 0, targets = context;
  if (protocol.preset == Preset::none && protocol.layout == Layout::rolling) {
    targets = std::min(protocol.stride, context);
    const i64 most = protocol.tokens == 0 ? 0 : std::max<i64>(1, protocol.tokens / targets);
    blocks = spread_count(documents, longest_length(prospect), targets, most);
  } else {  // windows that follow each other, the last of a document being shorter
    const i64 held_out = held_out_tokens(prospect);
    if (protocol.preset == Preset::llama_cpp) targets = std::max<i64>(1, context / 2);
    i64 tokens = held_out * targets / context;
    if (protocol.tokens > 0) tokens = std::min(tokens, protocol.tokens);
    if (held_out > 0) blocks = std::max<i64>(1, tokens / targets);
  }
  add_streams(work, static_cast<double>(blocks), context, targets);
  const i64 in_full = std::min(std::clamp<i64>(16384 / context, 4, 16), blocks);
  add_streams(work, static_cast<double>(in_full), context, context);
  const double buckets = std::log2(static_cast<double>(context)) + 1;
  work.resampled += 4 * static_cast<double>(blocks) + buckets * static_cast<double>(in_full);
}

Plan make_plan(const Session& session, const Protocol& protocol, std::string_view where) {
  Plan plan;
  plan.documents = held_out_documents(session, where);
  if (protocol.preset == Preset::llama_cpp) {
    plan_llama_cpp(session, protocol.tokens, where, plan);
  } else if (protocol.preset == Preset::lm_eval) {
    plan_lm_eval(session, protocol.tokens, where, plan);
  } else {
    plan.blocks = blocks_of(session, plan.documents, protocol, where);
  }
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
