// How held-out text is cut into blocks to be scored: what the metrics of text have in common.
#pragma once

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/fields.h"
#include "metrics/blocks.h"

namespace longreach::metrics {

/// How windows are laid over the text.
enum class Layout {
  rolling,   ///< the same target blocks at every context length, each scored with a full context
  disjoint,  ///< windows that share no target; all of a window is scored, its start with no context
  documents  ///< every document from its first token on, however short, in windows scored in full
};

/// The rules of other programs, for figures to be held beside theirs.
enum class Preset {
  none,
  /// llama.cpp's perplexity tool: chunks of the context length, what is left at the end dropped;
  /// BOS, where documents begin with it, in the place of each chunk's first token; the tokens after
  /// number context / 2, counted from 0, are scored.
  llama_cpp,
  /// loglikelihood_rolling of lm-evaluation-harness: every token of a document scored once, the
  /// first after BOS (or else EOS), in windows of the context length that overlap by one token; the
  /// last window reaches back for a full context. A vocabulary with neither leaves out the first.
  lm_eval
};

struct Protocol {
  Layout layout = Layout::rolling;
  i64 stride = 512;
  i64 tokens = 32768;
  Preset preset = Preset::none;
  void fields(Fields&);
  /// Names all that makes scores comparable: "ctx=1024:stride=512:score=tail"; disjoint windows
  /// say "all" there and documents "document", and both have strides of the context length. Presets
  /// say their name and what begins a window: "preset=lm_eval:ctx=1024:stride=1024:score=document:
  /// prefix=bos".
  std::string id(const Session&) const;
};

/// What is scored at one context length.
struct Plan {
  Documents documents;
  std::vector<Block> blocks;
  /// What `documents` are views of where they are not the data's own: with BOS put in.
  std::shared_ptr<const std::vector<std::vector<Token>>> rewritten = {};
};

/// At the session's context length. Throws Error, opening with `where`, when there is no text or
/// too little.
Plan make_plan(const Session&, const Protocol&, std::string_view where);

/// What scoring by those rules has a model read: the blocks, then some of them in full
/// (Positions); in `work` once.
void add_work(Work&, const Prospect&, const Protocol&);

/// Targets that see from `low` to `high` tokens, both included, in a block scored in full.
struct Bucket {
  i64 low, high;
  double middle() const;  ///< geometric
  /// The bucket's part of what the targets of such a block are in order; empty when it ends before.
  template <class T>
  std::span<const T> of(std::span<const T> targets) const {
    const i64 end = std::min(high, static_cast<i64>(std::ssize(targets)));
    if (end < low) return {};
    return targets.subspan(static_cast<std::size_t>(low - 1),
                           static_cast<std::size_t>(end - low + 1));
  }
};

/// By position in the window: a few evenly spread blocks of the plan, each scored in full, and the
/// buckets [1], [2, 3], [4, 7], ... up to the longest of them.
struct Positions {
  explicit Positions(const Plan&);
  std::vector<Block> blocks;
  std::vector<Bucket> buckets;
  /// The number of the bucket that target `number` of a block, counted from 0, lies in.
  static std::size_t bucket_of(i64 number);
};

}  // namespace longreach::metrics

namespace longreach {
template <>
struct EnumNames<metrics::Layout> {
  static constexpr std::array<std::string_view, 3> names{"rolling", "disjoint", "documents"};
};
template <>
struct EnumNames<metrics::Preset> {
  static constexpr std::array<std::string_view, 3> names{"none", "llama_cpp", "lm_eval"};
};
}  // namespace longreach
