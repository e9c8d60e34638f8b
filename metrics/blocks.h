// Blocks of text to be predicted, at fixed places of the held-out documents.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensor.h"
#include "datasets/dataset.h"
#include "metrics/metric.h"

namespace longreach::metrics {

using Documents = std::vector<std::span<const Token>>;

/// The last `targets` of a document's tokens before number `end` are to be predicted, by a model
/// that starts empty and reads the `context` tokens before the last of them: the first target sees
/// context - targets + 1 tokens and the last one all. 0 < targets <= context < end.
struct Block {
  std::size_t document = 0;
  i64 end = 0, context = 0, targets = 0;
};

/// At most `most` blocks (0: all there are), evenly spread over all that lie `targets` tokens apart
/// and have `context` tokens before their last target. Throws Error, opening with `where`, when no
/// document is that long.
std::vector<Block> spread_blocks(const Documents&, i64 context, i64 targets, i64 most,
                                 std::string_view where);

/// How many blocks spread_blocks() gives; 0 where it throws.
i64 spread_count(const Documents&, i64 context, i64 targets, i64 most);

/// Windows of at most `context` targets over every document on its own: the first reads from the
/// document's first token, which alone is no target, each later one from the last token of the one
/// before. Of all windows so many, evenly spread, that they have at most `tokens` targets (0: no
/// limit), but one at least. Throws Error, opening with `where`, when no document has two tokens.
std::vector<Block> document_blocks(const Documents&, i64 context, i64 tokens,
                                   std::string_view where);

/// The same targets read after less or more.
std::vector<Block> with_context(std::vector<Block>, i64 context);

/// The same context with everything in it predicted.
Block in_full(Block);

/// The blocks by number, cut into batches to go through a model side by side: of equal counts, in
/// order.
std::vector<std::vector<std::size_t>> batches(std::span<const Block>);

/// -log p in nats of each block's targets, [blocks][targets].
std::vector<std::vector<double>> block_losses(const model::Transformer&, const Documents&,
                                              std::span<const Block>);

/// spread_blocks() whose targets are the same at every context length of the task, with this cell's
/// context.
std::vector<Block> same_target_blocks(const Session&, const Documents&, i64 targets, i64 most,
                                      std::string_view where);

/// The longest context length of the task, this cell's included.
i64 longest_length(const Session&);
i64 longest_length(const Prospect&);

/// How many blocks same_target_blocks() gives; 0 where it throws.
i64 same_target_count(const Prospect&, i64 targets, i64 most);

std::span<const Token> targets_of(const Documents&, const Block&);

/// Bytes of text that a block's targets stand for. In the first of a whole document that is the
/// text as it was given, without the space that a tokenizer may have put before it.
i64 text_bytes(const datasets::Tokenizer&, const Documents&, const Block&);

/// Words of text that begin among a block's targets: runs of anything but ASCII white space. Over
/// the blocks of a whole document that is its number of words, but for one that begins with the
/// first token where that is no target.
i64 text_words(const datasets::Tokenizer&, const Documents&, const Block&);

/// All that predicting a block takes: its context, and the last target.
std::span<const Token> window_of(const Documents&, const Block&);

/// Hash of a block's place and target tokens, hex: equal for every backend and context length.
std::string block_sha(const Documents&, const Block&);

/// Of several, hex: set_sha() of samples with these hashes.
std::string blocks_sha(const Documents&, std::span<const Block>);

/// "document 0, tokens 1024 to 1535" (the targets), for people.
std::string block_name(const Block&);

/// Hash of samples by their hashes, hex.
std::string set_sha(std::span<const SampleRecord>);

}  // namespace longreach::metrics
